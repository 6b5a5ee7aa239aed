//! `cargo xtask bench`: what the sensor costs a machine.
//!
//! This only starts programs and compares what they say. What acts, what
//! counts events and the floors are `tests/src/bin/bench`.

mod collector;
mod contestant;
mod course;
mod goals;
mod guest;
mod helper;
mod machine;
mod measure;
mod peers;
mod proc;
mod progress;
mod result;
mod sensor;
mod statistics;
mod table;
mod workload;

use std::{fs, path::PathBuf, process::Command, thread::available_parallelism};

use anyhow::Context;
use clap::{Args, Subcommand};
use rustix::process::geteuid;
use tempfile::TempDir;

use self::{
    contestant::Contestant,
    helper::{Helper, Stop},
    workload::Workload,
};
use crate::{
    build::{self, Profile, SENSOR, finish},
    checkout,
    exit::{self, Result, failure},
    vm::{Kernel, Plan},
};

/// The program of the tests that acts, counts and holds the floors.
pub const HELPER: &str = "bench";

/// What follows the list of options.
pub const AFTER_HELP: &str = "\
Examples:
  cargo xtask bench                              everything, some 20 minutes
  cargo xtask bench --quick --profile trial      a first look, a few minutes
  cargo xtask bench open other --only default    two workloads beside the sensor with its default policy
  cargo xtask bench open --pairs 15 --pinned     more pairs, the workload on a core of its own
  cargo xtask bench paced --rate 100000 --seconds 600 --pairs 1      does it keep up?
  cargo xtask bench --guest 6.12                 instructions, with trampolines as well, on another kernel
  cargo xtask bench collector                    not the sensor but the collector: see its --help
  cargo xtask bench --peers --json result.json   also beside auditd, bpftrace and libbpf-tools; all values in a file

How it is measured: a run with nothing, a run with the contestant, and so on by turns; each pair gives a ratio, \
and the median of the ratios is the result. The contestant is started anew for each run. The workload has no \
login uid and no terminal, as a service has none: the default policy records nothing of it, which is the \
cost that every program on a server pays. With --all everything is recorded, and a subscriber counts what \
arrives. `floor` is a program in the kernel that does nothing: what the kernel itself takes for any watching \
of system calls.

A busy machine gives wrong figures: stop what else runs, and compare the ratios of the pairs with each other. \
Tests that need this machine for themselves wait meanwhile, as this waits for them.

Exit codes: 0 measured, whether goals are reached or missed; 1 something failed; 64 wrong usage; 77 needs root.";

/// What `cargo xtask bench` takes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// What is done while it is timed [default: all].
    #[arg(value_enum, value_name = "WORKLOAD")]
    workloads: Vec<Workload>,
    /// How many pairs of runs, without and with.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pairs: u16,
    /// Fewer operations in each run: a first look.
    #[arg(long)]
    quick: bool,
    /// For `paced`: opens in a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: Option<u64>,
    /// For `paced`: how long each run takes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// Keep the workload on the last core, and what watches on the others: less noise.
    #[arg(long)]
    pinned: bool,
    /// Also beside auditd, bpftrace and libbpf-tools, where they are installed.
    #[arg(long)]
    peers: bool,
    /// Write all single values, with what they belong to, into this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How the sensor hooks the kernel.
    #[arg(long, value_enum, default_value_t = Plan::Auto)]
    plan: Plan,
    /// How to compile the sensor: `trial` is quicker to build, `release` is what is installed.
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
    /// Instead in a guest with this kernel, counting instructions, with both plans.
    #[arg(long, value_enum, value_name = "VERSION", conflicts_with_all = ["workloads", "peers", "json", "only"])]
    guest: Option<Kernel>,
    /// Only beside this; may be given several times.
    #[arg(long, value_enum, value_name = "CONTESTANT")]
    only: Vec<Contestant>,
}

/// What can be measured beside the sensor.
#[derive(Debug, Subcommand)]
enum Other {
    /// Measure what the collector takes in, keeps and answers.
    #[command(after_help = collector::AFTER_HELP)]
    Collector(collector::Arguments),
}

/// What all runs share.
pub struct Bench {
    sensor: PathBuf,
    helper: PathBuf,
    plan: Plan,
    pinned: bool,
    stop: Stop,
    /// Removed at the end: files of the workloads, the sensor's state, logs.
    private: TempDir,
}

impl Bench {
    /// Starts the helper in one of its roles.
    fn helper(&self, name: &'static str, command: &mut Command) -> Result<Helper> {
        let log = self.private.path().join(format!("{}.log", name.replace(' ', "-")));
        Helper::start(name, command, log, &self.stop)
    }

    /// The core of a pinned workload: the last, since interrupts come to the first.
    fn core(&self) -> usize {
        available_parallelism().map_or(1, usize::from) - 1
    }
}

/// Refuses when there is no use in beginning.
pub fn permitted(arguments: &Arguments) -> Result {
    // A guest is emulated, and root there; a collector needs no rights.
    if arguments.guest.is_some() || arguments.other.is_some() || geteuid().is_root() {
        return Ok(());
    }
    let retry = "sudo env PATH=\"$PATH\" HOME=\"$HOME\" cargo xtask bench";
    Err(failure(exit::NOT_PERMITTED, format!("loading programs into the kernel needs root; type `{retry}`")))
}

/// `cargo xtask bench`.
pub fn run(arguments: &Arguments) -> Result {
    if let Some(Other::Collector(arguments)) = &arguments.other {
        return collector::run(arguments);
    }
    if let Some(kernel) = arguments.guest {
        return guest::run(kernel, arguments.profile);
    }
    finish(&mut build::command(&[SENSOR, HELPER], arguments.profile))?;
    let bench = Bench {
        sensor: checkout::program(arguments.profile.name(), SENSOR),
        helper: checkout::program(arguments.profile.name(), HELPER),
        plan: arguments.plan,
        pinned: arguments.pinned,
        stop: Stop::on_signals()?,
        private: tempfile::Builder::new().prefix("activity-bench-").tempdir()?,
    };
    let _alone = machine::alone(&bench.stop)?;
    let (report, outcome) = course::measure(&bench, arguments);
    if report.is_empty() {
        return outcome;
    }
    print!("{}", table::text(&report));
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        fs::write(file, text).with_context(|| file.display().to_string())?;
    }
    outcome
}
