//! What runs beside a workload.

use std::{fmt, fs, process::Command, thread::available_parallelism, time::Duration};

use clap::ValueEnum;
use rustix::{
    process::Pid,
    thread::{CpuSet, sched_setaffinity},
};
use serde::{Deserialize, Serialize};

use super::{
    Bench,
    helper::{Helper, terminate},
    peers, sensor,
};
use crate::{background::Running, exit::Result};

/// How long a helper may take until it is ready.
const START: Duration = Duration::from_secs(90);

/// Something that watches, compared with nothing that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Contestant {
    /// A bare program on the way out of system calls that does nothing.
    Floor,
    /// A bare program that writes 560 bytes for each open, and a reader.
    Record,
    /// The sensor with its default policy; nobody is logged in.
    Default,
    /// The sensor with --all, and a subscriber.
    All,
    /// auditd with rules for open, exec and connect.
    #[value(skip)]
    Auditd,
    /// bpftrace, one line.
    #[value(skip)]
    Bpftrace,
    /// opensnoop, execsnoop and tcpconnect of libbpf-tools.
    #[value(skip)]
    LibbpfTools,
}

impl Contestant {
    /// Whether it is a bare program in the kernel.
    pub fn is_floor(self) -> bool {
        matches!(self, Self::Floor | Self::Record)
    }

    /// Those that run unless others are asked for.
    pub const OURS: [Self; 4] = [Self::Floor, Self::Record, Self::Default, Self::All];
    /// Those of `--peers`.
    pub const PEERS: [Self; 3] = [Self::Auditd, Self::Bpftrace, Self::LibbpfTools];

    /// Why it cannot run here.
    pub fn obstacle(self) -> Option<String> {
        peers::obstacle(self)
    }

    /// Starts it; returns when it sees everything.
    pub fn start(self, bench: &Bench, delays: bool) -> Result<Started> {
        match self {
            Self::Floor => floor(bench, "nothing"),
            Self::Record => floor(bench, "record"),
            Self::Default => sensor::start(bench, &[], false),
            Self::All => sensor::start(bench, &["--all"], delays),
            Self::Auditd => peers::auditd(bench),
            Self::Bpftrace => peers::bpftrace(bench),
            Self::LibbpfTools => peers::libbpf_tools(bench),
        }
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Floor => "floor",
            Self::Record => "floor + record",
            Self::Default => "sensor",
            Self::All => "sensor --all",
            Self::Auditd => "auditd",
            Self::Bpftrace => "bpftrace",
            Self::LibbpfTools => "libbpf-tools",
        })
    }
}

/// A contestant that runs.
#[derive(Default)]
pub struct Started {
    /// What it consists of.
    pub programs: Vec<Running>,
    /// A helper that is all of it.
    pub helper: Option<Helper>,
    /// When the sensor was started, by the clock of events.
    pub begun: u64,
    /// Who counts its events, which is no part of it.
    pub counter: Option<Helper>,
    /// What the sensor says of itself.
    pub says: Option<SensorSays>,
    /// Taken back at its end.
    pub rules: Option<peers::Rules>,
}

/// What the sensor says of itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SensorSays {
    /// How it hooks the kernel.
    pub plan: String,
    /// Its version.
    pub version: String,
    /// Hash of its kernel object.
    pub object: String,
    /// Whether it records everything.
    #[serde(skip_serializing)]
    pub all: bool,
}

impl Started {
    /// The processes whose cost is the contestant's.
    pub fn processes(&self) -> Vec<u32> {
        let programs = self.programs.iter().map(Running::pid);
        programs.chain(self.helper.as_ref().map(Helper::pid)).collect()
    }

    /// Keeps it and its subscriber off a core, which the workload has.
    pub fn leave(&self, core: usize) -> Result {
        let mut others = CpuSet::new();
        let cores = available_parallelism().map_or(1, usize::from);
        (0..cores).filter(|other| *other != core || cores == 1).for_each(|other| others.set(other));
        for process in self.processes().into_iter().chain(self.counter.as_ref().map(Helper::pid)) {
            for thread in fs::read_dir(format!("/proc/{process}/task"))?.flatten() {
                let id = thread.file_name().to_str().and_then(|name| name.parse().ok());
                // One that has ended meanwhile is on no core.
                let _ = id.and_then(Pid::from_raw).map(|id| sched_setaffinity(Some(id), &others));
            }
        }
        Ok(())
    }

    /// Lets all of it end.
    pub fn end(self) {
        drop(self.rules);
        // The counter first: the end of the stream would be an error to it.
        self.counter.into_iter().chain(self.helper).for_each(Helper::end);
        self.programs.into_iter().for_each(terminate);
    }
}

fn floor(bench: &Bench, program: &str) -> Result<Started> {
    let mut command = Command::new(&bench.helper);
    let mut helper = bench.helper("the floor", command.args(["floor", program]))?;
    helper.line(START)?;
    Ok(Started { helper: Some(helper), ..Started::default() })
}
