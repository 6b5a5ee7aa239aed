//! `cargo xtask run`: sensor and collector, with live activity meanwhile.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use rustix::process::geteuid;
use signal_hook::{
    consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};
use tempfile::TempDir;

use crate::{
    background::{Running, detached, foreground},
    build::{COLLECTOR, Profile, SENSOR, command, finish},
    checkout,
    exit::{self, Result, failure},
    step::elapsed,
};

/// How long the sensor may take until its socket answers.
const START: Duration = Duration::from_secs(60);
/// How long programs may take to end before they are killed.
const END: Duration = Duration::from_secs(5);
/// How often the build in the background says how far it is.
const REPORT: Duration = Duration::from_secs(30);

/// Refuses when there is no use in beginning.
pub fn permitted() -> Result {
    if geteuid().is_root() {
        return Ok(());
    }
    let retry = "sudo env PATH=\"$PATH\" HOME=\"$HOME\" cargo xtask run";
    Err(failure(exit::NOT_PERMITTED, format!("recording what happens needs root; type `{retry}`")))
}

/// `cargo xtask run`.
pub fn run() -> Result {
    finish(&mut command(&[SENSOR], Profile::Trial))?;
    let signals = signals()?;
    let mut trial = Trial::begin(&signals)?;
    let outcome = trial.supervise(&signals);
    trial.end(&signals);
    if trial.store.exists() {
        eprintln!("xtask: all stopped; what was recorded stays in {}", trial.store.display());
    } else {
        eprintln!("xtask: all stopped");
    }
    outcome
}

/// Signals as messages. A child's end is one, so nothing has to be polled.
pub fn signals() -> Result<Receiver<i32>> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGCHLD])?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || signals.forever().try_for_each(|signal| sender.send(signal)));
    Ok(receiver)
}

struct Trial {
    sensor: Running,
    watch: Running,
    /// The collector's build, then the collector.
    collecting: Running,
    building: bool,
    began: Instant,
    store: PathBuf,
    logs: PathBuf,
    /// Removed at the end: the sensor's state, its socket, its configuration.
    private: TempDir,
}

impl Trial {
    fn begin(signals: &Receiver<i32>) -> Result<Self> {
        let logs = checkout::target().join("run-log");
        fs::create_dir_all(&logs).with_context(|| logs.display().to_string())?;
        let private = tempfile::Builder::new().prefix("activity-sensor-").tempdir()?;
        let configuration = private.path().join("config.toml");
        fs::write(&configuration, own_doings_left_out())?;
        let socket = socket(private.path());

        let mut run = Command::new(program(SENSOR));
        run.arg("run").arg("--config").arg(&configuration);
        run.arg("--state").arg(private.path().join("state")).arg("--socket").arg(&socket);
        let mut sensor = detached("the sensor", &mut run, logs.join("sensor.log"))?;
        await_socket(&socket, &mut sensor, signals)?;

        let watch = foreground(
            "the live view",
            Command::new(program(SENSOR)).arg("watch").arg("--socket").arg(&socket),
        )?;
        eprintln!("xtask: this is what happens now; Ctrl-C ends it. The collector is being built meanwhile.");
        let mut build = Command::new("nice");
        let cargo = command(&[COLLECTOR], Profile::Trial);
        build.args(["-n", "19"]).arg(cargo.get_program()).args(cargo.get_args());
        build.current_dir(checkout::root()).env("CARGO_TARGET_DIR", checkout::target());
        build.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "70");
        let collecting = detached("the collector's build", &mut build, logs.join("collector-build.log"))?;

        let store = checkout::target().join("run-store");
        Ok(Self { sensor, watch, collecting, building: true, began: Instant::now(), store, logs, private })
    }

    /// Until the user has seen enough or something ends that should not.
    fn supervise(&mut self, signals: &Receiver<i32>) -> Result {
        let mut report = Instant::now() + REPORT;
        loop {
            match signals.recv_timeout(report.saturating_duration_since(Instant::now())) {
                Ok(SIGCHLD) => {}
                Ok(_) => return Ok(()),
                Err(_) => {
                    report += REPORT;
                    self.report();
                }
            }
            if let Some(status) = self.watch.ended() {
                return if status.success() { Ok(()) } else { Err(early_end(&self.watch, status)) };
            }
            if let Some(status) = self.sensor.ended() {
                return Err(early_end(&self.sensor, status));
            }
            if let Some(status) = self.collecting.ended() {
                if !(self.building && status.success()) {
                    return Err(early_end(&self.collecting, status));
                }
                self.collect()?;
            }
        }
    }

    fn report(&self) {
        if self.building {
            let log =
                self.collecting.log.as_deref().map(fs::read).and_then(io::Result::ok).unwrap_or_default();
            let done = progress(&log).map(|done| format!(", {done} parts")).unwrap_or_default();
            eprintln!("xtask: building the collector: {}{done}", elapsed(self.began.elapsed()));
        }
    }

    fn collect(&mut self) -> Result {
        self.building = false;
        let mut run = Command::new(program(COLLECTOR));
        run.arg("run").arg("--sensor").arg(prefixed("unix:", &socket(self.private.path())));
        run.arg("--store").arg(&self.store);
        self.collecting = detached("the collector", &mut run, self.logs.join("collector.log"))?;
        eprintln!(
            "xtask: the collector now keeps what happens; in another shell, ask it:\n  {} query \"SELECT time, type, \
             comm, path FROM events ORDER BY time DESC LIMIT 10\" --store {}",
            program(COLLECTOR).display(),
            self.store.display()
        );
        Ok(())
    }

    /// The collector ends last, so that it keeps what the sensor sent.
    fn end(&mut self, signals: &Receiver<i32>) {
        for group in [&mut [&mut self.watch, &mut self.sensor][..], &mut [&mut self.collecting]] {
            let deadline = Instant::now() + END;
            group.iter_mut().for_each(|running| running.terminate());
            while group.iter_mut().any(|running| running.ended().is_none()) && Instant::now() < deadline {
                // The end of a child wakes us; the rest is not listened to any more.
                let _ = signals.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            }
            for running in group.iter_mut().filter_map(|running| running.ended().is_none().then_some(running))
            {
                eprintln!("xtask: {} did not end within {}, so it was killed", running.name, elapsed(END));
                running.kill();
            }
        }
    }
}

fn await_socket(socket: &Path, sensor: &mut Running, signals: &Receiver<i32>) -> Result {
    let deadline = Instant::now() + START;
    while UnixStream::connect(socket).is_err() {
        if let Some(status) = sensor.ended() {
            return Err(early_end(sensor, status));
        }
        if Instant::now() > deadline {
            let log = sensor.last_words();
            return Err(failure(exit::MISSING, format!("the sensor does not answer on its socket:{log}")));
        }
        if let Ok(SIGINT | SIGTERM | SIGHUP) = signals.recv_timeout(Duration::from_millis(20)) {
            return Err(failure(1, "stopped before the sensor was ready"));
        }
    }
    Ok(())
}

/// That a program ended by itself. Its exit code is ours, since the programs'
/// codes say what is wrong.
pub fn early_end(running: &Running, status: ExitStatus) -> anyhow::Error {
    let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(1);
    let mut sentence = format!("{} ended early ({status})", running.name);
    if let Some(log) = &running.log {
        let _ = write!(sentence, "; the end of {}:{}", log.display(), running.last_words());
    }
    failure(code, sentence)
}

/// Files and connections of our own programs are not what one wants to see.
fn own_doings_left_out() -> String {
    let programs = [Some(program(SENSOR)), Some(program(COLLECTOR)), std::env::current_exe().ok()];
    let quoted: Vec<_> =
        programs.iter().flatten().filter_map(|path| path.to_str()).map(toml_string).collect();
    format!("[policy]\nignore_exe = [{}]\n", quoted.join(", "))
}

fn toml_string(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// `120/340` from the last progress bar in cargo's output.
fn progress(log: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(log);
    let bar = text.rsplit(['\r', '\n']).find(|line| line.contains("Building ["))?;
    Some(bar.split_once("] ")?.1.split(':').next()?.trim().to_owned())
}

fn program(name: &str) -> PathBuf {
    checkout::program(Profile::Trial.name(), name)
}

fn socket(private: &Path) -> PathBuf {
    private.join("sensor.sock")
}

fn prefixed(prefix: &str, path: &Path) -> impl AsRef<OsStr> {
    let mut text = std::ffi::OsString::from(prefix);
    text.push(path);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_that_of_the_last_bar() {
        let log = b"   Compiling a v1\n\r    Building [==>  ] 11/340: a, b\r    Building [===> ] 120/340: datafusion\r";
        assert_eq!(progress(log).as_deref(), Some("120/340"));
        assert_eq!(progress(b"   Compiling a v1\n"), None);
    }

    #[test]
    fn paths_are_quoted_for_toml() {
        assert_eq!(toml_string("/a \"b\"\\c\n"), r#""/a \"b\"\\c\u000A""#);
    }
}
