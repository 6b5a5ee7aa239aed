//! Reaching into other processes and into the kernel.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::header::{Header, NAME_LEN};

/// [`Ptrace::operation`]: permission to attach was asked for, by whatever call.
pub const ATTACH: u32 = 1;
/// [`Ptrace::operation`]: ptrace(2), see `request`.
pub const REQUEST: u32 = 2;
/// [`Ptrace::operation`]: process_vm_writev(2).
pub const MEMORY_WRITE: u32 = 3;
/// [`Ptrace::operation`]: process_vm_readv(2).
pub const MEMORY_READ: u32 = 4;
/// [`Ptrace::operation`]: pidfd_getfd(2).
pub const DESCRIPTOR: u32 = 5;

/// Another process was reached into.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Ptrace {
    /// Who did.
    pub header: Header,
    /// `start_boottime` of the target's leader, nanoseconds; 0 where only the
    /// process id is known.
    pub target_start_ns: u64,
    /// Process id of the target.
    pub target_pid: u32,
    /// [`ATTACH`], [`REQUEST`], [`MEMORY_WRITE`], [`MEMORY_READ`], [`DESCRIPTOR`].
    pub operation: u32,
    /// `PTRACE_*` of a [`REQUEST`].
    pub request: u32,
    /// 0 or more, or the negative error number.
    pub result: i32,
    /// The target's `task_struct.comm`, where known.
    pub target_comm: [u8; NAME_LEN],
}

/// [`Bpf::object`]: not known.
pub const NOTHING: u32 = 0;
/// [`Bpf::object`]: a program.
pub const PROGRAM: u32 = 1;
/// [`Bpf::object`]: a map.
pub const MAP: u32 = 2;
/// [`Bpf::object`]: a link.
pub const LINK: u32 = 3;

/// A program was loaded into the kernel, or an object of the sensor's own
/// programs was touched by somebody else.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Bpf {
    /// Who did.
    pub header: Header,
    /// `BPF_*` of `enum bpf_cmd`.
    pub command: u32,
    /// 0 or more, or the negative error number.
    pub result: i32,
    /// [`NOTHING`], [`PROGRAM`], [`MAP`] or [`LINK`].
    pub object: u32,
    /// The object's id; 0 where it is not known.
    pub id: u32,
    /// `enum bpf_prog_type`, of a program.
    pub program_type: u32,
    /// 1: it is the sensor's own.
    pub ours: u32,
    /// The program's or map's name, ended by NUL.
    pub name: [u8; NAME_LEN],
}

/// Most bytes of a module's name (`MODULE_NAME_LEN`), with its NUL.
pub const MODULE_NAME_LEN: usize = 64;

/// A module was loaded into the kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Module {
    /// Who did.
    pub header: Header,
    /// `module.name`, ended by NUL.
    pub name: [u8; MODULE_NAME_LEN],
}

const _: () = assert!(size_of::<Ptrace>() == size_of::<Header>() + 40);
const _: () = assert!(size_of::<Bpf>() == size_of::<Header>() + 40);
const _: () = assert!(size_of::<Module>() == size_of::<Header>() + 64);
