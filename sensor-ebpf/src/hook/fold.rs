//! Opens that are the same as one a moment ago: counted, not recorded again.
//!
//! The first one is recorded as any other, and remembered. While it is, others
//! of the same file, in the same way, by the same process while it runs the same
//! program with the same credentials only raise its count. There are two maps for this. Once a second
//! the daemon has the programs use the other one, waits until none uses the
//! first any more, and takes what that holds: no count is lost in between.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::generated::bpf_ktime_get_boot_ns};
use sensor_types::{
    act::Act,
    file::{FIRST_MAP, FOLDED_TEXT_MAX, Folded, SECOND_MAP},
};

use super::left_out::write_place;
use crate::{
    identity::Current,
    kernel::{Head, add},
    maps::{FOLD_TURN, FOLDED, FOLDED_TOO, Opening, setting},
    path::Path,
};

/// Where repetitions are counted now.
#[derive(Clone, Copy)]
pub struct Turn(u32);

impl Turn {
    /// `None` where they are recorded like others.
    #[inline(always)]
    pub fn of(act: Act) -> Option<Self> {
        if setting!(fold) == 0 || !matches!(act, Act::Open) {
            return None;
        }
        let turn = FOLD_TURN.get(0).copied().unwrap_or(0);
        (turn == FIRST_MAP || turn == SECOND_MAP).then_some(Self(turn))
    }

    /// Counts an open if it is a repetition.
    ///
    /// # Safety
    /// `all` must be an entry of `OPENING`, with what its record says of the open file;
    /// `inode` must be that file's.
    #[inline(always)]
    pub unsafe fn counts(self, all: *mut Opening, current: Current, at: Path, inode: &Head) -> bool {
        // SAFETY: valid as the caller promises.
        unsafe {
            let (key, open) = (&raw mut (*all).key, &raw const (*all).record.open);
            write_place(&raw mut (*key).place, at, inode);
            current.write_actor(&raw mut (*key).actor);
            (*key).flags = (*open).flags;
            (*key).file_mode = (*open).file_mode;
            (*key).marks = (*open).marks;
            (*key).reserved = 0;
            let key = &*key;
            let known =
                if self.0 == FIRST_MAP { FOLDED.get_ptr_mut(key) } else { FOLDED_TOO.get_ptr_mut(key) };
            let Some(known) = known else { return false };
            // Another thread of the process may count at the same time.
            add(&raw mut (*known).count, 1);
            (*known).last_ns = bpf_ktime_get_boot_ns();
            true
        }
    }

    /// Remembers an open that was recorded, with so many bytes of text. Without
    /// room, and with a path that is too long, the next one is recorded too. Where
    /// another thread has remembered the same meanwhile, that has counted already.
    ///
    /// # Safety
    /// `all` must be an entry of `OPENING`, with the record as it was handed over.
    #[inline(always)]
    pub unsafe fn remember(self, all: *mut Opening, text: u64) {
        if text > FOLDED_TEXT_MAX as u64 {
            return;
        }
        // SAFETY: valid as the caller promises; a `Folded` is what an `Opening`
        // begins with.
        unsafe {
            (*all).count = 0;
            (*all).last_ns = 0;
            let (key, folded) = (&(*all).key, &*all.cast::<Folded>());
            let _ = if self.0 == FIRST_MAP {
                FOLDED.insert(key, folded, u64::from(BPF_NOEXIST))
            } else {
                FOLDED_TOO.insert(key, folded, u64::from(BPF_NOEXIST))
            };
        }
    }
}
