//! The kernel's clocks.

use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_BOOTTIME` in nanoseconds, as the hooks take it.
pub fn boottime_ns() -> u64 {
    nanoseconds(ClockId::Boottime)
}

/// How far the wall clock is ahead of `CLOCK_BOOTTIME`, in nanoseconds.
pub fn wall_offset_ns() -> u64 {
    nanoseconds(ClockId::Realtime).saturating_sub(boottime_ns())
}

/// Processor time that this process has taken, in nanoseconds.
pub fn processor_ns() -> u64 {
    nanoseconds(ClockId::ProcessCPUTime)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
