//! Programs that run beside us and end with us, however we end.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    thread,
};

use anyhow::Context;
use rustix::{
    io::Errno,
    process::{
        Pid, Signal, getpid, getppid, kill_process, kill_process_group, set_parent_process_death_signal,
        setsid,
    },
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::{Handle, Signals},
};

use crate::exit::Result;

/// How many lines of a log are shown when its program ends early.
const TAIL: usize = 15;

/// A running program.
pub struct Running {
    /// What it is called in messages.
    pub name: &'static str,
    /// Where its output goes, unless that is ours.
    pub log: Option<PathBuf>,
    child: Child,
    status: Option<ExitStatus>,
}

/// Starts a program on our terminal.
pub fn foreground(name: &'static str, command: &mut Command) -> Result<Running> {
    start(name, None, tied(command, || Ok(())))
}

/// Starts a program apart from our terminal, its output in `log`.
///
/// It is nobody's doing: it has no terminal and no login uid, so a policy that
/// records what people do leaves it out, and Ctrl-C does not reach it.
pub fn detached(name: &'static str, command: &mut Command, log: PathBuf) -> Result<Running> {
    let file = File::create(&log).with_context(|| log.display().to_string())?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    start(name, Some(log), tied(command, leave_session))
}

/// As [`detached`], with a pipe to its standard input and one from its standard
/// output; what it says on standard error goes to `log`.
pub fn conversing(
    name: &'static str,
    command: &mut Command,
    log: PathBuf,
) -> Result<(Running, ChildStdin, ChildStdout)> {
    let file = File::create(&log).with_context(|| log.display().to_string())?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
    let mut running = start(name, Some(log), tied(command, leave_session))?;
    let pipes = running.child.stdin.take().zip(running.child.stdout.take());
    let (input, output) = pipes.context("a child has the pipes that were asked for")?;
    Ok((running, input, output))
}

fn start(name: &'static str, log: Option<PathBuf>, command: &mut Command) -> Result<Running> {
    let child =
        command.spawn().with_context(|| format!("{} does not start", command.get_program().display()))?;
    Ok(Running { name, log, child, status: None })
}

/// Has the program end when we do, even when we are killed.
fn tied(command: &mut Command, then: fn() -> io::Result<()>) -> &mut Command {
    let parent = getpid();
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::TERM))?;
        // We may have ended before the line above.
        if getppid() != Some(parent) {
            return Err(Errno::SRCH.into());
        }
        then()
    };
    // SAFETY: between fork and exec the closure only makes system calls; it
    // allocates nothing and takes no lock.
    unsafe { command.pre_exec(prepare) }
}

fn leave_session() -> io::Result<()> {
    use rustix::fs::{Mode, OFlags, open};

    setsid()?;
    // 4294967295 is "unset". Without audit there is no such file, and some
    // systems forbid the change; then it stays the user's.
    if let Ok(file) = open(c"/proc/self/loginuid", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::io::write(&file, b"4294967295");
    }
    Ok(())
}

/// Makes a program nobody's doing, as [`detached`] does; what it says goes where our
/// own words go.
pub fn nobodys(command: &mut Command) -> &mut Command {
    tied(command, leave_session)
}

/// While this is there, Ctrl-C and its like end a program in a session of its own with
/// all that it started, and then us: the terminal does not reach it any more.
pub struct EndsWithUs(Handle);

impl EndsWithUs {
    /// For a program that has just been started.
    pub fn new(child: &Child) -> Result<Self> {
        let leader =
            i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process has a number")?;
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let handle = signals.handle();
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                let _ = kill_process_group(leader, Signal::TERM);
                std::process::exit(128 + signal);
            }
        });
        Ok(Self(handle))
    }
}

impl Drop for EndsWithUs {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// Asks it, and what it has started, to end.
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Ends it at once and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.status = self.child.wait().ok();
    }

    /// The last lines of its log.
    pub fn last_words(&self) -> String {
        self.log.as_deref().map(tail).unwrap_or_default()
    }

    fn signal(&mut self, signal: Signal) {
        // Its number is its own until we have waited for it.
        if self.ended().is_some() {
            return;
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| match self.log {
            Some(_) => kill_process_group(pid, signal),
            None => kill_process(pid, signal),
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill();
        }
    }
}

fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default();
    last.iter().map(|line| format!("\n  {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, log: &Path) -> Running {
        detached("test", Command::new("sh").args(["-c", script]), log.to_path_buf()).unwrap()
    }

    #[test]
    fn what_a_program_said_last_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut running = shell("echo one; echo two >&2; exit 3", &dir.path().join("log"));
        let status = running.child.wait().unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(running.last_words(), "\n  one\n  two");
    }

    #[test]
    fn dropping_ends_a_program_that_ignores_requests_and_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let marker = dir.path().join("pid");
        let script = format!(
            "trap '' TERM; sh -c 'echo $$ >{0}.new; mv {0}.new {0}; exec sleep 60' & wait",
            marker.display()
        );
        let mut running = shell(&script, &dir.path().join("log"));
        while !marker.exists() {
            assert!(running.ended().is_none(), "{}", running.last_words());
            std::thread::yield_now();
        }
        let grandchild = fs::read_to_string(&marker).unwrap();
        running.terminate();
        drop(running);
        let state = || fs::read_to_string(format!("/proc/{}/stat", grandchild.trim())).unwrap_or_default();
        while state().contains("(sleep) S") || state().contains("(sleep) R") {
            std::thread::yield_now();
        }
    }
}
