//! Opens that the policy leaves out: counted, not recorded.
//!
//! The daemon judges, and where its verdict is the same for everybody who opens a
//! file in this way, or for everything that a process opens, it puts that into a
//! map. So any rule can be judged here, and by the same code as ever. A change of
//! names, another inode or program, and another policy make another key.

use sensor_types::{act::Act, file::FilePlace};

use crate::{
    identity::Current,
    kernel::{Address, Fields as _, Head, add},
    maps::{
        LEFT_OUT_BY, LEFT_OUT_FILES, LEFT_OUT_NOW, LEFT_OUT_PROCESSES, Opening, RENAMES, offset, setting,
    },
    path::Path,
};

/// Elements of [`LEFT_OUT_NOW`].
const FILES: u32 = 0;
const PROCESSES: u32 = 1;

/// Whether opens are looked up at all.
#[inline(always)]
pub fn is_asked(act: Act) -> bool {
    setting!(leave_out) == 1 && matches!(act, Act::Open)
}

/// Counts an open if the policy leaves out all that this process opens. Looked at
/// before anything of the file is read.
///
/// # Safety
/// `all` must be an entry of `OPENING`.
#[inline(always)]
pub unsafe fn counts_process(all: *mut Opening, current: Current) -> bool {
    let Some(policy) = policy_of(PROCESSES) else { return false };
    // SAFETY: valid as the caller promises.
    unsafe {
        let key = &raw mut (*all).process;
        current.write_actor(&raw mut (*key).actor);
        (*key).policy = policy;
        (*key).reserved = 0;
        count(LEFT_OUT_PROCESSES.get_ptr(&*key))
    }
}

/// Counts an open if the policy leaves it out whoever makes it; else notes in its
/// record what such a verdict would depend on. A file without a name is never left
/// out: its path is only where it was.
///
/// # Safety
/// `all` must be an entry of `OPENING`, with what its record says of the open file;
/// `inode` must be that file's, and `head` what was read of it.
#[inline(always)]
pub unsafe fn counts_file(
    all: *mut Opening,
    current: Current,
    at: Path,
    (inode, head): (Address, &Head),
) -> bool {
    // SAFETY: valid as the caller promises.
    unsafe {
        let (open, key) = (&raw mut (*all).record.open, &raw mut (*all).file);
        write_place(&raw mut (*key).place, at, head);
        (*key).generation = inode.read(offset!(inode_generation)).unwrap_or(0);
        (*open).place = (*key).place;
        (*open).generation = (*key).generation;
        let Some(policy) = policy_of(FILES) else { return false };
        if head.read::<u32>(offset!(inode_nlink)).unwrap_or(0) == 0 {
            return false;
        }
        (*key).flags = (*open).flags;
        (*key).file_mode = (*open).file_mode;
        (*key).mount_namespace = current.mount_namespace();
        (*key).policy = policy;
        (*key).reserved = 0;
        count(LEFT_OUT_FILES.get_ptr(&*key))
    }
}

/// # Safety
/// `place` must be valid for writing.
#[inline(always)]
pub unsafe fn write_place(place: *mut FilePlace, at: Path, inode: &Head) {
    // SAFETY: valid as the caller promises.
    unsafe {
        (*place).mnt = at.mnt.0;
        (*place).dentry = at.dentry.0;
        (*place).inode = inode.read(offset!(inode_ino)).unwrap_or(0);
        (*place).renames = RENAMES.get(0).copied().unwrap_or(0);
    }
}

#[inline(always)]
fn policy_of(what: u32) -> Option<u32> {
    let policy = LEFT_OUT_NOW.get(what).copied().unwrap_or(0);
    (policy != 0).then_some(policy)
}

/// Counts for a rule; `false` without one.
#[inline(always)]
fn count(rule: Option<*const u32>) -> bool {
    let Some(rule) = rule else { return false };
    // SAFETY: the entry stays readable while the program runs.
    if let Some(count) = LEFT_OUT_BY.get_ptr_mut(unsafe { *rule }) {
        // SAFETY: the element lives as long as the map. A program that preempts this
        // one may count at the same time.
        unsafe { add(count, 1) };
    }
    true
}
