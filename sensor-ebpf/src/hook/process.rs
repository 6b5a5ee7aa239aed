//! Processes: made and ended.
//!
//! The scheduler's tracepoints rather than the system calls: fork's fires once
//! for every process whatever call made it (fork, vfork, clone, clone3, the
//! kernel's own), and exit's for every way to die.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_types::{
    act::Act,
    process::{Exit, Fork},
};

use crate::{
    identity::{Current, start_of},
    kernel::Address,
    maps::{PROCESS_RING, forget_own, is_own, offset, setting},
    ring::{Lost, count, reserve},
    session,
};

/// `SIGNAL_GROUP_EXIT` of `signal_struct.flags`.
const SIGNAL_GROUP_EXIT: u32 = 4;

/// `trace_sched_process_fork(struct task_struct *parent, struct task_struct *child)`
#[btf_tracepoint(function = "sched_process_fork")]
fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    let child = Address::of(ctx.arg::<*const u8>(1));
    let (Some(pid), Some(tid)) =
        (child.read::<u32>(offset!(task_tgid)), child.read::<u32>(offset!(task_pid)))
    else {
        count(Act::Fork, &Err(Lost::Unreadable));
        return 0;
    };
    let Some(current) = Current::get() else { return 0 };
    // Before the child has it as well, or each of them would be taken for the one
    // that set it.
    current.notice_login(Act::Fork);
    session::inherit(current.tid(), tid);
    // Not just a thread of a process that is known already.
    if pid == tid {
        count(Act::Fork, &record_fork(current, child, pid));
    }
    0
}

#[inline(always)]
fn record_fork(current: Current, child: Address, child_pid: u32) -> Result<(), Lost> {
    let child_start_ns = start_of(child).ok_or(Lost::Unreadable)?;
    let parent = child.follow(offset!(task_real_parent)).ok_or(Lost::Unreadable)?;
    let parent_start_ns = start_of(parent).ok_or(Lost::Unreadable)?;
    let parent_pid = parent.read(offset!(task_tgid)).ok_or(Lost::Unreadable)?;
    let mut record = reserve::<Fork>(&PROCESS_RING)?;
    let fork = record.as_mut_ptr();
    // SAFETY: `fork` points to the reserved record.
    let header = unsafe {
        (*fork).child_pid = child_pid;
        (*fork).child_start_ns = child_start_ns;
        (*fork).parent_pid = parent_pid;
        (*fork).parent_start_ns = parent_start_ns;
        current.write_header(&raw mut (*fork).header, Act::Fork)
    };
    record.finish(header)
}

/// `trace_sched_process_exit(struct task_struct *p)`, since 6.16 with a second
/// argument `bool group_dead`.
///
/// Fires for every thread; the process is dead when its last one has gone.
/// Before 6.16 that is read from the count of live threads, which two threads
/// that leave at once may both see at zero: the daemon drops the second.
#[btf_tracepoint(function = "sched_process_exit")]
fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    let current = Current::any();
    let is_own = is_own(current.pid());
    let Some(signal) = current.task.follow(offset!(task_signal)) else {
        if !is_own {
            count(Act::Exit, &Err(Lost::Unreadable));
        }
        return 0;
    };
    match (is_group_dead(&ctx, signal), is_own) {
        (true, true) => forget_own(),
        (true, false) => count(Act::Exit, &record_exit(current, signal)),
        (false, _) => {}
    }
    // The record of the end is still of the session.
    session::end(current.tid());
    0
}

#[inline(always)]
fn is_group_dead(ctx: &BtfTracePointContext, signal: Address) -> bool {
    if setting!(exit_says_group_dead) == 1 {
        ctx.arg::<u64>(1) & 0xff != 0
    } else {
        signal.read::<i32>(offset!(signal_live)) == Some(0)
    }
}

#[inline(always)]
fn record_exit(current: Current, signal: Address) -> Result<(), Lost> {
    let status = exit_status(current, signal).ok_or(Lost::Unreadable)?;
    let mut record = reserve::<Exit>(&PROCESS_RING)?;
    let exit = record.as_mut_ptr();
    // SAFETY: `exit` points to the reserved record.
    let header = unsafe {
        (*exit).status = status;
        (*exit).reserved = 0;
        current.write_header(&raw mut (*exit).header, Act::Exit)
    };
    record.finish(header)
}

/// What wait(2) will say: the group's status when the whole group was told to
/// go, else that of the leader.
#[inline(always)]
fn exit_status(current: Current, signal: Address) -> Option<u32> {
    let flags: u32 = signal.read(offset!(signal_flags))?;
    if flags & SIGNAL_GROUP_EXIT != 0 {
        signal.read(offset!(signal_group_exit_code))
    } else {
        current.task.follow(offset!(task_group_leader))?.read(offset!(task_exit_code))
    }
}
