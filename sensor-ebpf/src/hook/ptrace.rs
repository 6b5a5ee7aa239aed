//! Reaching into other processes.

use aya_ebpf::{
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext},
};
use sensor_types::{
    act::Act,
    header::NAME_LEN,
    syscall::Call,
    system::{ATTACH, MEMORY_READ, MEMORY_WRITE, Ptrace, REQUEST},
};

use super::syscall::SystemCall;
use crate::{
    identity::{Current, start_of},
    kernel::{Address, blank, copy_kernel_str},
    maps::{PROCESS_RING, offset},
    ring::{Lost, count, reserve},
};

/// `PTRACE_MODE_ATTACH` of linux/ptrace.h.
const MODE_ATTACH: u32 = 2;

/// The requests of ptrace(2) that begin a tracing or write.
const BEGINNING: [u64; 5] = [4, 5, 13, 16, 0x4206];

/// Who is reached into, and how.
#[derive(Clone, Copy)]
struct Reach {
    /// The other's task; null where only its process id is known.
    target: Address,
    pid: u32,
    operation: u32,
    request: u32,
    result: i32,
}

#[inline(always)]
fn record(current: Current, reach: &Reach) -> Result<(), Lost> {
    let mut record = reserve::<Ptrace>(&PROCESS_RING)?;
    let ptrace = record.as_mut_ptr();
    // SAFETY: `ptrace` points to the reserved record.
    let header = unsafe {
        (*ptrace).target_pid = reach.pid;
        (*ptrace).target_start_ns = 0;
        blank(&raw mut (*ptrace).target_comm);
        if !reach.target.is_null() {
            (*ptrace).target_start_ns = start_of(reach.target).unwrap_or(0);
            let comm = (&raw mut (*ptrace).target_comm).cast();
            copy_kernel_str(comm, NAME_LEN as u32, reach.target.add(offset!(task_comm)));
        }
        (*ptrace).operation = reach.operation;
        (*ptrace).request = reach.request;
        (*ptrace).result = reach.result;
        current.write_header(&raw mut (*ptrace).header, Act::Ptrace)
    };
    record.finish(header)
}

#[inline(always)]
fn counted(current: Current, reach: &Reach) {
    count(Act::Ptrace, &current.check_policy().and_then(|()| record(current, reach)));
}

/// `int security_ptrace_access_check(struct task_struct *child, unsigned int mode)`
///
/// Asked by ptrace, process_vm_writev, pidfd_getfd and /proc/PID/mem alike.
#[fexit]
fn ptrace_access(ctx: FExitContext) -> i32 {
    if ctx.arg::<u64>(1) as u32 & MODE_ATTACH == 0 {
        return 0;
    }
    let Some(current) = Current::get() else { return 0 };
    let target = Address(ctx.arg(0));
    let Some(pid) = target.read::<u32>(offset!(task_tgid)) else { return 0 };
    // Oneself, as some runtimes do.
    if pid == (current.pid_tgid >> 32) as u32 {
        return 0;
    }
    let result = ctx.arg::<u64>(2) as i32;
    counted(current, &Reach { target, pid, operation: ATTACH, request: 0, result });
    0
}

/// `trace_sys_exit(struct pt_regs *regs, long ret)`, for ptrace and
/// process_vm_readv and _writev.
#[btf_tracepoint(function = "sys_exit")]
fn call_ptrace(ctx: BtfTracePointContext) -> i32 {
    let Some(call) = SystemCall::of(&ctx) else { return 0 };
    let [first, second, ..] = call.arguments;
    let (operation, request, pid) = match Call::from_number(call.call) {
        Some(Call::Ptrace) if BEGINNING.contains(&first) => (REQUEST, first as u32, second),
        Some(Call::ProcessVmReadv) => (MEMORY_READ, 0, first),
        Some(Call::ProcessVmWritev) => (MEMORY_WRITE, 0, first),
        _ => return 0,
    };
    let Some(current) = Current::get() else { return 0 };
    let result = if call.result < 0 { call.result as i32 } else { 0 };
    counted(current, &Reach { target: Address::NULL, pid: pid as u32, operation, request, result });
    0
}
