//! Files opened or refused, received, mapped, and on the way to a program.

use activity_proto::v1::{self, Access, Device, Event, PathSource, event::Payload};
use sensor_types::{
    file::{FROM_DESCRIPTOR, FROM_KERNEL, FROM_KERNEL_COPY, FROM_USER, FileId, IO_URING, Open},
    span::{Span, UNREACHABLE, WALKED},
};

use super::{DecodeError, Level, fixed, note_cut, outcome, path::named};

/// `FMODE_*` of linux/fs.h.
mod fmode {
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

/// A file was opened, or could not be.
pub fn open(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let open = begin(record, event)?;
    event.payload = Some(Payload::Open(v1::Open {
        path: named(record, &open.path, &open.base)?,
        path_source: source(open.source, &open.path).into(),
        device: device(&open.file),
        inode: inode(&open.file),
        access: access(&open).map(Into::into).collect(),
        flags: open.flags,
        mode: mode(&open.file),
        unreachable: is_unreachable(&open),
        deleted: is_deleted(&open),
        io_uring: open.marks & IO_URING != 0,
    }));
    Ok(())
}

/// A descriptor came from another process.
pub fn received(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let open = begin(record, event)?;
    event.payload = Some(Payload::FileReceive(v1::FileReceive {
        path: named(record, &open.path, &open.base)?,
        path_source: source(open.source, &open.path).into(),
        device: device(&open.file),
        inode: inode(&open.file),
        access: access(&open).map(Into::into).collect(),
        mode: mode(&open.file),
        unreachable: is_unreachable(&open),
        deleted: is_deleted(&open),
    }));
    Ok(())
}

/// A file was mapped as code.
pub fn mapped(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let open = begin(record, event)?;
    event.payload = Some(Payload::ExecMapping(v1::ExecMapping {
        path: named(record, &open.path, &open.base)?,
        path_source: source(open.source, &open.path).into(),
        device: device(&open.file),
        inode: inode(&open.file),
        mode: mode(&open.file),
        unreachable: is_unreachable(&open),
        deleted: is_deleted(&open),
    }));
    Ok(())
}

/// One level of what leads to a program.
pub fn level(record: &[u8]) -> Result<Level, DecodeError> {
    let open: Open = fixed(record)?;
    Ok(Level {
        pid: open.header.pid,
        tid: open.header.tid,
        time_ns: open.header.boottime_ns,
        interpreter: v1::Interpreter {
            path: named(record, &open.path, &open.base)?,
            path_source: source(open.source, &open.path).into(),
            device: device(&open.file),
            inode: inode(&open.file),
        },
    })
}

/// The fixed part of a record about a file, with what is the same for all.
fn begin(record: &[u8], event: &mut Event) -> Result<Open, DecodeError> {
    let open: Open = fixed(record)?;
    note_cut(event, "path", &open.path);
    note_cut(event, "path", &open.base);
    event.outcome = Some(outcome(open.result));
    event.count = (open.repeated != 0).then(|| open.repeated.into());
    Ok(open)
}

/// Where a path is from; by its form, where the record does not say.
pub fn source(source: u32, path: &Span) -> PathSource {
    match source {
        FROM_KERNEL => PathSource::Kernel,
        FROM_DESCRIPTOR => PathSource::Fd,
        FROM_USER => PathSource::User,
        FROM_KERNEL_COPY => PathSource::KernelCopy,
        _ if path.flags & WALKED != 0 => PathSource::Fd,
        _ => PathSource::User,
    }
}

/// What the open allows, in the order of the enumeration.
fn access(open: &Open) -> impl Iterator<Item = Access> {
    let succeeded = open.result >= 0;
    let flags = open.flags;
    let (read, write, path, create) = if succeeded {
        (
            open.file_mode & fmode::READ != 0,
            open.file_mode & fmode::WRITE != 0,
            open.file_mode & fmode::PATH != 0,
            open.file_mode & fmode::CREATED != 0,
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

fn is_unreachable(open: &Open) -> bool {
    open.path.flags & UNREACHABLE != 0
}

fn is_deleted(open: &Open) -> bool {
    is_known(&open.file) && open.file.links == 0
}

/// Whether there is a file; no file has the mode 0.
pub fn is_known(file: &FileId) -> bool {
    file.mode != 0
}

/// The device of a file; the kernel's own form has 20 bits for the minor.
pub fn device(file: &FileId) -> Option<Device> {
    is_known(file).then_some(Device { major: file.device >> 20, minor: file.device & 0x000f_ffff })
}

/// The inode of a file.
pub fn inode(file: &FileId) -> Option<u64> {
    is_known(file).then_some(file.inode)
}

/// Type and permissions of a file.
pub fn mode(file: &FileId) -> Option<u32> {
    is_known(file).then_some(file.mode)
}
