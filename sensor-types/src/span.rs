//! Byte strings of changing length inside a record.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The string is a walk from an object up to its root: the names, each ended
/// by NUL, the innermost first.
pub const WALKED: u32 = 1;
/// There was more than fitted.
pub const CUT: u32 = 1 << 1;
/// The walk ended below the root of a mounted tree.
pub const UNREACHABLE: u32 = 1 << 2;
/// The memory could not be read; the string is what was read before.
pub const UNREADABLE: u32 = 1 << 3;

/// Where a string lies in the record, and what is known about it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Span {
    /// From the beginning of the record.
    pub offset: u32,
    /// Bytes that are there.
    pub length: u32,
    /// Bytes there would have been, where something was [`CUT`]; 0 if that is not
    /// known. Says nothing in other spans.
    pub full_length: u32,
    /// [`WALKED`], [`CUT`], [`UNREACHABLE`], [`UNREADABLE`].
    pub flags: u32,
}

/// Most bytes that one path name component may have, with its NUL
/// (`NAME_MAX` + 1).
pub const COMPONENT_MAX: usize = 256;

/// The same in the small records: names this long are rare, and a record that
/// had to leave room for one after each other name would be twice the size.
pub const SHORT_COMPONENT_MAX: usize = 64;

/// Most bytes a path may have in a record: `PATH_MAX`.
pub const PATH_MAX: usize = 4096;

impl Span {
    /// No string.
    pub const EMPTY: Self = Self { offset: 0, length: 0, full_length: 0, flags: 0 };
}
