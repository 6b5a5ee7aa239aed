//! Files, names and mounts.

use std::fmt::Write as _;

use activity_proto::v1::{
    Access, Chmod, Chown, ExecMapping, FileReceive, Link, Mount, MountOperation, Open, Process, Rename,
    Unlink,
};

use super::{super::quote::word, Object, shown};

/// What an open allows, and the file.
pub fn open(open: &Open, process: Option<&Process>) -> Object {
    let path = shown(&open.path, open.path_source(), process);
    let mut marks = state(&open.path, open.deleted, open.unreachable);
    if open.io_uring {
        marks.push_str(" [io_uring]");
    }
    Object { body: format!("{} {path}", letters(open.access())), keep_end: 60, marks, ..Object::default() }
}

/// As an open: what it allows, and the file.
pub fn received(received: &FileReceive, process: Option<&Process>) -> Object {
    let path = shown(&received.path, received.path_source(), process);
    Object {
        body: format!("{} {path}", letters(received.access())),
        keep_end: 60,
        marks: state(&received.path, received.deleted, received.unreachable),
        ..Object::default()
    }
}

/// The file that became code.
pub fn mapped(mapping: &ExecMapping, process: Option<&Process>) -> Object {
    Object {
        body: shown(&mapping.path, mapping.path_source(), process),
        keep_end: 60,
        marks: state(&mapping.path, mapping.deleted, mapping.unreachable),
        ..Object::default()
    }
}

/// The old name and the new one.
pub fn rename(rename: &Rename, process: Option<&Process>) -> Object {
    let path = shown(&rename.path, rename.path_source(), process);
    let new = shown(&rename.new_path, rename.path_source(), process);
    let arrow = if rename.exchange { "↔" } else { "→" };
    Object { body: format!("{path} {arrow} {new}"), keep_end: 50, ..Object::default() }
}

/// The link and what it leads to, as `ls -l` has it.
pub fn link(link: &Link, process: Option<&Process>) -> Object {
    let new = shown(&link.new_path, link.path_source(), process);
    let (path, marks) = if link.symbolic {
        (word(&link.path), " [symbolic]")
    } else {
        (shown(&link.path, link.path_source(), process), "")
    };
    Object { body: format!("{new} → {path}"), keep_end: 50, marks: marks.to_owned(), ..Object::default() }
}

/// The name that is gone.
pub fn unlink(unlink: &Unlink, process: Option<&Process>) -> Object {
    Object {
        body: shown(&unlink.path, unlink.path_source(), process),
        keep_end: 60,
        marks: if unlink.directory { " [directory]".to_owned() } else { String::new() },
        ..Object::default()
    }
}

/// The permissions before and after, in octal.
pub fn chmod(chmod: &Chmod, process: Option<&Process>) -> Object {
    let path = shown(&chmod.path, chmod.path_source(), process);
    let old = chmod.old_mode.map(|old| format!("{old:04o}→")).unwrap_or_default();
    Object { body: format!("{old}{:04o} {path}", chmod.mode), keep_end: 60, ..Object::default() }
}

/// The new owner as chown(1) takes it: `user:group`, either may be missing.
pub fn chown(chown: &Chown, process: Option<&Process>) -> Object {
    let path = shown(&chown.path, chown.path_source(), process);
    let mut body = chown.uid.map(|uid| uid.to_string()).unwrap_or_default();
    if let Some(gid) = chown.gid {
        // Writing to a String does not fail.
        let _ = write!(body, ":{gid}");
    }
    if body.is_empty() {
        body.push('-');
    }
    body.push(' ');
    body.push_str(&path);
    Object { body, keep_end: 60, ..Object::default() }
}

/// What was mounted where, in the words of mount(8).
pub fn mount(mount: &Mount, process: Option<&Process>) -> Object {
    let path = shown(&mount.path, mount.path_source(), process);
    let source = if mount.source.is_empty() { "none".to_owned() } else { word(&mount.source) };
    let body = match mount.operation() {
        MountOperation::Mount => format!("{source} on {path}"),
        MountOperation::Move => format!("{source} → {path}"),
        MountOperation::Unmount => format!("[unmounted] {path}"),
        MountOperation::Unspecified => path,
    };
    let mut marks = String::new();
    if !mount.filesystem.is_empty() {
        marks = format!(" [type {}]", word(&mount.filesystem));
    }
    Object { body, keep_end: 50, marks, ..Object::default() }
}

/// What is odd about a file.
fn state(path: &[u8], deleted: bool, unreachable: bool) -> String {
    let mut marks = String::new();
    if deleted {
        marks.push_str(" [deleted]");
    }
    if unreachable && path.starts_with(b"/") {
        marks.push_str(" [not in a mounted tree]");
    }
    marks
}

/// One letter for each access, in a column of three.
fn letters(access: impl Iterator<Item = Access>) -> String {
    let letters: String = access.map(letter).collect();
    format!("{:<3}", if letters.is_empty() { "-" } else { &letters })
}

fn letter(access: Access) -> char {
    match access {
        Access::Read => 'r',
        Access::Write => 'w',
        Access::Create => 'c',
        Access::Truncate => 't',
        Access::Append => 'a',
        Access::Path => 'p',
        Access::Unspecified => '?',
    }
}
