//! The floors: the least that watching system calls can cost. The benchmark
//! compares the sensor with them, to tell its own cost from the kernel's.

#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::{BPF_RB_NO_WAKEUP, pt_regs},
    macros::{btf_tracepoint, map},
    maps::RingBuf,
    programs::BtfTracePointContext,
};

#[path = "../../program.rs"]
mod program;

/// Words of a record: 560 bytes, about what one open is for the sensor.
const WORDS: usize = 70;

/// The number of `openat` on x86-64.
const OPENAT: u64 = 257;

/// As large as the sensor's ring for file events.
#[map]
static RECORDS: RingBuf = RingBuf::with_byte_size(16 * 1024 * 1024, 0);

/// Nothing, on the way out of every system call.
#[btf_tracepoint(function = "sys_exit")]
fn nothing(_: BtfTracePointContext) -> i32 {
    0
}

/// A record without content for each open, and nobody is woken for it.
#[btf_tracepoint(function = "sys_exit")]
fn record(ctx: BtfTracePointContext) -> i32 {
    let regs: *const pt_regs = ctx.arg(0);
    // SAFETY: the tracepoint's argument is a trusted pointer whose loads the
    // verifier checks.
    let number = unsafe { (*regs).orig_rax };
    if number == OPENAT
        && let Some(mut entry) = RECORDS.reserve::<[u64; WORDS]>(0)
    {
        let words = entry.as_mut_ptr().cast::<u64>();
        for index in 0..WORDS {
            // SAFETY: the entry has that many words. Volatile, since LLVM would
            // make a byte-wise function of the loop.
            unsafe { words.add(index).write_volatile(number) };
        }
        entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    }
    0
}
