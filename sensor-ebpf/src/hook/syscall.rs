//! The way out of system calls: which were opens, connects and failed execs, in
//! either ABI.

use aya_ebpf::{bindings::pt_regs, macros::btf_tracepoint, programs::BtfTracePointContext};

use super::{
    exec::{ExecCall, exec_failed},
    file::{OpenCall, opened},
    network::{ConnectCall, connected},
};
use crate::{kernel::Address, maps::offset};

/// `TS_COMPAT` of `thread_info.status`: the call came through the 32-bit
/// entry, whose numbers mean other calls.
const TS_COMPAT: u32 = 2;

/// `__X32_SYSCALL_BIT`
const X32_BIT: u64 = 0x4000_0000;

const AT_FDCWD: i32 = -100;

/// `O_WRONLY | O_CREAT | O_TRUNC`, which is what creat(2) means.
const CREAT_FLAGS: u32 = 0o1101;

/// Numbers of asm/unistd_64.h.
mod native {
    pub const OPEN: u64 = 2;
    pub const CONNECT: u64 = 42;
    pub const EXECVE: u64 = 59;
    pub const CREAT: u64 = 85;
    pub const OPENAT: u64 = 257;
    pub const OPEN_BY_HANDLE_AT: u64 = 304;
    pub const EXECVEAT: u64 = 322;
    pub const OPENAT2: u64 = 437;
}

/// Numbers of asm/unistd_32.h.
mod compat {
    pub const OPEN: u64 = 5;
    pub const CREAT: u64 = 8;
    pub const EXECVE: u64 = 11;
    pub const OPENAT: u64 = 295;
    pub const OPEN_BY_HANDLE_AT: u64 = 342;
    pub const EXECVEAT: u64 = 358;
    pub const CONNECT: u64 = 362;
    pub const OPENAT2: u64 = 437;
}

/// The calls looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Open,
    Creat,
    OpenAt,
    OpenAt2,
    OpenByHandle,
    Connect,
    Exec,
    ExecAt,
}

#[inline(always)]
fn native_call(number: u64) -> Option<Call> {
    Some(match number {
        native::OPEN => Call::Open,
        native::CREAT => Call::Creat,
        native::OPENAT => Call::OpenAt,
        native::OPENAT2 => Call::OpenAt2,
        native::OPEN_BY_HANDLE_AT => Call::OpenByHandle,
        native::CONNECT => Call::Connect,
        native::EXECVE => Call::Exec,
        native::EXECVEAT => Call::ExecAt,
        _ => return None,
    })
}

#[inline(always)]
fn compat_call(number: u64) -> Option<Call> {
    Some(match number {
        compat::OPEN => Call::Open,
        compat::CREAT => Call::Creat,
        compat::OPENAT => Call::OpenAt,
        compat::OPENAT2 => Call::OpenAt2,
        compat::OPEN_BY_HANDLE_AT => Call::OpenByHandle,
        compat::CONNECT => Call::Connect,
        compat::EXECVE => Call::Exec,
        compat::EXECVEAT => Call::ExecAt,
        _ => return None,
    })
}

/// `trace_sys_exit(struct pt_regs *regs, long ret)`
///
/// One program for all calls: each program on this tracepoint costs every
/// system call of the machine, watched or not. The way out rather than the
/// way in, because only then there are a result and a descriptor, and because
/// at entry a path's page may not be in memory yet. The registers still hold
/// the arguments.
#[btf_tracepoint(function = "sys_exit")]
fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    let regs: *const pt_regs = ctx.arg(0);
    // SAFETY: the tracepoint's argument is a trusted pointer whose loads the
    // verifier checks.
    let number = unsafe { (*regs).orig_rax } & !X32_BIT;
    let (native, compat) = (native_call(number), compat_call(number));
    if native.is_none() && compat.is_none() {
        return 0;
    }
    let result: i64 = ctx.arg(1);
    let (call, arguments) = if is_compat() {
        // SAFETY: as above.
        (compat, unsafe { [(*regs).rbx, (*regs).rcx, (*regs).rdx] }.map(|word| word & 0xffff_ffff))
    } else {
        // SAFETY: as above.
        (native, unsafe { [(*regs).rdi, (*regs).rsi, (*regs).rdx] })
    };
    if let Some(call) = call {
        dispatch(call, arguments, result);
    }
    0
}

#[inline(always)]
fn is_compat() -> bool {
    // SAFETY: the helper has no preconditions.
    let task = Address(unsafe { aya_ebpf::helpers::generated::bpf_get_current_task() });
    task.read::<u32>(offset!(task_thread_info_status)).unwrap_or(0) & TS_COMPAT != 0
}

#[inline(always)]
fn dispatch(call: Call, [first, second, third]: [u64; 3], result: i64) {
    let open = match call {
        Call::Connect => {
            connected(&ConnectCall {
                result,
                descriptor: first as u32,
                address: Address(second),
                length: third as u32,
            });
            return;
        }
        Call::Exec => {
            exec_failed(&ExecCall { result, filename: Address(first) });
            return;
        }
        Call::ExecAt => {
            exec_failed(&ExecCall { result, filename: Address(second) });
            return;
        }
        Call::Open => OpenCall { result, directory: AT_FDCWD, path: Address(first), flags: second as u32 },
        Call::Creat => OpenCall { result, directory: AT_FDCWD, path: Address(first), flags: CREAT_FLAGS },
        Call::OpenAt => {
            OpenCall { result, directory: first as i32, path: Address(second), flags: third as u32 }
        }
        // `struct open_how` begins with its 64-bit flags.
        Call::OpenAt2 => OpenCall {
            result,
            directory: first as i32,
            path: Address(second),
            flags: Address(third).read_user::<u64>().unwrap_or(0) as u32,
        },
        Call::OpenByHandle => {
            OpenCall { result, directory: first as i32, path: Address::NULL, flags: third as u32 }
        }
    };
    opened(&open);
}
