//! A program one talks to: lines to it, JSON objects from it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{ChildStdin, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

use crate::{
    background::{Running, conversing},
    exit::{Result, failure},
};

/// How often one looks whether the user wants an end.
const LOOK: Duration = Duration::from_millis(50);
/// How long a program may take to end before it is killed.
const END: Duration = Duration::from_secs(10);

/// Whether the user wants an end.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on Ctrl-C and its like are noticed by [`Self::check`].
    pub fn on_signals() -> Result<Self> {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register(signal, Arc::clone(&stop.0))?;
        }
        Ok(stop)
    }

    /// Fails when the user wants an end.
    pub fn check(&self) -> Result {
        if self.0.load(Ordering::Relaxed) {
            return Err(failure(1, "stopped before the end; what was measured until then is all there is"));
        }
        Ok(())
    }

    /// Waits, unless the user wants an end.
    pub fn wait(&self, time: Duration) -> Result {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.check()?;
            thread::sleep(LOOK.min(time.saturating_sub(begun.elapsed())));
        }
        self.check()
    }
}

/// A program of ours that answers; it ends when this is dropped.
pub struct Helper {
    running: Running,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    stop: Stop,
}

impl Helper {
    /// Starts it. What it says on standard error goes to `log`.
    pub fn start(name: &'static str, command: &mut Command, log: PathBuf, stop: &Stop) -> Result<Self> {
        let (running, input, output) = conversing(name, command, log)?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(output)
                .lines()
                .map_while(std::result::Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Ok(Self { running, input: Some(input), lines, stop: stop.clone() })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Says a line to it.
    pub fn tell(&mut self, line: &str) -> Result {
        if let Some(input) = &mut self.input {
            writeln!(input, "{line}").with_context(|| format!("{} listens", self.running.name))?;
        }
        Ok(())
    }

    /// Its next line.
    pub fn line(&mut self, patience: Duration) -> Result<String> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            self.stop.check()?;
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{} ended early; it said:{}", self.running.name, self.running.last_words())
                }
            }
        }
        bail!(
            "{} does not answer within {patience:?}; it said:{}",
            self.running.name,
            self.running.last_words()
        )
    }

    /// Its next line as what is expected there.
    pub fn answer<T: DeserializeOwned>(&mut self, patience: Duration) -> Result<T> {
        let line = self.line(patience)?;
        serde_json::from_str(&line)
            .with_context(|| format!("{} answered something else: {line}", self.running.name))
    }

    /// Lets it end, and waits until it has.
    pub fn end(mut self) {
        self.input = None;
        await_end(&mut self.running);
    }
}

/// Asks a program to end and waits until it has.
pub fn terminate(mut running: Running) {
    running.terminate();
    await_end(&mut running);
}

/// What is dropped after this is killed.
fn await_end(running: &mut Running) {
    let begun = Instant::now();
    while running.ended().is_none() && begun.elapsed() < END {
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, dir: &tempfile::TempDir) -> Helper {
        let mut command = Command::new("sh");
        Helper::start("test", command.args(["-c", script]), dir.path().join("log"), &Stop::default()).unwrap()
    }

    #[test]
    fn one_talks_to_a_helper_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let mut helper = shell("read word; echo \"[\\\"$word\\\", 1]\"; read end; echo last >&2", &dir);
        helper.tell("go").unwrap();
        let answer: (String, u32) = helper.answer(Duration::from_secs(20)).unwrap();
        assert_eq!(answer, ("go".to_owned(), 1));
        helper.tell("end").unwrap();
        let error = helper.line(Duration::from_secs(20)).unwrap_err().to_string();
        assert!(error.starts_with("test ended early"), "{error}");
        helper.end();
    }

    #[test]
    fn a_user_who_wants_an_end_does_not_wait() {
        let dir = tempfile::tempdir().unwrap();
        let mut helper = shell("sleep 60", &dir);
        helper.stop.0.store(true, Ordering::Relaxed);
        assert!(helper.line(Duration::from_secs(60)).unwrap_err().to_string().starts_with("stopped"));
    }
}
