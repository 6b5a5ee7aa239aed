//! A thing done many times, timed.

mod calls;
mod files;
mod options;
mod programs;

use std::{
    process,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::{
    thread::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
};
use serde_json::json;

use self::options::Options;
use crate::{
    Result,
    talk::{hear, now, say},
};

/// A workload that is ready to be timed.
enum Work {
    /// One operation, with its number; it can be paced.
    Each(Box<dyn FnMut(u64) -> Result>),
    /// All of them at once.
    Whole(Box<dyn FnOnce(u64) -> Result>),
}

/// Sleeping for less than this takes longer than asked for.
const SHORTEST_SLEEP: Duration = Duration::from_micros(200);

/// `bench workload NAME COUNT DIRECTORY [--rate N] [--core N]`.
pub fn run(arguments: &[String]) -> Result {
    let options = Options::parse(arguments)?;
    if let Some(core) = options.core {
        let mut cores = CpuSet::new();
        cores.set(core);
        sched_setaffinity(None, &cores)?;
    }
    let work = prepare(&options)?;
    say(&json!({"ready": process::id()}))?;
    hear()?;
    let (begin, begun, own) = (now(), Instant::now(), own_nanoseconds());
    match work {
        Work::Each(mut act) => repeat(&options, &mut *act)?,
        Work::Whole(act) => act(options.count)?,
    }
    let took = begun.elapsed().as_nanos();
    say(&json!({
        "workload": options.name,
        "count": options.count,
        "nanoseconds": u64::try_from(took)?,
        "perOperation": took as f64 / options.count.max(1) as f64,
        "ownPerOperation": (own_nanoseconds() - own) as f64 / options.count.max(1) as f64,
        "begin": begin,
    }))?;
    // Its end would be seen too, and belongs to nothing that is counted.
    hear()?;
    Ok(())
}

/// Processor time that this process has taken.
fn own_nanoseconds() -> i64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn prepare(options: &Options) -> Result<Work> {
    Ok(match options.name.as_str() {
        "open" => calls::open(&options.directory)?,
        "other" => calls::other(),
        "connect" => calls::connect()?,
        "two" => calls::two(&options.directory)?,
        "exec" => programs::exec(),
        "build" => programs::build(options.count, &options.directory)?,
        "read" => files::read(options.count, &options.directory)?,
        "names" => files::names(options.count, &options.directory)?,
        name => return Err(format!("there is no workload {name}").into()),
    })
}

fn repeat(options: &Options, act: &mut dyn FnMut(u64) -> Result) -> Result {
    let Some(rate) = options.rate else {
        return (0..options.count).try_for_each(act);
    };
    let begun = Instant::now();
    for index in 0..options.count {
        let due = Duration::from_nanos(index.saturating_mul(1_000_000_000) / rate);
        let early = due.saturating_sub(begun.elapsed());
        if early > SHORTEST_SLEEP {
            sleep(early);
        }
        act(index)?;
    }
    Ok(())
}
