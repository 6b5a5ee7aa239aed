//! Files: opened or refused, received, mapped, changed by name.

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

/// [`Open::source`]: the object that the kernel used.
pub const FROM_KERNEL: u32 = 1;
/// [`Open::source`]: what was behind the descriptor when the call returned.
pub const FROM_DESCRIPTOR: u32 = 2;
/// [`Open::source`]: the caller's string.
pub const FROM_USER: u32 = 3;
/// [`Open::source`]: the kernel's own copy of the caller's string.
pub const FROM_KERNEL_COPY: u32 = 4;

/// [`Open::marks`]: asked of io_uring.
pub const IO_URING: u32 = 1;

/// An open, or another act that gives a process a file. On success the object
/// is the kernel's.
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
    /// Where `path` is from: [`FROM_KERNEL`], [`FROM_DESCRIPTOR`], [`FROM_USER`]
    /// or [`FROM_KERNEL_COPY`].
    pub source: u32,
    /// [`IO_URING`].
    pub marks: u32,
    /// Of one that tells of opens that were the same as one before: how many. Else
    /// 0.
    pub repeated: u32,
    /// The file's path, or on failure the caller's string.
    pub path: Span,
    /// On failure with a relative path: the directory it starts from.
    pub base: Span,
    /// Where the file is; zero without one.
    pub place: FilePlace,
    /// See [`Actor::execs`].
    pub execs: u64,
    /// See [`LeftOutFile::generation`].
    pub generation: u32,
    /// Zero.
    pub reserved: u32,
}

/// Room for any open: written elsewhere, of which what is used goes into the ring.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct OpenRecord {
    /// The fixed part.
    pub open: Open,
    /// [`Open::path`] and, before it, [`Open::base`].
    pub text: [u8; OPEN_TEXT_MAX],
}

/// Most bytes of text in an [`OpenRecord`].
pub const OPEN_TEXT_MAX: usize = PATH_MAX + COMPONENT_MAX + PATH_MAX;

/// The value that has opens counted in the first of two maps.
pub const FIRST_MAP: u32 = 1;
/// The value that has them counted in the second. Any other: in none.
pub const SECOND_MAP: u32 = 2;

/// Most bytes of text in a [`Folded`].
pub const FOLDED_TEXT_MAX: usize = 256;

/// Under which name which file was reached: the same as long as nothing of it has
/// changed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct FilePlace {
    /// Addresses of the file's path.
    pub mnt: u64,
    /// See `mnt`.
    pub dentry: u64,
    /// See [`FileId::inode`].
    pub inode: u64,
    /// How many names and mounts have changed so far: the same object may have
    /// another path.
    pub renames: u64,
}

/// Which program of which process acts, and as whom.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Actor {
    /// See [`Header::start_ns`]: a pid is used again.
    pub start_ns: u64,
    /// `task_struct.self_exec_id`: how many programs it has begun.
    pub execs: u64,
    /// See [`Header::cgroup_id`].
    pub cgroup_id: u64,
    /// Real user in the lower half, real group in the upper.
    pub uid_gid: u64,
    /// See [`Header::pid`].
    pub pid: u32,
    /// See [`Header::euid`].
    pub euid: u32,
    /// See [`Header::egid`].
    pub egid: u32,
    /// See [`Header::loginuid`].
    pub loginuid: u32,
    /// See [`Header::sessionid`].
    pub sessionid: u32,
    /// See [`Header::mount_namespace`].
    pub mount_namespace: u32,
}

/// What opens have in common that are counted together. What else is told of
/// them, as thread, terminal and permissions of the file, is that of the first.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct FoldKey {
    /// What was opened.
    pub place: FilePlace,
    /// By whom.
    pub actor: Actor,
    /// See [`Open::flags`].
    pub flags: u32,
    /// See [`Open::file_mode`].
    pub file_mode: u32,
    /// See [`Open::marks`].
    pub marks: u32,
    /// Zero.
    pub reserved: u32,
}

/// A way of opening a file that a policy leaves out, whoever does it.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct LeftOutFile {
    /// What is opened.
    pub place: FilePlace,
    /// `inode.i_generation`: an inode's number is used again.
    pub generation: u32,
    /// See [`Open::flags`].
    pub flags: u32,
    /// See [`Open::file_mode`].
    pub file_mode: u32,
    /// See [`Header::mount_namespace`].
    pub mount_namespace: u32,
    /// Of the policy: its number.
    pub policy: u32,
    /// Zero.
    pub reserved: u32,
}

/// A process whose opens a policy leaves out, whatever it opens.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct LeftOutProcess {
    /// Who.
    pub actor: Actor,
    /// See [`LeftOutFile::policy`].
    pub policy: u32,
    /// Zero.
    pub reserved: u32,
}

/// Rules whose effect is counted in the kernel, for each of two policies: the one
/// in force and the one before.
pub const COUNTED_RULES: u32 = 64;

/// Opens that are counted together.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Folded {
    /// How many there were after the first.
    pub count: u64,
    /// `CLOCK_BOOTTIME` of the last one, nanoseconds.
    pub last_ns: u64,
    /// The first one's record.
    pub open: Open,
    /// Its text.
    pub text: [u8; FOLDED_TEXT_MAX],
}

/// [`Change::flags`] of a link: a symbolic one.
pub const SYMBOLIC: u32 = 1;
/// [`Change::flags`] of an unlink: a directory.
pub const DIRECTORY: u32 = 1;

/// [`Change::first`] of a mount: something was mounted.
pub const MOUNTED: u32 = 0;
/// [`Change::first`] of a mount: a mount was moved, or put in place.
pub const MOVED: u32 = 1;
/// [`Change::first`] of a mount: a mount was taken away.
pub const UNMOUNTED: u32 = 2;

/// A value of [`Change::first`] or [`Change::second`] that is not known, or
/// stays as it is.
pub const UNCHANGED: u32 = u32::MAX;

/// A change to names, permissions or mounts.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Change {
    /// Who changed it; its kind is the act.
    pub header: Header,
    /// The object before the change; zero where only the name is known.
    pub file: FileId,
    /// 0, or the negative error number.
    pub result: i32,
    /// Rename: `RENAME_*`. Link: [`SYMBOLIC`]. Unlink: [`DIRECTORY`]. Mount:
    /// `MS_*`, or `MNT_*` for [`UNMOUNTED`].
    pub flags: u32,
    /// Chmod: the new mode bits. Chown: the new uid. Mount: [`MOUNTED`],
    /// [`MOVED`] or [`UNMOUNTED`].
    pub first: u32,
    /// Chown: the new gid.
    pub second: u32,
    /// Where `path` and `other` are from, as [`Open::source`].
    pub source: u32,
    /// Zero.
    pub reserved: u32,
    /// Rename: the old name. Link: what the link leads to. Mount: where. Else
    /// the object.
    pub path: Span,
    /// For a relative name of the caller's: the directory it starts from.
    pub base: Span,
    /// Rename: the new name. Link: the link. Mount: the device or the place
    /// it came from.
    pub other: Span,
    /// As `base`, of `other`.
    pub other_base: Span,
    /// Mount: the type of file system.
    pub filesystem: [u8; 16],
}

/// Room for ordinary paths.
#[repr(C)]
pub struct ChangeSmall {
    /// The fixed part.
    pub change: Change,
    /// See [`Change::path`].
    pub path: [u8; 320],
    /// See [`Change::base`].
    pub base: [u8; 320],
    /// See [`Change::other`].
    pub other: [u8; 320],
    /// See [`Change::other_base`].
    pub other_base: [u8; 320],
}

/// Room for the longest paths.
#[repr(C)]
pub struct ChangeLarge {
    /// The fixed part.
    pub change: Change,
    /// See [`Change::path`].
    pub path: [u8; PATH_MAX + COMPONENT_MAX],
    /// See [`Change::base`].
    pub base: [u8; PATH_MAX + COMPONENT_MAX],
    /// See [`Change::other`].
    pub other: [u8; PATH_MAX + COMPONENT_MAX],
    /// See [`Change::other_base`].
    pub other_base: [u8; PATH_MAX + COMPONENT_MAX],
}

const _: () = assert!(size_of::<Open>() == size_of::<Header>() + 128);
const _: () = assert!(size_of::<Change>() == size_of::<Header>() + 128);
