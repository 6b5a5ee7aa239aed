//! Files opened or refused.

use activity_proto::v1::{self, Access, Device, Event, PathSource, event::Payload};
use bytes::Bytes;
use sensor_types::{
    file::{FileId, Open},
    span::{UNREACHABLE, WALKED},
};

use super::{
    DecodeError, fixed, note_cut, outcome,
    path::{assemble, join},
    text,
};

/// `FMODE_*` of linux/fs.h.
mod mode {
    pub const READ: u32 = 0x1;
    pub const WRITE: u32 = 0x2;
    pub const PATH: u32 = 0x4000;
    pub const CREATED: u32 = 0x0010_0000;
}

/// `O_*` of asm-generic/fcntl.h.
mod flag {
    pub const ACCMODE: u32 = 0o3;
    pub const WRONLY: u32 = 0o1;
    pub const RDWR: u32 = 0o2;
    pub const CREAT: u32 = 0o100;
    pub const TRUNC: u32 = 0o1000;
    pub const APPEND: u32 = 0o2000;
    pub const PATH: u32 = 0o1000_0000;
}

pub fn open(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let open: Open = fixed(record)?;
    let own = assemble(text(record, &open.path)?, &open.path);
    let base = assemble(text(record, &open.base)?, &open.base);
    note_cut(event, "path", &open.path);
    note_cut(event, "base", &open.base);
    event.outcome = Some(outcome(open.result));

    let from_kernel = open.path.flags & WALKED != 0;
    let known = open.file.mode != 0;
    event.payload = Some(Payload::Open(v1::Open {
        path: if from_kernel { own } else { from_user(&base, &own) },
        path_source: if from_kernel { PathSource::Fd } else { PathSource::User }.into(),
        device: device(&open.file),
        inode: known.then_some(open.file.inode),
        access: access(&open).map(Into::into).collect(),
        flags: open.flags,
        mode: known.then_some(open.file.mode),
        unreachable: open.path.flags & UNREACHABLE != 0,
        deleted: known && open.file.links == 0,
    }));
    Ok(())
}

/// The caller's words, made absolute; nothing when they could not be read.
fn from_user(base: &Bytes, path: &Bytes) -> Bytes {
    if path.is_empty() { Bytes::new() } else { join(base, path) }
}

/// What the open allows, in the order of the enumeration.
fn access(open: &Open) -> impl Iterator<Item = Access> {
    let succeeded = open.result >= 0;
    let flags = open.flags;
    let (read, write, path, create) = if succeeded {
        (
            open.file_mode & mode::READ != 0,
            open.file_mode & mode::WRITE != 0,
            open.file_mode & mode::PATH != 0,
            open.file_mode & mode::CREATED != 0,
        )
    } else {
        let way = flags & flag::ACCMODE;
        let path = flags & flag::PATH != 0;
        (
            way != flag::WRONLY && !path,
            way == flag::WRONLY || way == flag::RDWR,
            path,
            flags & flag::CREAT != 0,
        )
    };
    [
        (read, Access::Read),
        (write, Access::Write),
        (create, Access::Create),
        (flags & flag::TRUNC != 0, Access::Truncate),
        (flags & flag::APPEND != 0, Access::Append),
        (path, Access::Path),
    ]
    .into_iter()
    .filter_map(|(holds, access)| holds.then_some(access))
}

/// The device of a file; the kernel's own form has 20 bits for the minor.
pub fn device(file: &FileId) -> Option<Device> {
    (file.mode != 0).then_some(Device { major: file.device >> 20, minor: file.device & 0x000f_ffff })
}
