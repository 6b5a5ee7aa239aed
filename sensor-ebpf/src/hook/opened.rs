//! Records of files that a process was given, or was refused.

use core::mem::offset_of;

use sensor_types::{
    act::Act,
    file::{
        FROM_KERNEL, FROM_KERNEL_COPY, FROM_USER, FileId, Open, OpenFailedLarge, OpenFailedSmall, OpenLarge,
        OpenSmall,
    },
    span::{COMPONENT_MAX, SHORT_COMPONENT_MAX},
};

use super::user_path::Name;
use crate::{
    identity::Current,
    kernel::{Address, blank, put},
    maps::{FILE_RING, offset},
    path::{Path, is_cut, locate, walk},
    ring::{Lost, count, in_two_sizes, reserve},
};

/// `O_WRONLY | O_TRUNC`, as which truncate(2) is recorded.
pub const TRUNCATE_FLAGS: u32 = 0o1001;

/// An act that gives a process a file, or was meant to.
#[derive(Clone, Copy)]
pub struct Opened {
    pub act: Act,
    /// 0 or more, or the negative error number.
    pub result: i64,
    /// `struct file`; null where there is none, as after a failure.
    pub file: Address,
    /// The name that was asked for; looked at where there is no file.
    pub name: Name,
    /// `O_*`, as far as known.
    pub flags: u32,
    /// Where the path of a success is from.
    pub source: u32,
    pub marks: u32,
}

/// Records an act.
#[inline(always)]
pub fn recorded(current: Current, opened: &Opened) -> Result<(), Lost> {
    if opened.file.is_null() {
        let small = || match opened.name.first_byte() {
            Some(b'/') => failed_absolute(current, opened),
            _ => failed_small(current, opened),
        };
        in_two_sizes(small, || failed_large(current, opened))
    } else {
        succeeded(current, opened)
    }
}

/// Records an act that gave a file.
#[inline(always)]
pub fn succeeded(current: Current, opened: &Opened) -> Result<(), Lost> {
    in_two_sizes(|| succeeded_small(current, opened), || succeeded_large(current, opened))
}

#[inline(always)]
pub fn counted(current: Current, opened: &Opened) {
    count(opened.act, &current.check_policy().and_then(|()| recorded(current, opened)));
}

#[inline(always)]
pub fn counted_success(current: Current, opened: &Opened) {
    count(opened.act, &current.check_policy().and_then(|()| succeeded(current, opened)));
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
    inode_id(file.follow(offset!(file_inode))?)
}

/// Which file an inode is.
#[inline(always)]
pub fn inode_id(inode: Address) -> Option<FileId> {
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
unsafe fn write_fixed(open: *mut Open, current: Current, opened: &Opened) -> Result<(), Lost> {
    // SAFETY: valid as the caller promises.
    unsafe {
        write_act(open, opened);
        current.write_header(&raw mut (*open).header, opened.act)
    }
}

/// The same where two paths are walked, which leaves the stack no room.
///
/// # Safety
/// `open` must be valid for writing.
#[inline(always)]
unsafe fn write_quiet(open: *mut Open, current: Current, opened: &Opened) -> Result<(), Lost> {
    // SAFETY: valid as the caller promises.
    unsafe {
        write_act(open, opened);
        current.write_quiet_header(&raw mut (*open).header, opened.act)
    }
}

/// # Safety
/// `open` must be valid for writing.
#[inline(always)]
unsafe fn write_act(open: *mut Open, opened: &Opened) {
    // SAFETY: valid as the caller promises.
    unsafe {
        (*open).result = opened.result as i32;
        (*open).flags = opened.flags;
        (*open).source = opened.source;
        (*open).marks = opened.marks;
        (*open).reserved = 0;
    }
}

/// One size of record for an act that gave a file.
macro_rules! succeeded {
    ($name:ident, $record:ident, $component:expr) => {
        /// `Ok(false)`: the path did not fit, nothing was recorded.
        #[inline(always)]
        pub fn $name(current: Current, opened: &Opened) -> Result<bool, Lost> {
            let file = opened.file;
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
                blank(&raw mut (*open).base);
                put(&raw mut (*open).file, file_id(file));
                (*open).file_mode = file.read(offset!(file_mode)).unwrap_or(0);
                let fixed = write_fixed(open, current, opened);
                (*open).flags |= file.read::<u32>(offset!(file_flags)).unwrap_or(0);
                (fixed, is_cut(path))
            };
            record.finish_sized::<OpenLarge>(fixed, cut)
        }
    };
}

succeeded!(succeeded_small, OpenSmall, SHORT_COMPONENT_MAX);
succeeded!(succeeded_large, OpenLarge, COMPONENT_MAX);

/// One size of record for a truncate by path.
macro_rules! truncated {
    ($name:ident, $record:ident, $component:expr) => {
        /// `Ok(false)`: the path did not fit, nothing was recorded.
        #[inline(always)]
        pub fn $name(current: Current, path: Option<Path>, result: i32) -> Result<bool, Lost> {
            let mut record = reserve::<$record>(&FILE_RING)?;
            let all = record.as_mut_ptr();
            // SAFETY: as in `succeeded`.
            let (header, cut) = unsafe {
                let open = &raw mut (*all).open;
                let text = &raw mut (*open).path;
                walk(path, text, (&raw mut (*all).path).cast(), size_of_val(&(*all).path), $component);
                locate(text, offset_of!($record, path));
                blank(&raw mut (*open).base);
                let inode = path.and_then(|path| path.dentry.follow(offset!(dentry_inode)));
                put(&raw mut (*open).file, inode.and_then(|inode| inode_id(inode)));
                (*open).file_mode = FMODE_WRITE;
                (*open).result = result;
                (*open).flags = TRUNCATE_FLAGS;
                (*open).source = FROM_KERNEL;
                (*open).marks = 0;
                (*open).reserved = 0;
                (current.write_header(&raw mut (*open).header, Act::Open), is_cut(text))
            };
            record.finish_sized::<OpenLarge>(header, cut)
        }
    };
}

/// `FMODE_WRITE` of linux/fs.h.
const FMODE_WRITE: u32 = 2;

truncated!(truncated_small, OpenSmall, SHORT_COMPONENT_MAX);
truncated!(truncated_large, OpenLarge, COMPONENT_MAX);

/// Where a name that led to nothing is from.
#[inline(always)]
fn source_of_name(opened: &Opened) -> u32 {
    if opened.name.in_kernel { FROM_KERNEL_COPY } else { FROM_USER }
}

/// The usual failure, a search along absolute paths: without room for a
/// directory. `Ok(false)`: the path did not fit, or is relative by now.
#[inline(always)]
fn failed_absolute(current: Current, opened: &Opened) -> Result<bool, Lost> {
    let mut record = reserve::<OpenSmall>(&FILE_RING)?;
    let all = record.as_mut_ptr();
    // SAFETY: `all` points to the reserved record, and the path is written
    // into the array made for it, with that array's size.
    let (fixed, unfit) = unsafe {
        let open = &raw mut (*all).open;
        let text: *mut u8 = (&raw mut (*all).path).cast();
        let path = &raw mut (*open).path;
        opened.name.write(path, text, size_of_val(&(*all).path));
        locate(path, offset_of!(OpenSmall, path));
        blank(&raw mut (*open).base);
        blank(&raw mut (*open).file);
        (*open).file_mode = 0;
        let fixed = write_quiet(open, current, opened);
        (*open).source = source_of_name(opened);
        (fixed, is_cut(path) || *text != b'/')
    };
    record.finish_sized::<OpenFailedLarge>(fixed, unfit)
}

/// One size of record for an act of which there is only the name.
macro_rules! failed {
    ($name:ident, $record:ident, $component:expr) => {
        /// `Ok(false)`: a path did not fit, nothing was recorded.
        #[inline(always)]
        pub fn $name(current: Current, opened: &Opened) -> Result<bool, Lost> {
            let mut record = reserve::<$record>(&FILE_RING)?;
            let all = record.as_mut_ptr();
            // SAFETY: `all` points to the reserved record, and the paths are
            // written into the arrays made for them, with those arrays' sizes.
            let (fixed, cut) = unsafe {
                let open = &raw mut (*all).open;
                let (path, base) = (&raw mut (*open).path, &raw mut (*open).base);
                opened.name.write_with_base(
                    current,
                    (path, (&raw mut (*all).path).cast(), size_of_val(&(*all).path)),
                    (base, (&raw mut (*all).base).cast(), size_of_val(&(*all).base)),
                    $component,
                );
                locate(path, offset_of!($record, path));
                locate(base, offset_of!($record, base));
                blank(&raw mut (*open).file);
                (*open).file_mode = 0;
                let fixed = write_quiet(open, current, opened);
                (*open).source = source_of_name(opened);
                (fixed, is_cut(path) | is_cut(base))
            };
            record.finish_sized::<OpenFailedLarge>(fixed, cut)
        }
    };
}

failed!(failed_small, OpenFailedSmall, SHORT_COMPONENT_MAX);
failed!(failed_large, OpenFailedLarge, COMPONENT_MAX);
