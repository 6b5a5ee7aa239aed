//! Records of files that a process was given, or was refused.

use core::mem::offset_of;

use sensor_types::{
    act::Act,
    file::{FROM_KERNEL_COPY, FROM_USER, FileId, Open, OpenRecord},
    span::{COMPONENT_MAX, PATH_MAX},
};

use super::{fold::Turn, left_out, user_path::Name};
use crate::{
    identity::Current,
    kernel::{Address, Fields, Head, Object, at_most, blank, put},
    maps::{FILE_RING, OPENING, Opening, Place, offset},
    path::{Path, locate, walk, written},
    ring::{Lost, count, output},
};

/// `O_WRONLY | O_TRUNC`, as which truncate(2) is recorded.
pub const TRUNCATE_FLAGS: u32 = 0o1001;

/// An act that gives a process a file, or was meant to.
#[derive(Clone, Copy)]
pub struct Opened {
    pub act: Act,
    /// Of the program that records it.
    pub place: Place,
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
    if opened.file.is_null() { failed(current, opened) } else { succeeded(current, opened) }
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
pub fn file_of<Task: Object>(task: Task, number: u32) -> Option<Address> {
    let fdt = task.follow(offset!(task_files))?.follow(offset!(files_fdt))?;
    if number >= fdt.read::<u32>(offset!(fdtable_max_fds))? {
        return None;
    }
    let files: u64 = fdt.read(offset!(fdtable_fd))?;
    Address(files).follow(number as usize * size_of::<u64>())
}

/// Which file it is.
#[inline(always)]
pub fn file_id(file: Address) -> Option<FileId> {
    inode_id(&file.follow(offset!(file_inode))?)
}

/// Which file an inode is.
#[inline(always)]
pub fn inode_id(inode: &impl Fields) -> Option<FileId> {
    Some(FileId {
        inode: inode.read(offset!(inode_ino))?,
        device: inode.pointer(offset!(inode_sb)).read(offset!(super_block_dev))?,
        mode: u32::from(inode.read::<u16>(offset!(inode_mode))?),
        links: inode.read(offset!(inode_nlink))?,
        reserved: 0,
    })
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
        (*open).repeated = 0;
        blank(&raw mut (*open).place);
        (*open).execs = 0;
        (*open).generation = 0;
        (*open).reserved = 0;
    }
}

/// Where the record of an act is written.
#[inline(always)]
fn opening(place: Place) -> Result<*mut Opening, Lost> {
    OPENING.get_ptr_mut(place as u32).ok_or(Lost::Unreadable)
}

/// Hands over a record with so many bytes of text.
///
/// # Safety
/// `all` must be an entry of [`OPENING`], and so much of its record written.
#[inline(always)]
unsafe fn hand_over(all: *const Opening, text: u64) -> Result<(), Lost> {
    // SAFETY: as the caller promises.
    unsafe {
        let record = (&raw const (*all).record).cast();
        output(&FILE_RING, record, (TEXT as u64).wrapping_add(text), size_of::<OpenRecord>())
    }
}

/// Where a record's text begins.
const TEXT: usize = offset_of!(OpenRecord, text);
/// Room for a walk.
const WALK: usize = PATH_MAX + COMPONENT_MAX;

/// Records an act that gave a file.
#[inline(always)]
pub fn succeeded(current: Current, opened: &Opened) -> Result<(), Lost> {
    let all = opening(opened.place)?;
    // SAFETY: `all` points to this program's own record; the path is written
    // where its text has room for it.
    unsafe {
        let open = &raw mut (*all).record.open;
        let path = &raw mut (*open).path;
        write_act(open, opened);
        let is_asked = left_out::is_asked(opened.act);
        if is_asked && left_out::counts_process(all, current) {
            return Err(Lost::Filtered);
        }
        let (at, inode) = write_file(all, opened.file);
        let head = Head::read_to(&raw mut (*all).head, inode);
        if is_asked && left_out::counts_file(all, current, at, (inode, &head)) {
            return Err(Lost::Filtered);
        }
        let turn = Turn::of(opened.act);
        if let Some(turn) = turn
            && turn.counts(all, current, at, &head)
        {
            return Err(Lost::Folded);
        }
        if is_asked {
            (*open).execs = current.execs();
        }
        put(&raw mut (*open).file, inode_id(&head));
        walk(Some(at), path, (&raw mut (*all).record.text).cast(), WALK, COMPONENT_MAX);
        locate(path, TEXT);
        blank(&raw mut (*open).base);
        current.write_header(&raw mut (*open).header, opened.act)?;
        let length = written(path);
        hand_over(all, length)?;
        if let Some(turn) = turn {
            turn.remember(all, length);
        }
        Ok(())
    }
}

/// What a record has of an open file itself; tells where it is, and its inode.
///
/// # Safety
/// `all` must be an entry of [`OPENING`].
#[inline(always)]
unsafe fn write_file(all: *mut Opening, file: Address) -> (Path, Address) {
    // SAFETY: valid as the caller promises.
    unsafe {
        let (open, words) = (&raw mut (*all).record.open, &raw mut (*all).head);
        let head = Head::read_to(words, file);
        (*open).file_mode = head.read(offset!(file_mode)).unwrap_or(0);
        (*open).flags |= head.read::<u32>(offset!(file_flags)).unwrap_or(0);
        (Path::of_head(&head), head.pointer(offset!(file_inode)))
    }
}

/// Records a truncate by path, for which there is no open file.
#[inline(always)]
pub fn truncated(current: Current, path: Option<Path>, opened: &Opened) -> Result<(), Lost> {
    let all = opening(opened.place)?;
    // SAFETY: as in `succeeded`.
    unsafe {
        let open = &raw mut (*all).record.open;
        let text = &raw mut (*open).path;
        walk(path, text, (&raw mut (*all).record.text).cast(), WALK, COMPONENT_MAX);
        locate(text, TEXT);
        blank(&raw mut (*open).base);
        let inode = path.and_then(|path| path.dentry.follow(offset!(dentry_inode)));
        let words = &raw mut (*all).head;
        put(&raw mut (*open).file, inode.and_then(|inode| inode_id(&Head::read_to(words, inode))));
        (*open).file_mode = FMODE_WRITE;
        write_act(open, opened);
        current.write_header(&raw mut (*open).header, opened.act)?;
        hand_over(all, written(text))
    }
}

/// `FMODE_WRITE` of linux/fs.h.
const FMODE_WRITE: u32 = 2;

/// Records an act of which there is only the name.
#[inline(always)]
fn failed(current: Current, opened: &Opened) -> Result<(), Lost> {
    match opened.name.first_byte() {
        Some(b'/') if failed_absolute(current, opened)? => Ok(()),
        _ => failed_relative(current, opened),
    }
}

/// The usual failure, a search along absolute paths: without a walk to a
/// directory. `Ok(false)`: the name is relative by now.
#[inline(always)]
fn failed_absolute(current: Current, opened: &Opened) -> Result<bool, Lost> {
    let all = opening(opened.place)?;
    // SAFETY: as in `succeeded`.
    unsafe {
        let open = &raw mut (*all).record.open;
        let text: *mut u8 = (&raw mut (*all).record.text).cast();
        let path = &raw mut (*open).path;
        opened.name.write(path, text, PATH_MAX);
        if *text != b'/' {
            return Ok(false);
        }
        locate(path, TEXT);
        blank(&raw mut (*open).base);
        write_failed(open, current, opened)?;
        hand_over(all, written(path)).map(|()| true)
    }
}

#[inline(always)]
fn failed_relative(current: Current, opened: &Opened) -> Result<(), Lost> {
    let all = opening(opened.place)?;
    // SAFETY: as in `succeeded`; the name begins behind the directory, which is no
    // longer than its room.
    unsafe {
        let open = &raw mut (*all).record.open;
        let text: *mut u8 = (&raw mut (*all).record.text).cast();
        let (path, base) = (&raw mut (*open).path, &raw mut (*open).base);
        opened.name.write_base(current, (base, text, WALK));
        let start = at_most(written(base), WALK).ok_or(Lost::Unreadable)?;
        opened.name.write(path, text.add(start), PATH_MAX);
        locate(base, TEXT);
        locate(path, TEXT + start);
        write_failed(open, current, opened)?;
        hand_over(all, (start as u64).wrapping_add(written(path)))
    }
}

/// What a failure's record has beside names.
///
/// # Safety
/// `open` must be valid for writing.
#[inline(always)]
unsafe fn write_failed(open: *mut Open, current: Current, opened: &Opened) -> Result<(), Lost> {
    // SAFETY: valid as the caller promises.
    unsafe {
        blank(&raw mut (*open).file);
        (*open).file_mode = 0;
        write_act(open, opened);
        (*open).source = if opened.name.in_kernel { FROM_KERNEL_COPY } else { FROM_USER };
        current.write_header(&raw mut (*open).header, opened.act)
    }
}
