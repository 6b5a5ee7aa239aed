//! Opens that the policy leaves out: counted, not recorded.
//!
//! The daemon judges, and where its verdict is the same for everybody who opens a
//! file in this way, or for everything that a process opens, it puts that into a
//! map. So any rule can be judged here, and by the same code as ever. A change of
//! names, another inode or program, and another policy make another key.

use sensor_types::act::Act;

use crate::{
    identity::Current,
    kernel::{Address, add},
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

/// Notes who opens what under which name, for keys.
///
/// # Safety
/// `all` must be an entry of `OPENING`, with the number of its file's inode.
#[inline(always)]
pub unsafe fn write_keys(all: *mut Opening, current: Current, at: Path) {
    // SAFETY: valid as the caller promises.
    unsafe {
        let (open, key) = (&raw mut (*all).record.open, &raw mut (*all).key);
        let (place, actor) = (&raw mut (*key).place, &raw mut (*key).actor);
        (*place).mnt = at.mnt.0;
        (*place).dentry = at.dentry.0;
        (*place).inode = (*open).file.inode;
        (*place).renames = RENAMES.get(0).copied().unwrap_or(0);
        current.write_actor(actor);
        (*open).place = *place;
        (*open).execs = (*actor).execs;
    }
}

/// Counts an open if the policy leaves it out.
///
/// # Safety
/// `all` must be an entry of `OPENING`, with what its record says of the file, and
/// its keys.
#[inline(always)]
pub unsafe fn counts(all: *mut Opening, inode: Address) -> bool {
    // SAFETY: valid as the caller promises.
    unsafe { is_process_left_out(all) || is_file_left_out(all, inode) }
}

/// # Safety
/// As [`counts`].
#[inline(always)]
unsafe fn is_process_left_out(all: *mut Opening) -> bool {
    let Some(policy) = policy_of(PROCESSES) else { return false };
    // SAFETY: valid as the caller promises.
    unsafe {
        let key = &raw mut (*all).process;
        (*key).actor = (*all).key.actor;
        (*key).policy = policy;
        (*key).reserved = 0;
        count(LEFT_OUT_PROCESSES.get_ptr(&*key))
    }
}

/// A file without a name is never left out: its path is only where it was.
///
/// # Safety
/// As [`counts`].
#[inline(always)]
unsafe fn is_file_left_out(all: *mut Opening, inode: Address) -> bool {
    // SAFETY: valid as the caller promises.
    unsafe {
        let open = &raw mut (*all).record.open;
        (*open).generation = inode.read(offset!(inode_generation)).unwrap_or(0);
        let Some(policy) = policy_of(FILES) else { return false };
        if (*open).file.links == 0 {
            return false;
        }
        let key = &raw mut (*all).file;
        (*key).place = (*all).key.place;
        (*key).generation = (*open).generation;
        (*key).flags = (*open).flags;
        (*key).file_mode = (*open).file_mode;
        (*key).mount_namespace = (*all).key.actor.mount_namespace;
        (*key).policy = policy;
        (*key).reserved = 0;
        count(LEFT_OUT_FILES.get_ptr(&*key))
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
