//! What /proc says of a process.

use std::{fs, path::PathBuf};

use anyhow::Context;
use rustix::param::clock_ticks_per_second;
use serde::Serialize;

use crate::exit::Result;

/// What a process, or several together, have taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Seconds of a processor, in the kernel too.
    pub cpu_seconds: f64,
    /// Memory that is resident now, in KiB.
    pub resident_kib: u64,
    /// The most since the start, or since it was forgotten.
    pub peak_kib: u64,
}

impl Usage {
    /// Of these processes together.
    pub fn of(processes: &[u32]) -> Result<Self> {
        processes.iter().try_fold(Self::default(), |sum, process| {
            let one = Self::of_one(*process)?;
            Ok(Self {
                cpu_seconds: sum.cpu_seconds + one.cpu_seconds,
                resident_kib: sum.resident_kib + one.resident_kib,
                peak_kib: sum.peak_kib + one.peak_kib,
            })
        })
    }

    fn of_one(process: u32) -> Result<Self> {
        let read = |name: &str| {
            let path = PathBuf::from(format!("/proc/{process}/{name}"));
            fs::read(&path).with_context(|| path.display().to_string())
        };
        let (stat, status) = (read("stat")?, read("status")?);
        let status = String::from_utf8_lossy(&status);
        let ticks =
            ticks(&String::from_utf8_lossy(&stat)).context("the kernel's /proc/PID/stat is as documented")?;
        Ok(Self {
            cpu_seconds: ticks as f64 / clock_ticks_per_second() as f64,
            // Kernel threads have neither.
            resident_kib: kib(&status, "VmRSS:").unwrap_or_default(),
            peak_kib: kib(&status, "VmHWM:").unwrap_or_default(),
        })
    }
}

/// Begins anew with the most memory that a process had.
pub fn forget_peak(process: u32) -> Result {
    let path = PathBuf::from(format!("/proc/{process}/clear_refs"));
    fs::write(&path, "5").with_context(|| path.display().to_string())
}

/// User and system time from /proc/PID/stat. The name before them is anything,
/// parentheses and spaces too, so the last parenthesis ends it.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// A line of /proc/PID/status, or of /proc/meminfo.
pub fn kib(lines: &str, key: &str) -> Option<u64> {
    let rest = lines.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_the_fields_after_it() {
        let after = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        for name in ["cat", "a b", ") R 9 9", "(((", "tmux: server (x) "] {
            assert_eq!(ticks(&format!("42 ({name}) {after}")), Some(11 + 12), "{name}");
        }
        assert_eq!(ticks("42 (cat) S 1 2"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn memory_is_read_by_its_key() {
        let status = "Name:\tVmHWM: x\nVmHWM:\t   5120 kB\nVmRSS:\t    4096 kB\n";
        assert_eq!((kib(status, "VmHWM:"), kib(status, "VmRSS:")), (Some(5120), Some(4096)));
        assert_eq!(kib(status, "VmSwap:"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        let usage = Usage::of(&[std::process::id()]).unwrap();
        assert!(usage.resident_kib > 0 && usage.peak_kib >= usage.resident_kib, "{usage:?}");
    }
}
