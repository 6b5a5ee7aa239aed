//! The only place that reserves and submits, and that counts what became of
//! every act.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    maps::{RingBuf, ring_buf::RingBufEntry},
};
use sensor_types::{act::Act, counters::Counters};

use crate::{
    kernel::{add, at_most},
    maps::{COUNTERS, RENAMES, setting},
};

/// Why an act did not become a record.
pub enum Lost {
    /// Policy leaves it out.
    Filtered,
    /// The ring buffer is full.
    RingFull,
    /// A kernel structure was not readable.
    Unreadable,
    /// Known to have happened, and nothing more.
    NotCovered,
    /// Counted with one that was the same.
    Folded,
}

/// Counts one act and what became of it.
#[inline(always)]
pub fn count(act: Act, outcome: &Result<(), Lost>) {
    if matches!(act, Act::Rename | Act::Mount) {
        renamed();
    }
    let Some(counters) = COUNTERS.get_ptr_mut(act as u32) else { return };
    // SAFETY: the element is this CPU's own and lives as long as the map. A
    // program that preempts this one (7.0 on) can at worst make one count be
    // lost between load and store.
    let counters: &mut Counters = unsafe { &mut *counters };
    counters.hits += 1;
    match outcome {
        Ok(()) => counters.recorded += 1,
        Err(Lost::Filtered) => counters.filtered += 1,
        Err(Lost::RingFull) => counters.ring_full += 1,
        Err(Lost::Unreadable) => counters.unreadable += 1,
        Err(Lost::NotCovered) => counters.not_covered += 1,
        Err(Lost::Folded) => counters.folded += 1,
    }
}

/// Notes that names or mounts have changed, or are about to.
#[inline(always)]
pub fn renamed() {
    if setting!(fold) == 0 && setting!(leave_out) == 0 {
        return;
    }
    if let Some(renames) = RENAMES.get_ptr_mut(0) {
        // SAFETY: the element lives as long as the map.
        unsafe { add(renames, 1) };
    }
}

/// A reserved record that is submitted or given back exactly once.
pub struct Reserved<T: 'static>(RingBufEntry<T>);

/// Reserves room for a `T`.
#[inline(always)]
pub fn reserve<T: 'static>(ring: &'static RingBuf) -> Result<Reserved<T>, Lost> {
    ring.reserve::<T>(0).map(Reserved).ok_or(Lost::RingFull)
}

impl<T: 'static> Reserved<T> {
    /// Where to write the record. What is not written keeps old bytes of the
    /// ring, which the daemon does not look at.
    #[inline(always)]
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.0.as_mut_ptr()
    }

    /// Hands the record to the daemon, or gives its room back when it could
    /// not be written.
    #[inline(always)]
    pub fn finish(self, written: Result<(), Lost>) -> Result<(), Lost> {
        if written.is_ok() {
            self.submit()
        } else {
            self.discard()
        }
        written
    }

    /// The same for a record that comes in two sizes: one whose strings were
    /// cut is given back too, unless it is the larger, and `Ok(false)` says so.
    #[inline(always)]
    pub fn finish_sized<Larger>(self, written: Result<(), Lost>, cut: bool) -> Result<bool, Lost> {
        if cut && size_of::<T>() < size_of::<Larger>() {
            self.discard();
            return written.map(|()| false);
        }
        self.finish(written).map(|()| true)
    }

    /// The daemon polls: a wakeup for every record would cost many times what
    /// the record costs.
    #[inline(always)]
    fn submit(self) {
        self.0.submit(u64::from(BPF_RB_NO_WAKEUP));
    }

    #[inline(always)]
    fn discard(self) {
        self.0.discard(u64::from(BPF_RB_NO_WAKEUP));
    }
}

/// Hands over the first bytes of a record that was written elsewhere, because only
/// then it is known how many there are: a reservation's size must be a constant.
///
/// # Safety
/// `record` must be valid for reading `most` bytes, and `size` of them written.
#[inline(always)]
pub unsafe fn output(ring: &'static RingBuf, record: *const u8, size: u64, most: usize) -> Result<(), Lost> {
    let size = at_most(size, most).ok_or(Lost::Unreadable)?;
    // SAFETY: as the caller promises.
    let bytes = unsafe { core::slice::from_raw_parts(record, size) };
    ring.output::<[u8]>(bytes, u64::from(BPF_RB_NO_WAKEUP)).map_err(|_| Lost::RingFull)
}

/// Writes a record in its small size, and in its large one if that did not do.
#[inline(always)]
pub fn in_two_sizes(
    small: impl FnOnce() -> Result<bool, Lost>,
    large: impl FnOnce() -> Result<bool, Lost>,
) -> Result<(), Lost> {
    match small() {
        Ok(true) => Ok(()),
        Ok(false) => large().map(|_| ()),
        Err(lost) => Err(lost),
    }
}
