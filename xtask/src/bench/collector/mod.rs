//! `cargo xtask bench collector`: what comes in, what it takes on disk and how soon
//! questions are answered.
//!
//! The sensors are `tests/src/bin/bench/sensors`; the collector is the real one.

mod queries;
mod result;
mod stored;

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use serde::Deserialize;

use self::result::Report;
use super::{
    HELPER,
    helper::{Helper, Stop, terminate},
    machine::{self, Machine},
    proc::Usage,
};
use crate::{
    background::{Running, detached},
    build::{self, COLLECTOR, Profile, finish},
    checkout,
    exit::Result,
};

/// How long sensors may take to listen, and the collector to receive a million events.
const START: Duration = Duration::from_secs(60);
const EACH_MILLION: Duration = Duration::from_secs(120);
/// After how long without a change the files are as they stay.
const QUIET: Duration = Duration::from_secs(45);

/// What follows the list of options.
pub const AFTER_HELP: &str = "\
Examples:
  cargo xtask bench collector                                     ten million events, in the build that is installed
  cargo xtask bench collector --events 1000000 --profile trial    a first look, a minute or two
  cargo xtask bench collector --store /var/tmp/month              keeps the store, to ask it more

Twenty sensors that are none send what fifty people did in thirty days; the same number gives the same events. \
Each event is as large as a sensor's, and the collector acknowledges it when it is durable. The clock runs from \
the first call to the last acknowledgement. Bytes are those of all Parquet files when no file changes any more, \
divided by all events. Then come a person's day, a few statements, and every question that the collector \
knows by name, over the whole month; each is a program of its own, and the median of three is shown.

Exit codes: 0 measured, whether goals are reached or missed; 1 something failed; 64 wrong usage.";

/// What `cargo xtask bench collector` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How many events all sensors have together.
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    events: u64,
    /// Keep the store here, in a directory that is not there yet [default: removed at the end].
    #[arg(long, value_name = "DIRECTORY")]
    store: Option<PathBuf>,
    /// Write all figures into this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How to compile: `trial` is quicker to build, `release` is what is installed.
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
}

#[derive(Deserialize)]
struct Ready {
    ready: Vec<PathBuf>,
}

/// What the sensors say when everything is acknowledged.
#[derive(Deserialize)]
struct Acknowledged {
    events: u64,
    seconds: f64,
    bytes: u64,
}

/// `cargo xtask bench collector`.
pub fn run(arguments: &Arguments) -> Result {
    if let Some(store) = arguments.store.as_ref().filter(|store| store.exists()) {
        anyhow::bail!("{} is there already: name a directory that is not, or remove it", store.display());
    }
    finish(&mut build::command(&[COLLECTOR, HELPER], arguments.profile))?;
    let stop = Stop::on_signals()?;
    let _alone = machine::alone(&stop)?;
    let report = Bench::new(arguments, stop)?.measure()?;
    print!("{}", report.text());
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        fs::write(file, text).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

struct Bench<'a> {
    arguments: &'a Arguments,
    collector: PathBuf,
    store: PathBuf,
    stop: Stop,
    private: tempfile::TempDir,
}

impl<'a> Bench<'a> {
    fn new(arguments: &'a Arguments, stop: Stop) -> Result<Self> {
        let private = tempfile::Builder::new().prefix("activity-bench-").tempdir()?;
        let store = arguments.store.clone().unwrap_or_else(|| private.path().join("store"));
        let collector = checkout::program(arguments.profile.name(), COLLECTOR);
        Ok(Self { arguments, collector, store, stop, private })
    }

    fn measure(&self) -> Result<Report> {
        let machine = Machine::here();
        let (acknowledged, usage, settled) = self.receive()?;
        let stored = stored::look(&self.store)?;
        let verify = Instant::now();
        self.asked(&["verify".into(), "--format".into(), "json".into()])?;
        let verify = verify.elapsed().as_secs_f64();
        let queries = queries::ask(|arguments| self.asked(arguments), &self.stop)?;
        Ok(Report {
            machine,
            commit: machine::commit(),
            profile: self.arguments.profile.name(),
            events: acknowledged.events,
            wire_bytes: acknowledged.bytes,
            acknowledged_seconds: acknowledged.seconds,
            settled_seconds: settled.as_secs_f64(),
            cpu_seconds: usage.cpu_seconds,
            peak_kib: usage.peak_kib,
            stored,
            verify_seconds: verify,
            queries,
        })
    }

    /// Everything until no file changes any more.
    fn receive(&self) -> Result<(Acknowledged, Usage, Duration)> {
        let log = |name: &str| self.private.path().join(name);
        let mut sensors = Command::new(checkout::program(self.arguments.profile.name(), HELPER));
        let events = self.arguments.events;
        sensors.arg("sensors").arg(events.to_string()).arg(self.private.path());
        let mut sensors = Helper::start("the sensors", &mut sensors, log("sensors.log"), &self.stop)?;
        let Ready { ready } = sensors.answer(START)?;
        let mut run = Command::new(&self.collector);
        run.arg("run").arg("--store").arg(&self.store);
        for socket in ready {
            run.arg("--sensor").arg(format!("unix:{}", socket.display()));
        }
        let begun = Instant::now();
        let mut collector = detached("the collector", &mut run, log("collector.log"))?;
        let patience = EACH_MILLION * u32::try_from(events / 1_000_000 + 1)?;
        let acknowledged = sensors.answer(patience)?;
        let settled = self.settle(&mut collector, begun)?;
        let usage = Usage::of(&[collector.pid()])?;
        terminate(collector);
        sensors.end();
        Ok((acknowledged, usage, settled))
    }

    /// Waits until the files are as they stay; how long that took from the beginning.
    fn settle(&self, collector: &mut Running, begun: Instant) -> Result<Duration> {
        let (mut last, mut since) = (None, begun.elapsed());
        loop {
            let now = stored::names(&self.store)?;
            if last.as_ref() != Some(&now) {
                (last, since) = (Some(now), begun.elapsed());
            }
            if begun.elapsed() - since > QUIET {
                return Ok(since);
            }
            if collector.ended().is_some() {
                anyhow::bail!("the collector ended early; it said:{}", collector.last_words());
            }
            self.stop.wait(Duration::from_millis(200))?;
        }
    }

    fn asked(&self, arguments: &[String]) -> Result<String> {
        let output =
            Command::new(&self.collector).args(arguments).arg("--store").arg(&self.store).output()?;
        if !output.status.success() {
            anyhow::bail!("`{}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
