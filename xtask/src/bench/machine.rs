//! The machine that is measured, and having it alone.

use std::{
    fs::{self, File},
    process::Command,
    thread,
};

use anyhow::Context;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    system::uname,
};
use serde::Serialize;

use super::{helper::Stop, proc::kib};
use crate::{checkout, exit::Result};

/// What figures belong to.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// How many cores there are.
    pub cores: usize,
    /// Main memory in MiB.
    pub memory_mib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// How many tasks were running or waiting, in the mean of a minute, before
    /// the beginning: what else the machine had to do.
    pub load_before: f64,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            cpu: cpu_name(&read("/proc/cpuinfo")).unwrap_or_else(|| "unknown".to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib(&read("/proc/meminfo"), "MemTotal:").unwrap_or_default() / 1024,
            kernel: uname().release().to_string_lossy().into_owned(),
            load_before: first_number(&read("/proc/loadavg")).unwrap_or_default(),
        }
    }
}

fn cpu_name(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn first_number(line: &str) -> Option<f64> {
    line.split_whitespace().next()?.parse().ok()
}

/// The commit that is measured, marked if the checkout differs from it.
pub fn commit() -> Option<String> {
    let mut git = Command::new("git");
    git.current_dir(checkout::root()).args([
        "describe",
        "--always",
        "--dirty",
        "--abbrev=12",
        "--match",
        "-",
    ]);
    let output = git.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Keeps the end-to-end tests away, and other benchmarks: it is the lock of
/// `tests/src/machine.rs`, taken as by a test that must be alone.
pub fn alone(stop: &Stop) -> Result<File> {
    let path = std::env::temp_dir().join("activity-tests.lock");
    let lock = fs::OpenOptions::new().create(true).append(true).open(&path);
    let lock = lock.with_context(|| path.display().to_string())?;
    let mut told = false;
    loop {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(lock),
            Err(Errno::WOULDBLOCK) if !told => {
                eprintln!("bench: waiting until the tests or another benchmark on this machine have ended");
                told = true;
            }
            Err(Errno::WOULDBLOCK) => stop.wait(std::time::Duration::from_millis(200))?,
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_has_a_name() {
        let cpuinfo = "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Some CPU @ 2.50GHz\n";
        assert_eq!(cpu_name(cpuinfo).as_deref(), Some("Some CPU @ 2.50GHz"));
        assert_eq!(cpu_name(""), None);
    }

    #[test]
    fn load_is_the_first_number() {
        assert_eq!(first_number("1.97 2.20 2.18 4/95 21688\n"), Some(1.97));
    }
}
