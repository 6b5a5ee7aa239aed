//! What is done while it is timed.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

use crate::setup::on_path;

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Opening and closing one file.
    Open,
    /// Start of /bin/true and the wait for its end.
    Exec,
    /// TCP connect to a listener of its own on loopback, accepted and closed.
    Connect,
    /// A system call that nobody watches: getppid.
    Other,
    /// Reading 10,000 small files.
    Files,
    /// Compiling small C files: `make -j2`.
    Build,
    /// Two loops of `open` at once.
    Two,
    /// Opens of distinct names at a fixed rate: does every one of them arrive?
    Paced,
    /// Opens with pauses between: how long from the act to the subscriber?
    Delay,
    /// How long from the start of the sensor to the first event?
    Start,
}

/// How a workload is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In pairs with the baseline.
    Compared,
    /// Only with the sensor that records everything: the pace is given.
    Alone,
}

impl Workload {
    /// Each, in the order in which they run.
    pub fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// How it is measured.
    pub fn kind(self) -> Kind {
        match self {
            Self::Paced | Self::Delay | Self::Start => Kind::Alone,
            _ => Kind::Compared,
        }
    }

    /// The generator's name for what it does.
    pub fn generator(self) -> &'static str {
        match self {
            Self::Open | Self::Delay | Self::Start => "open",
            Self::Exec => "exec",
            Self::Connect => "connect",
            Self::Other => "other",
            Self::Files => "read",
            Self::Build => "build",
            Self::Two => "two",
            Self::Paced => "names",
        }
    }

    /// How often it is done in one run; quick runs do less.
    pub fn count(self, quick: bool) -> u64 {
        let (full, fewer) = match self {
            Self::Open | Self::Two => (1_000_000, 200_000),
            Self::Exec => (5_000, 500),
            Self::Connect => (20_000, 4_000),
            Self::Other => (5_000_000, 1_000_000),
            Self::Files => (100_000, 20_000),
            Self::Build => (40, 10),
            Self::Paced => (200_000, 40_000),
            Self::Delay => (200, 100),
            Self::Start => (60_000, 60_000),
        };
        if quick { fewer } else { full }
    }

    /// Operations a second, where they do not go as fast as they can.
    pub fn rate(self) -> Option<u64> {
        match self {
            Self::Paced => Some(20_000),
            Self::Delay => Some(200),
            Self::Start => Some(1_000),
            _ => None,
        }
    }

    /// The type of event that each operation leads to, where it is just one.
    pub fn event(self) -> Option<&'static str> {
        match self {
            Self::Open | Self::Files | Self::Two | Self::Paced | Self::Delay | Self::Start => Some("open"),
            Self::Exec => Some("exec"),
            Self::Connect => Some("connect"),
            Self::Other | Self::Build => None,
        }
    }

    /// Why it cannot be done here.
    pub fn obstacle(self) -> Option<String> {
        let missing = |name: &&str| on_path(name).is_none();
        let needed: &[&str] = if self == Self::Build { &["make", "cc"] } else { &[] };
        needed.iter().find(|name| missing(name)).map(|name| format!("{name} is not installed"))
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compared_goes_as_fast_as_it_can() {
        for workload in Workload::all() {
            assert_eq!(workload.rate().is_none(), workload.kind() == Kind::Compared, "{workload}");
            assert!(workload.count(true) <= workload.count(false), "{workload}");
        }
    }
}
