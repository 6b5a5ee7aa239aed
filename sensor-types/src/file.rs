//! Files: opened, or refused.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    header::Header,
    span::{COMPONENT_MAX, PATH_MAX, Span},
};

/// Which file it is, whatever it is called.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct FileId {
    /// `inode.i_ino`.
    pub inode: u64,
    /// `super_block.s_dev`: major in the upper 12 bits, minor in the lower 20.
    pub device: u32,
    /// `inode.i_mode`: type and permissions.
    pub mode: u32,
    /// `inode.i_nlink`: 0 when the file has no name any more.
    pub links: u32,
    /// Zero.
    pub reserved: u32,
}

impl FileId {
    /// No file.
    pub const ZERO: Self = Self { inode: 0, device: 0, mode: 0, links: 0, reserved: 0 };
}

/// An open. On success the object is that of the new descriptor.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Open {
    /// Who opened.
    pub header: Header,
    /// The file; zero on failure.
    pub file: FileId,
    /// The descriptor, or the negative error number.
    pub result: i32,
    /// `file.f_mode` (`FMODE_*`); 0 on failure.
    pub file_mode: u32,
    /// The `O_*` word: the caller's where it could be read, with `file.f_flags`.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// The file's path, or on failure the caller's string.
    pub path: Span,
    /// On failure with a relative path: the directory it starts from.
    pub base: Span,
}

/// Room for an ordinary path.
#[repr(C)]
pub struct OpenSmall {
    /// The fixed part.
    pub open: Open,
    /// See [`Open::path`].
    pub path: [u8; 256],
}

/// Room for the longest path.
#[repr(C)]
pub struct OpenLarge {
    /// The fixed part.
    pub open: Open,
    /// See [`Open::path`].
    pub path: [u8; PATH_MAX + COMPONENT_MAX],
}

/// Room for a failure with ordinary paths.
#[repr(C)]
pub struct OpenFailedSmall {
    /// The fixed part.
    pub open: Open,
    /// See [`Open::path`].
    pub path: [u8; 256],
    /// See [`Open::base`].
    pub base: [u8; 256],
}

/// Room for a failure with the longest paths.
#[repr(C)]
pub struct OpenFailedLarge {
    /// The fixed part.
    pub open: Open,
    /// See [`Open::path`].
    pub path: [u8; PATH_MAX],
    /// See [`Open::base`].
    pub base: [u8; PATH_MAX + COMPONENT_MAX],
}
