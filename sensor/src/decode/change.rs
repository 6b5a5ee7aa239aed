//! Names, permissions and mounts changed.

use activity_proto::v1::{self, Event, MountOperation, event::Payload};
use bytes::Bytes;
use sensor_types::{
    file::{Change, DIRECTORY, MOUNTED, MOVED, SYMBOLIC, UNCHANGED, UNMOUNTED},
    span::Span,
};

use super::{
    DecodeError,
    file::{device, inode, mode, source},
    fixed, note_cut, outcome,
    path::{assemble, named},
    text, until_nul,
};

/// `renameat2`: both names change places.
const RENAME_EXCHANGE: u32 = 1 << 1;
/// Of a mode, what chmod changes.
const PERMISSIONS: u32 = 0o7777;

/// A name was changed.
pub fn rename(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let change = begin(record, event, "newPath")?;
    event.payload = Some(Payload::Rename(v1::Rename {
        path: path(record, &change)?,
        new_path: other(record, &change)?,
        path_source: source(change.source, &change.path).into(),
        device: device(&change.file),
        inode: inode(&change.file),
        exchange: change.flags & RENAME_EXCHANGE != 0,
    }));
    Ok(())
}

/// A name was added.
pub fn link(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let change = begin(record, event, "newPath")?;
    let symbolic = change.flags & SYMBOLIC != 0;
    event.payload = Some(Payload::Link(v1::Link {
        // The text of a symbolic link is no name yet: where it leads to is
        // decided when somebody follows it.
        path: if symbolic { verbatim(record, &change.path)? } else { path(record, &change)? },
        new_path: other(record, &change)?,
        path_source: source(change.source, &change.path).into(),
        device: device(&change.file),
        inode: inode(&change.file),
        symbolic,
    }));
    Ok(())
}

/// A name was removed.
pub fn unlink(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let change = begin(record, event, "path")?;
    event.payload = Some(Payload::Unlink(v1::Unlink {
        path: path(record, &change)?,
        path_source: source(change.source, &change.path).into(),
        device: device(&change.file),
        inode: inode(&change.file),
        directory: change.flags & DIRECTORY != 0,
    }));
    Ok(())
}

/// Permissions were changed.
pub fn chmod(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let change = begin(record, event, "path")?;
    event.payload = Some(Payload::Chmod(v1::Chmod {
        path: path(record, &change)?,
        path_source: source(change.source, &change.path).into(),
        device: device(&change.file),
        inode: inode(&change.file),
        mode: changed(change.first).unwrap_or_default() & PERMISSIONS,
        // A mode that is known has a type beside the permissions.
        old_mode: mode(&change.file).filter(|mode| *mode != 0).map(|mode| mode & PERMISSIONS),
    }));
    Ok(())
}

/// The owner or the group was changed.
pub fn chown(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let change = begin(record, event, "path")?;
    event.payload = Some(Payload::Chown(v1::Chown {
        path: path(record, &change)?,
        path_source: source(change.source, &change.path).into(),
        device: device(&change.file),
        inode: inode(&change.file),
        uid: changed(change.first),
        gid: changed(change.second),
    }));
    Ok(())
}

/// Something was mounted, moved or unmounted.
pub fn mount(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let change = begin(record, event, "source")?;
    let operation = match change.first {
        MOUNTED => MountOperation::Mount,
        MOVED => MountOperation::Move,
        UNMOUNTED => MountOperation::Unmount,
        _ => MountOperation::Unspecified,
    };
    event.payload = Some(Payload::Mount(v1::Mount {
        operation: operation.into(),
        path: path(record, &change)?,
        path_source: source(change.source, &change.path).into(),
        source: other(record, &change)?,
        filesystem: until_nul(&change.filesystem),
        flags: change.flags,
    }));
    Ok(())
}

/// The fixed part, with what is the same for all; `other` is the field that
/// the second name becomes.
fn begin(record: &[u8], event: &mut Event, other: &str) -> Result<Change, DecodeError> {
    let change: Change = fixed(record)?;
    note_cut(event, "path", &change.path);
    note_cut(event, "path", &change.base);
    note_cut(event, other, &change.other);
    note_cut(event, other, &change.other_base);
    event.outcome = Some(outcome(change.result));
    Ok(change)
}

fn path(record: &[u8], change: &Change) -> Result<Bytes, DecodeError> {
    named(record, &change.path, &change.base)
}

fn other(record: &[u8], change: &Change) -> Result<Bytes, DecodeError> {
    named(record, &change.other, &change.other_base)
}

fn verbatim(record: &[u8], span: &Span) -> Result<Bytes, DecodeError> {
    Ok(assemble(text(record, span)?, span))
}

fn changed(value: u32) -> Option<u32> {
    (value != UNCHANGED).then_some(value)
}
