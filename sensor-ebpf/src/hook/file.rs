//! Files: what was opened, from the new descriptor's own object, and what was
//! refused, from the caller's words.

use core::mem::offset_of;

use sensor_types::{
    counters::Hook,
    file::{FileId, Open, OpenFailedLarge, OpenFailedSmall, OpenLarge, OpenSmall},
    header::Kind,
    span::{COMPONENT_MAX, SHORT_COMPONENT_MAX, Span},
};

use crate::{
    identity::Current,
    kernel::{Address, copy_user_str},
    maps::{FILE_RING, offset, setting},
    path::{Path, copied_span, is_cut, locate, walk},
    ring::{Lost, count, in_two_sizes, reserve},
};

/// `AT_FDCWD` of fcntl.h.
const AT_FDCWD: i32 = -100;

/// The arguments of an open, whichever call it was.
#[derive(Clone, Copy)]
pub struct OpenCall {
    pub result: i64,
    /// Directory a relative path starts from.
    pub directory: i32,
    /// The path in the caller's memory; null where the call has none.
    pub path: Address,
    /// `O_*`, as far as the caller's could be read.
    pub flags: u32,
}

/// Records an open that has returned.
#[inline(never)]
pub fn opened(call: &OpenCall) -> u32 {
    if setting!(opens) == 0 {
        return 0;
    }
    if let Some(current) = Current::get() {
        count(Hook::Open, &current.check_policy().and_then(|()| record(current, call)));
    }
    0
}

#[inline(always)]
fn record(current: Current, call: &OpenCall) -> Result<(), Lost> {
    if call.result < 0 {
        let small = || match call.path.read_user::<u8>() {
            Some(b'/') => failed_absolute(current, call),
            _ => failed_small(current, call),
        };
        return in_two_sizes(small, || failed_large(current, call));
    }
    let file = file_of(current.task, call.result as u32).ok_or(Lost::Unreadable)?;
    in_two_sizes(|| succeeded_small(current, call, file), || succeeded_large(current, call, file))
}

/// `current->files->fdt->fd[number]`
#[inline(always)]
pub fn file_of(task: Address, number: u32) -> Option<Address> {
    let fdt = task.follow(offset!(task_files))?.follow(offset!(files_fdt))?;
    if number >= fdt.read::<u32>(offset!(fdtable_max_fds))? {
        return None;
    }
    fdt.follow(offset!(fdtable_fd))?.follow(number as usize * size_of::<u64>())
}

/// Which file it is.
#[inline(always)]
pub fn file_id(file: Address) -> Option<FileId> {
    let inode = file.follow(offset!(file_inode))?;
    Some(FileId {
        inode: inode.read(offset!(inode_ino))?,
        device: inode.follow(offset!(inode_sb))?.read(offset!(super_block_dev))?,
        mode: u32::from(inode.read::<u16>(offset!(inode_mode))?),
        links: inode.read(offset!(inode_nlink))?,
        reserved: 0,
    })
}

/// The fixed part of a record.
///
/// # Safety
/// `open` must be valid for writing.
#[inline(always)]
unsafe fn write_fixed(open: *mut Open, current: Current, call: &OpenCall) -> Result<(), Lost> {
    // SAFETY: valid as the caller promises.
    unsafe {
        (*open).result = call.result as i32;
        (*open).flags = call.flags;
        (*open).reserved = 0;
        current.write_header(&raw mut (*open).header, Kind::Open)
    }
}

/// One size of record for an open that gave a descriptor.
macro_rules! succeeded {
    ($name:ident, $record:ident, $component:expr) => {
        /// `Ok(false)`: the path did not fit, nothing was recorded.
        #[inline(always)]
        fn $name(current: Current, call: &OpenCall, file: Address) -> Result<bool, Lost> {
            let mut record = reserve::<$record>(&FILE_RING)?;
            let all = record.as_mut_ptr();
            // SAFETY: `all` points to the reserved record, and the path is
            // written into the array made for it, with that array's size.
            let (fixed, cut) = unsafe {
                let open = &raw mut (*all).open;
                let path = &raw mut (*open).path;
                walk(
                    Path::of_file(file),
                    path,
                    (&raw mut (*all).path).cast(),
                    size_of_val(&(*all).path),
                    $component,
                );
                locate(path, offset_of!($record, path));
                (*open).base = Span::EMPTY;
                (*open).file = file_id(file).unwrap_or(FileId::ZERO);
                (*open).file_mode = file.read(offset!(file_mode)).unwrap_or(0);
                let fixed = write_fixed(open, current, call);
                (*open).flags |= file.read::<u32>(offset!(file_flags)).unwrap_or(0);
                (fixed, is_cut(path))
            };
            record.finish_sized::<OpenLarge>(fixed, cut)
        }
    };
}

succeeded!(succeeded_small, OpenSmall, SHORT_COMPONENT_MAX);
succeeded!(succeeded_large, OpenLarge, COMPONENT_MAX);

/// The usual failure, a search along absolute paths: without room for a
/// directory. `Ok(false)`: the path did not fit, or is relative by now.
#[inline(always)]
fn failed_absolute(current: Current, call: &OpenCall) -> Result<bool, Lost> {
    let mut record = reserve::<OpenSmall>(&FILE_RING)?;
    let all = record.as_mut_ptr();
    // SAFETY: `all` points to the reserved record, and the path is written
    // into the array made for it, with that array's size.
    let (fixed, unfit) = unsafe {
        let open = &raw mut (*all).open;
        let text: *mut u8 = (&raw mut (*all).path).cast();
        let room = size_of_val(&(*all).path);
        let path = &raw mut (*open).path;
        path.write(copied_span(copy_user_str(text, room as u32, call.path), room));
        locate(path, offset_of!(OpenSmall, path));
        (*open).base = Span::EMPTY;
        (*open).file = FileId::ZERO;
        (*open).file_mode = 0;
        (write_fixed(open, current, call), is_cut(path) || *text != b'/')
    };
    record.finish_sized::<OpenFailedLarge>(fixed, unfit)
}

/// One size of record for an open that was refused.
macro_rules! failed {
    ($name:ident, $record:ident, $component:expr) => {
        /// `Ok(false)`: a path did not fit, nothing was recorded.
        #[inline(always)]
        fn $name(current: Current, call: &OpenCall) -> Result<bool, Lost> {
            let mut record = reserve::<$record>(&FILE_RING)?;
            let all = record.as_mut_ptr();
            // SAFETY: `all` points to the reserved record, and the paths are
            // written into the arrays made for them, with those arrays' sizes.
            let (fixed, cut) = unsafe {
                let open = &raw mut (*all).open;
                let (path, base) = (&raw mut (*open).path, &raw mut (*open).base);
                let text: *mut u8 = (&raw mut (*all).path).cast();
                let room = size_of_val(&(*all).path);
                let copied = copy_user_str(text, room as u32, call.path);
                path.write(copied_span(copied, room));
                // One byte is the NUL of an empty path.
                if copied.is_some_and(|copied| copied > 1) && *text == b'/' {
                    base.write(Span::EMPTY);
                } else {
                    let from = starting_directory(current, call);
                    walk(from, base, (&raw mut (*all).base).cast(), size_of_val(&(*all).base), $component);
                }
                locate(path, offset_of!($record, path));
                locate(base, offset_of!($record, base));
                (*open).file = FileId::ZERO;
                (*open).file_mode = 0;
                (write_fixed(open, current, call), is_cut(path) | is_cut(base))
            };
            record.finish_sized::<OpenFailedLarge>(fixed, cut)
        }
    };
}

failed!(failed_small, OpenFailedSmall, SHORT_COMPONENT_MAX);
failed!(failed_large, OpenFailedLarge, COMPONENT_MAX);

/// Where a relative path starts.
#[inline(always)]
fn starting_directory(current: Current, call: &OpenCall) -> Option<Path> {
    if call.directory == AT_FDCWD {
        Path::of_working_directory(current.task)
    } else {
        Path::of_file(file_of(current.task, call.directory as u32)?)
    }
}
