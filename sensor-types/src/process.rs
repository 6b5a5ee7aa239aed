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

/// Most bytes that each string of an [`Exec`] may have in a record; they lie there
/// in this order, each behind the one before.
#[derive(Clone, Copy, Debug)]
pub struct ExecRooms {
    /// Of [`Exec::exe`].
    pub exe: usize,
    /// Of [`Exec::cwd`].
    pub cwd: usize,
    /// Of [`Exec::filename`].
    pub filename: usize,
    /// Of [`Exec::interpreter`].
    pub interpreter: usize,
    /// Of [`Exec::argv`].
    pub argv: usize,
    /// Of [`Exec::environment`].
    pub environment: usize,
}

impl ExecRooms {
    /// For ordinary programs.
    pub const SMALL: Self = Self {
        exe: 512 + COMPONENT_MAX,
        cwd: 512 + COMPONENT_MAX,
        filename: 256,
        interpreter: 256,
        argv: 2048,
        environment: 4096,
    };

    /// For the longest strings that are carried.
    pub const LARGE: Self = Self {
        exe: PATH_MAX + COMPONENT_MAX,
        cwd: PATH_MAX + COMPONENT_MAX,
        filename: PATH_MAX,
        interpreter: 256,
        argv: ARGV_MAX,
        environment: ARGV_MAX,
    };

    /// All of them.
    #[must_use]
    pub const fn all(self) -> usize {
        self.exe + self.cwd + self.filename + self.interpreter + self.argv + self.environment
    }
}

/// Room for the strings of an ordinary [`Exec`]: written elsewhere, of which what is
/// used goes into the ring.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ExecSmall {
    /// The fixed part.
    pub exec: Exec,
    /// Its strings.
    pub text: [u8; ExecRooms::SMALL.all()],
}

/// Room for the longest strings that are carried.
#[repr(C)]
pub struct ExecLarge {
    /// The fixed part.
    pub exec: Exec,
    /// Its strings.
    pub text: [u8; ExecRooms::LARGE.all()],
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
