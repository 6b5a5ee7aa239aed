//! Acts asked of io_uring: they pass no system call of their own.

use aya_ebpf::{
    helpers::generated::bpf_get_current_task, macros::btf_tracepoint, programs::BtfTracePointContext,
};
use sensor_types::{act::Act, policy::MISSING};

use crate::{
    identity::Current,
    kernel::Address,
    maps::{URING_CONNECTS, offset, setting},
    ring::{Lost, count},
};

/// `PF_IO_WORKER` of linux/sched.h.
const IO_WORKER: u32 = 0x10;

/// `IORING_OP_*` of linux/io_uring.h.
const CONNECT: u8 = 16;
const OPENAT: u8 = 18;
const OPENAT2: u8 = 28;

/// `trace_io_uring_submit_req(struct io_kiocb *req)` since 6.4, before that
/// `trace_io_uring_submit_sqe` with other arguments.
///
/// Fires for every request. Opens are counted as not covered; a TCP connect
/// is noted, for the tracepoint of TCP states to record it.
#[btf_tracepoint]
fn io_uring_submit(ctx: BtfTracePointContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    match operation(&ctx) {
        OPENAT | OPENAT2 => count(Act::IoUringOpen, &Err(Lost::NotCovered)),
        CONNECT => {
            count(Act::IoUringConnect, &Err(Lost::NotCovered));
            let _ = URING_CONNECTS.insert(&current.pid_tgid, &0, 0);
        }
        _ => {}
    }
    0
}

/// The operation, which is an argument or a field of the first one.
#[inline(always)]
fn operation(ctx: &BtfTracePointContext) -> u8 {
    match setting!(io_uring_operation) {
        MISSING => Address::of(ctx.arg::<*const u8>(0)).read(offset!(io_kiocb_opcode)).unwrap_or(0),
        1 => ctx.arg::<u64>(1) as u8,
        2 => ctx.arg::<u64>(2) as u8,
        _ => 0,
    }
}

/// Whether this thread was about to connect for io_uring; asked once.
#[inline(always)]
pub fn take_connect(current: Current) -> bool {
    URING_CONNECTS.remove(&current.pid_tgid).is_ok()
}

/// Whether the running task is one of io_uring's workers.
#[inline(always)]
pub fn is_worker() -> bool {
    // SAFETY: the helper has no preconditions.
    let task = Address(unsafe { bpf_get_current_task() });
    task.read::<u32>(offset!(task_flags)).unwrap_or(0) & IO_WORKER != 0
}
