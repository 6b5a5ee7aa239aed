//! Runs a script, and the sensor beside it.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    command,
    report::{Report, copy},
};
use crate::{
    exit::Result,
    vm::job::{ERR, OUT, ScriptJob},
};

/// The sensor's directory, away from what scripts do.
const OWN: &str = "/run/activity-guest";
/// How long the sensor may take until the first event arrives, and the last.
const ARRIVAL: Duration = Duration::from_secs(180);
/// How long to wait before another mark is made, in case one was lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long output may come from what the script left behind.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// How long programs may take to end.
const END: Duration = Duration::from_secs(20);

/// Does the job. The code is the script's.
pub fn run(job: &ScriptJob, report: &Report) -> Result<i32> {
    let Some(sensor) = &job.sensor else { return script(&job.script).map(code) };
    let mut capture = Capture::start(sensor, &job.plan)?;
    capture.await_mark("begin")?;
    let status = script(&job.script)?;
    capture.await_mark("end")?;
    report.file(&capture.finish()?)?;
    Ok(code(status))
}

fn code(status: ExitStatus) -> i32 {
    // As a shell tells a signal.
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

fn script(path: &str) -> Result<ExitStatus> {
    let executable = fs::metadata(path).context(path.to_owned())?.permissions().mode() & 0o111 != 0;
    let mut run = if executable { command(path) } else { command("sh") };
    if !executable {
        run.arg(path);
    }
    let mut child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context(path.to_owned())?;
    let (done, all_said) = mpsc::channel();
    let ports = [
        child.stdout.take().map(|out| copy(out, OUT)).transpose()?,
        child.stderr.take().map(|err| copy(err, ERR)).transpose()?,
    ];
    thread::spawn(move || {
        ports.into_iter().flatten().for_each(|port| drop(port.join()));
        let _ = done.send(());
    });
    let status = child.wait()?;
    // What it leaves behind in the background may hold its output open.
    let _ = all_said.recv_timeout(AFTERWARDS);
    Ok(status)
}

/// A sensor and a subscriber that writes down what it receives.
struct Capture {
    sensor: Child,
    watch: Child,
    events: BufReader<File>,
    line: Vec<u8>,
}

impl Capture {
    fn start(program: &str, plan: &str) -> Result<Self> {
        fs::create_dir_all(OWN)?;
        let socket = own("socket");
        let mut run = quiet(program, "sensor.log")?;
        run.args(["run", "--all", "--plan", plan]);
        run.arg("--state").arg(own("state")).arg("--socket").arg(&socket);
        let mut sensor = run.spawn().context(program.to_owned())?;
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            if sensor.try_wait()?.is_some() || begun.elapsed() > ARRIVAL {
                bail!("the sensor does not work in this guest: {}", said("sensor.log"));
            }
            thread::sleep(Duration::from_millis(50));
        }
        let mut run = quiet(program, "watch.log")?;
        run.args(["watch", "--all", "--format", "json", "--socket"]).arg(&socket);
        let events = own("events.jsonl");
        let watch = run.stdout(File::create(&events)?).spawn().context(program.to_owned())?;
        let events = BufReader::new(File::open(&events)?);
        Ok(Self { sensor, watch, events, line: Vec::new() })
    }

    /// Does something and waits until it has arrived; then everything before
    /// has, too.
    fn await_mark(&mut self, name: &str) -> Result {
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
        bail!("for {ARRIVAL:?} nothing came from the sensor; it said: {}", said("sensor.log"))
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
        for (child, name, log) in
            [(&mut self.sensor, "the sensor", "sensor.log"), (&mut self.watch, "watch", "watch.log")]
        {
            if let Some(status) = child.try_wait()? {
                bail!("{name} ended early ({status}): {}", said(log));
            }
        }
        Ok(())
    }

    /// Everything that was received, compressed.
    fn finish(mut self) -> Result<Vec<u8>> {
        end(&mut self.watch)?;
        end(&mut self.sensor)?;
        let gzip =
            command("gzip").arg("-c").stdin(File::open(own("events.jsonl"))?).output().context("gzip")?;
        if !gzip.status.success() {
            bail!("gzip: {}", String::from_utf8_lossy(&gzip.stderr));
        }
        Ok(gzip.stdout)
    }
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
