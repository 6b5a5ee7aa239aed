//! What the hooks count, per act and CPU.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `hits = filtered + recorded + ring_full + unreadable + not_covered + folded`,
/// whatever happens.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Counters {
    /// Acts the hook saw.
    pub hits: u64,
    /// Left out by policy.
    pub filtered: u64,
    /// Put into the ring buffer.
    pub recorded: u64,
    /// No room in the ring buffer.
    pub ring_full: u64,
    /// A kernel structure that the record cannot do without was not readable.
    pub unreadable: u64,
    /// Seen to happen, in a way that this plan cannot record.
    pub not_covered: u64,
    /// Counted with an act that was the same.
    pub folded: u64,
}
