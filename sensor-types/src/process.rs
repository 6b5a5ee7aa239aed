//! Processes: made, given a program, ended.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    file::FileId,
    header::Header,
    span::{COMPONENT_MAX, PATH_MAX, Span},
};

/// Most bytes of argv that a record carries; what is longer is cut and says so.
pub const ARGV_MAX: usize = 32 * 1024;

/// A new process, or rather its first thread. The header is the maker's.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Fork {
    /// Who called fork or clone.
    pub header: Header,
    /// `start_boottime` of the child, nanoseconds.
    pub child_start_ns: u64,
    /// `start_boottime` of the child's real parent.
    pub parent_start_ns: u64,
    /// Process id of the child.
    pub child_pid: u32,
    /// Process id of the child's real parent: not the maker with `CLONE_PARENT`.
    pub parent_pid: u32,
}

const _: () = assert!(size_of::<Fork>() == size_of::<Header>() + 24);

/// A program start. On success everything is of the new image.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Exec {
    /// The process: on success after the change, on failure the caller.
    pub header: Header,
    /// The image (`mm->exe_file`); zero on failure.
    pub image: FileId,
    /// 0, or the negative error number.
    pub result: i32,
    /// Zero; keeps the spans aligned.
    pub reserved: u32,
    /// argv as it lies in memory: each argument ended by NUL.
    pub argv: Span,
    /// Path of the image.
    pub exe: Span,
    /// Working directory.
    pub cwd: Span,
    /// The name given to execve; on failure read from the caller.
    pub filename: Span,
    /// `linux_binprm.interp`: differs from `filename` when an interpreter runs it.
    pub interpreter: Span,
    /// The environment as it lies in memory: each variable ended by NUL. The
    /// daemon keeps only those that change which code is run.
    pub environment: Span,
}

/// Room for the strings of an ordinary [`Exec`].
#[repr(C)]
pub struct ExecSmall {
    /// The fixed part.
    pub exec: Exec,
    /// See [`Exec::argv`].
    pub argv: [u8; 2048],
    /// See [`Exec::exe`].
    pub exe: [u8; 512 + COMPONENT_MAX],
    /// See [`Exec::cwd`].
    pub cwd: [u8; 512 + COMPONENT_MAX],
    /// See [`Exec::filename`].
    pub filename: [u8; 256],
    /// See [`Exec::interpreter`].
    pub interpreter: [u8; 256],
    /// See [`Exec::environment`].
    pub environment: [u8; 4096],
}

/// Room for the longest strings that are carried.
#[repr(C)]
pub struct ExecLarge {
    /// The fixed part.
    pub exec: Exec,
    /// See [`Exec::argv`].
    pub argv: [u8; ARGV_MAX],
    /// See [`Exec::exe`].
    pub exe: [u8; PATH_MAX + COMPONENT_MAX],
    /// See [`Exec::cwd`].
    pub cwd: [u8; PATH_MAX + COMPONENT_MAX],
    /// See [`Exec::filename`].
    pub filename: [u8; PATH_MAX],
    /// See [`Exec::interpreter`].
    pub interpreter: [u8; 256],
    /// See [`Exec::environment`].
    pub environment: [u8; ARGV_MAX],
}

/// Room for an ordinary name of a program that could not be started.
#[repr(C)]
pub struct ExecFailedSmall {
    /// The fixed part; of its strings only `filename` is there.
    pub exec: Exec,
    /// See [`Exec::filename`].
    pub filename: [u8; 256],
}

/// Room for the longest name.
#[repr(C)]
pub struct ExecFailedLarge {
    /// The fixed part; of its strings only `filename` is there.
    pub exec: Exec,
    /// See [`Exec::filename`].
    pub filename: [u8; PATH_MAX],
}

/// The end of a thread that left its process without any.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Exit {
    /// The process.
    pub header: Header,
    /// As wait(2) has it: code in bits 8 to 15, signal in bits 0 to 6.
    pub status: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Exit>() == size_of::<Header>() + 8);
