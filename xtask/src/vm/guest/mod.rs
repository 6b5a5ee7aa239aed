//! The agent: this same program inside a guest, there the first process or
//! started by the system.
//!
//! As the first process of a small guest it makes the file systems, starts itself anew for the
//! job and takes care of orphans until that is done; then the machine is
//! switched off. Where a whole system is there, it only changes the root and
//! leaves its place to systemd, which starts it again when all is up.

mod capture;
mod modules;
mod mounts;
mod report;
mod script;
mod suite;

use std::{
    env, fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::Context;
use rustix::{
    process::{WaitOptions, getpid, wait},
    system::{RebootCommand, reboot, sethostname},
};

use self::report::Report;
use super::job::{AGENT, JOB, Job};
use crate::exit::Result;

/// The name that the guest's machine has.
const HOST_NAME: &[u8] = b"guest";
/// The first process of a whole system.
const SYSTEM: &str = "/sbin/init";
/// The argument that has the job done.
const DO: &str = "job";

/// Whether this program runs as the agent.
pub fn is_this() -> bool {
    let name = env::args_os().next();
    name.is_some_and(|name| Path::new(&name).file_name() == Path::new(AGENT).file_name())
}

/// The agent.
pub fn main() -> ExitCode {
    let done = if env::args_os().nth(1).is_some_and(|argument| argument == DO) {
        work()
    } else if getpid().as_raw_nonzero().get() == 1 {
        first_process()
    } else {
        // The system has started us; what it runs is not needed any more.
        work().and_then(|()| switch_off())
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn first_process() -> Result {
    if job().is_ok_and(|job| job.has_system()) {
        mounts::leave_first_root().context("the root")?;
        return Err(Command::new(SYSTEM).exec()).context(SYSTEM);
    }
    let done = mounts::make().and_then(|()| {
        sethostname(HOST_NAME)?;
        loopback()?;
        let worker = Command::new(AGENT).arg0(AGENT).arg(DO).spawn().context(AGENT)?;
        bury_until(worker.id());
        Ok(())
    });
    if let Err(error) = &done {
        eprintln!("guest: {error:#}");
    }
    // The kernel takes the end of its first process badly.
    switch_off()
}

fn loopback() -> Result {
    let status = Command::new("ip").args(["link", "set", "lo", "up"]).env("PATH", PATH).status();
    status.context("ip").map(drop)
}

/// Waits for children, also those that others left behind, until this one has
/// ended.
fn bury_until(worker: u32) {
    while let Ok(ended) = wait(WaitOptions::empty()) {
        if ended.is_some_and(|(pid, _)| pid.as_raw_nonzero().get().unsigned_abs() == worker) {
            return;
        }
    }
}

fn switch_off() -> Result {
    reboot(RebootCommand::PowerOff).context("the machine cannot be switched off")
}

/// Where programs are looked for in a guest.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command with the environment of a root's shell.
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("HOME", "/root").env("USER", "root");
    command.current_dir("/root").stdin(std::process::Stdio::null());
    command
}

fn job() -> Result<Job> {
    Job::from_text(&fs::read_to_string(JOB).context(JOB)?)
}

fn work() -> Result {
    let report = Report::open()?;
    modules::load();
    let done = job().and_then(|job| match job {
        Job::Suite(job) => suite::run(&job, &report),
        Job::Script(job) => script::run(&job, &report),
    });
    match done {
        Ok(code) => report.code(code),
        Err(error) => report.failed(&format!("{error:#}")),
    }
}
