//! The sensor as a contestant: a daemon of its own with a subscriber that counts.

use std::{fs, os::unix::net::UnixStream, path::PathBuf, process::Command, time::Duration};

use rustix::time::{ClockId, clock_gettime};

use super::{
    Bench,
    contestant::{SensorSays, Started},
};
use crate::{background::detached, exit::Result, run::early_end};

/// How long it may take until it records.
const START: Duration = Duration::from_secs(90);
/// How often it is asked whether it listens.
const RETRY: Duration = Duration::from_millis(10);
/// How long it may take to end where it cannot record.
const END: Duration = Duration::from_secs(1);
/// How long it is left alone then, until its memory is called that at rest.
const REST: Duration = Duration::from_millis(700);

/// Starts it; returns when it records and is at rest.
pub fn start(bench: &Bench, arguments: &[&str], delays: bool) -> Result<Started> {
    let mut started = begin(bench, arguments, delays)?;
    ready(bench, &mut started)?;
    bench.stop.wait(REST)?;
    Ok(started)
}

/// Starts it and does not wait.
pub fn begin(bench: &Bench, arguments: &[&str], delays: bool) -> Result<Started> {
    let (socket, config) = (socket(bench), bench.private.path().join("config.toml"));
    // Empty: not that of an installed sensor.
    fs::write(&config, "")?;
    let mut count = Command::new(&bench.helper);
    count.arg("count").arg(&socket).args(delays.then_some("delays"));
    let counter = bench.helper("the counting subscriber", &mut count)?;

    let mut run = Command::new(&bench.sensor);
    run.arg("run").arg("--config").arg(config).args(arguments);
    run.args(["--plan", bench.plan.name()]).arg("--state").arg(bench.private.path().join("state"));
    let begun = now();
    let daemon =
        detached("the sensor", run.arg("--socket").arg(socket), bench.private.path().join("sensor.log"))?;
    Ok(Started { programs: vec![daemon], counter: Some(counter), begun, ..Started::default() })
}

fn socket(bench: &Bench) -> PathBuf {
    bench.private.path().join("socket")
}

/// CLOCK_BOOTTIME in nanoseconds, the clock of events.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

/// Waits until it records.
pub fn ready(bench: &Bench, started: &mut Started) -> Result {
    while UnixStream::connect(socket(bench)).is_err() {
        bench.stop.wait(RETRY)?;
        not_ended(started)?;
    }
    let answer = started.counter.as_mut().map(|counter| counter.answer::<SensorSays>(START)).transpose();
    if answer.is_err() {
        // Without the sensor the subscriber has nothing to say; why is in the sensor's words.
        bench.stop.wait(END)?;
        not_ended(started)?;
    }
    started.says = answer?;
    Ok(())
}

fn not_ended(started: &mut Started) -> Result {
    started.programs.iter_mut().try_for_each(|daemon| match daemon.ended() {
        Some(status) => Err(early_end(daemon, status)),
        None => Ok(()),
    })
}
