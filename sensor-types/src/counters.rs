//! What the hooks count, per hook and CPU.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The hooks, by index into the counters.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Processes made.
    Fork = 0,
    /// Programs started or failed to start.
    Exec = 1,
    /// Processes ended.
    Exit = 2,
    /// Files opened or refused.
    Open = 3,
    /// Sockets connected or refused.
    Connect = 4,
}

impl Hook {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Fork, Self::Exec, Self::Exit, Self::Open, Self::Connect];
}

/// `hits = filtered + recorded + ring_full + unreadable`, whatever happens.
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
}
