//! The sensor in a guest, and a subscriber that writes down what it receives.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::command;
use crate::{exit::Result, vm::job::ScriptJob};

/// The directory of ours, away from what scripts do.
const OWN: &str = "/run/activity-guest";
/// Where a sensor that is a service listens, and its unit.
const SERVICE_SOCKET: &str = "/run/activity-sensor/sensor.sock";
const SERVICE: &str = "activity-sensor.service";
/// How long the sensor may take until the first event arrives, and the last.
const ARRIVAL: Duration = Duration::from_secs(180);
/// How long to wait before another mark is made, in case one was lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long programs may take to end.
const END: Duration = Duration::from_secs(20);

/// How the sensor runs.
enum Sensor {
    /// As a process of ours.
    Child(Child),
    /// As its package has it run.
    Service,
}

/// A sensor and a subscriber.
pub struct Capture {
    sensor: Sensor,
    watch: Child,
    events: BufReader<File>,
    line: Vec<u8>,
}

impl Capture {
    /// Starts both.
    pub fn start(program: &str, job: &ScriptJob) -> Result<Self> {
        fs::create_dir_all(OWN)?;
        let (sensor, socket) = if job.system {
            (start_service(program, &job.plan)?, PathBuf::from(SERVICE_SOCKET))
        } else {
            (start_child(program, &job.plan)?, own("socket"))
        };
        let mut run = quiet(program, "watch.log")?;
        run.args(["watch", "--all", "--format", "json", "--socket"]).arg(socket);
        let events = own("events.jsonl");
        let watch = run.stdout(File::create(&events)?).spawn().context(program.to_owned())?;
        let events = BufReader::new(File::open(&events)?);
        Ok(Self { sensor, watch, events, line: Vec::new() })
    }

    /// Does something and waits until it has arrived; then everything before
    /// has, too.
    pub fn await_mark(&mut self, name: &str) -> Result {
        let begun = Instant::now();
        let mark = format!("activity-guest-{name}");
        while begun.elapsed() < ARRIVAL {
            command("/bin/true").arg(&mark).status().context("/bin/true")?;
            let made = Instant::now();
            while made.elapsed() < PATIENCE {
                if self.arrived(&mark)? {
                    return Ok(());
                }
                self.still_there()?;
                thread::sleep(Duration::from_millis(20));
            }
        }
        bail!("for {ARRIVAL:?} nothing came from the sensor; it said: {}", self.sensor.said())
    }

    /// Reads on; whether a whole line has that mark.
    fn arrived(&mut self, mark: &str) -> Result<bool> {
        while self.events.read_until(b'\n', &mut self.line)? > 0 {
            if self.line.last() != Some(&b'\n') {
                return Ok(false);
            }
            let found = String::from_utf8_lossy(&self.line).contains(mark);
            self.line.clear();
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn still_there(&mut self) -> Result {
        if let Some(status) = self.watch.try_wait()? {
            bail!(
                "watch ended early ({status}): {}; the sensor said: {}",
                said("watch.log"),
                self.sensor.said()
            );
        }
        Ok(())
    }

    /// Everything that was received, compressed.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        end(&mut self.watch)?;
        self.sensor.end()?;
        let gzip =
            command("gzip").arg("-c").stdin(File::open(own("events.jsonl"))?).output().context("gzip")?;
        if !gzip.status.success() {
            bail!("gzip: {}", String::from_utf8_lossy(&gzip.stderr));
        }
        Ok(gzip.stdout)
    }
}

impl Sensor {
    fn said(&self) -> String {
        match self {
            Self::Child(_) => said("sensor.log"),
            Self::Service => journal(),
        }
    }

    fn end(&mut self) -> Result {
        match self {
            Self::Child(child) => end(child),
            Self::Service => systemctl(&["stop", SERVICE]),
        }
    }
}

fn start_child(program: &str, plan: &str) -> Result<Sensor> {
    let socket = own("socket");
    let mut run = quiet(program, "sensor.log")?;
    run.args(["run", "--all", "--plan", plan]);
    run.arg("--state").arg(own("state")).arg("--socket").arg(&socket);
    let mut sensor = run.spawn().context(program.to_owned())?;
    let begun = Instant::now();
    while UnixStream::connect(&socket).is_err() {
        if sensor.try_wait()?.is_some() || begun.elapsed() > ARRIVAL {
            bail!("the sensor does not work in this guest: {}", said("sensor.log"));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(Sensor::Child(sensor))
}

/// The packaged unit, with nothing but the arguments changed.
fn start_service(program: &str, plan: &str) -> Result<Sensor> {
    let changes = Path::new("/run/systemd/system").join(format!("{SERVICE}.d"));
    fs::create_dir_all(&changes)?;
    let run =
        format!("[Service]\nExecStart=\nExecStart={program} run --all --plan {plan}\nTimeoutStartSec=180\n");
    fs::write(changes.join("guest.conf"), run)?;
    systemctl(&["daemon-reload"])?;
    // It returns when the sensor says that it is ready.
    systemctl(&["start", SERVICE])
        .map(|()| Sensor::Service)
        .with_context(|| format!("the sensor does not work in this guest: {}", journal()))
}

fn systemctl(arguments: &[&str]) -> Result {
    let output = command("systemctl").args(arguments).output().context("systemctl")?;
    if !output.status.success() {
        bail!("systemctl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn journal() -> String {
    let output = command("journalctl").args(["-u", SERVICE, "-o", "cat", "--no-pager", "-n", "20"]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn own(name: &str) -> PathBuf {
    Path::new(OWN).join(name)
}

fn said(log: &str) -> String {
    fs::read_to_string(own(log)).unwrap_or_default().trim().to_owned()
}

fn quiet(program: &str, log: &str) -> Result<Command> {
    let mut run = command(program);
    let log = File::create(own(log))?;
    run.stdout(log.try_clone()?).stderr(log);
    Ok(run)
}

fn end(child: &mut Child) -> Result {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM);
    }
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        if begun.elapsed() > END {
            child.kill()?;
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
