//! The way out of system calls, for what no trampoline tells.

use aya_ebpf::{
    bindings::pt_regs, helpers::generated::bpf_get_current_task, macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use sensor_types::{
    act::Act,
    syscall::{CALLS as CALL_COUNT, Jump},
};

use crate::{
    identity::Current,
    kernel::{Address, Object as _, hidden, with_task},
    maps::{CALLS, JUMPS, offset, setting},
    ring::count,
};

/// `TS_COMPAT` of `thread_info.status`: the call came through the 32-bit
/// entry, whose numbers mean other calls.
const TS_COMPAT: u32 = 2;

/// `__X32_SYSCALL_BIT`
const X32_BIT: u64 = 0x4000_0000;

/// A system call that has returned.
#[derive(Clone, Copy)]
pub struct SystemCall {
    /// A [`sensor_types::syscall::Call`].
    pub call: u8,
    /// It came through the 32-bit entry.
    pub compat: bool,
    pub arguments: [u64; 6],
    pub result: i64,
}

/// `trace_sys_exit(struct pt_regs *regs, long ret)`
///
/// One program for all calls: each program on this tracepoint costs every
/// system call of the machine, watched or not, so this one looks up the
/// number and goes on, for what is watched, to the program of its family. The
/// way out rather than the way in, because only then there are a result and a
/// descriptor, and because at entry a path's page may not be in memory yet.
/// The registers still hold the arguments.
#[btf_tracepoint(function = "sys_exit")]
fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    let calls = calls(number(&ctx));
    if calls == 0 {
        return 0;
    }
    let call = if is_compat() { calls >> 16 } else { calls & 0xffff };
    if call != 0 {
        if call >> 8 == Jump::Open as u32 && is_nobodys_open() {
            return 0;
        }
        // SAFETY: nothing is left to be dropped here, and the programs in the
        // array take the same context.
        unsafe { JUMPS.tail_call(&ctx, call >> 8) };
    }
    0
}

/// Counts an open that is nobody's: what most opens of a server are. The tail call alone
/// would take longer than this.
#[inline(always)]
fn is_nobodys_open() -> bool {
    if setting!(record_all) == 1 {
        return false;
    }
    let Some(current) = Current::get() else { return true };
    let outcome = current.check_policy();
    if outcome.is_err() {
        count(Act::Open, &outcome);
    }
    outcome.is_err()
}

impl SystemCall {
    /// The call that a program further on is about.
    #[inline(always)]
    pub fn of(ctx: &BtfTracePointContext) -> Option<Self> {
        let calls = calls(number(ctx));
        let regs: *const pt_regs = ctx.arg(0);
        let compat = is_compat();
        // SAFETY: the tracepoint's argument is a trusted pointer whose loads
        // the verifier checks.
        let (call, arguments) = unsafe {
            if compat {
                let words = [(*regs).rbx, (*regs).rcx, (*regs).rdx, (*regs).rsi, (*regs).rdi, (*regs).rbp];
                (calls >> 16, words.map(|word| word & 0xffff_ffff))
            } else {
                let words = [(*regs).rdi, (*regs).rsi, (*regs).rdx, (*regs).r10, (*regs).r8, (*regs).r9];
                (calls, words)
            }
        };
        let call = call as u8;
        (call != 0).then_some(Self { call, compat, arguments, result: ctx.arg(1) })
    }
}

#[inline(always)]
fn number(ctx: &BtfTracePointContext) -> u64 {
    let regs: *const pt_regs = ctx.arg(0);
    // SAFETY: as in `SystemCall::of`.
    unsafe { (*regs).orig_rax & !X32_BIT }
}

/// What a number means in either ABI, as the daemon wants it known.
#[inline(always)]
fn calls(number: u64) -> u32 {
    let number = hidden(number) as usize;
    if number >= CALL_COUNT {
        return 0;
    }
    // SAFETY: the index was checked; volatile because the daemon replaces the
    // table before load.
    unsafe { (&raw const CALLS).cast::<u32>().add(number).read_volatile() }
}

#[inline(always)]
fn is_compat() -> bool {
    // SAFETY: the helper has no preconditions.
    let address = || Address(unsafe { bpf_get_current_task() });
    let status: Option<u32> =
        with_task!(setting!(typed) == 1, address(), |task| task.read(offset!(task_thread_info_status)));
    status.unwrap_or(0) & TS_COMPAT != 0
}
