//! `cron`, the scheduler of a Debian machine.

use std::fs;

use crate::{Program, eventually};

use super::{accounts::pids, door::without_login, tools::command};

/// A `cron` of the stage's.
pub struct Batch {
    _program: Program,
}

impl Batch {
    /// Starts it, unless the machine has one that runs.
    pub fn start() -> Option<Self> {
        if runs() {
            return None;
        }
        let program = Program::start(without_login(command("cron").arg("-f")));
        eventually("cron runs", || runs().then_some(()));
        Some(Self { _program: program })
    }
}

fn runs() -> bool {
    let comm = |pid: rustix::process::Pid| fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()));
    pids().any(|pid| comm(pid).is_ok_and(|comm| comm == "cron\n"))
}
