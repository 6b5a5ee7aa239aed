//! What was measured, and what it comes to.

use serde::Serialize;

use super::{
    contestant::{Contestant, SensorSays},
    goals::{Measure, Verdict},
    machine::Machine,
    measure::{Pair, Run},
    statistics::{median, quantile},
    workload::Workload,
};

/// Everything of one call of the benchmark.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where it was measured.
    pub machine: Machine,
    /// What was measured.
    pub subject: Subject,
    /// In pairs with the baseline.
    pub compared: Vec<Compared>,
    /// At a given pace.
    pub alone: Vec<Alone>,
    /// What was not measured, with the reason.
    pub skipped: Vec<Skipped>,
    /// The load average at the end.
    pub load_after: f64,
}

impl Report {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.compared.is_empty() && self.alone.is_empty() && self.skipped.is_empty()
    }
}

/// What was measured, and how.
#[derive(Debug, Serialize)]
pub struct Subject {
    /// The checkout's commit.
    pub commit: Option<String>,
    /// The compiler's version.
    pub rustc: String,
    /// How it was compiled.
    pub profile: &'static str,
    /// The plan that was asked for.
    pub plan: &'static str,
    /// What the sensor said of itself.
    pub sensor: Option<SensorSays>,
    /// Versions of the others that watched.
    pub peers: Vec<String>,
    /// How many pairs of runs.
    pub pairs: u16,
    /// With fewer operations.
    pub quick: bool,
    /// The workload on a core of its own.
    pub pinned: bool,
}

/// A workload with a contestant.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// What was done.
    pub workload: Workload,
    /// Beside what.
    pub contestant: Contestant,
    /// In the order in which they ran.
    pub pairs: Vec<Pair>,
    /// What they come to.
    pub medians: Medians,
    /// Measured by the goals.
    pub verdicts: Vec<Verdict>,
}

/// A workload whose pace is given, beside the sensor that records everything.
#[derive(Debug, Serialize)]
pub struct Alone {
    /// What was done.
    pub workload: Workload,
    /// Operations in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// Each time.
    pub runs: Vec<Run>,
    /// For `start`: milliseconds from the daemon's start to the first event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub start_ms: Vec<f64>,
    /// For `delay`: of all runs, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<Delay>,
}

/// From an act to the subscriber, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Delay {
    /// Half are not above this.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// The longest.
    pub max: f64,
    /// How many were measured.
    pub count: usize,
}

/// What was not measured.
#[derive(Debug, Serialize)]
pub struct Skipped {
    /// A workload or a contestant.
    pub what: String,
    /// Why not.
    pub reason: String,
}

/// Medians over all pairs.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Medians {
    /// Nanoseconds for an operation alone.
    pub baseline_ns: Option<f64>,
    /// With the contestant.
    pub with_ns: Option<f64>,
    /// Of the pairs' ratios.
    pub ratio: Option<f64>,
    /// Nanoseconds more.
    pub added_ns: Option<f64>,
    /// The contestant's processor time.
    pub cpu_seconds: Option<f64>,
    /// For a million events.
    pub cpu_per_million: Option<f64>,
    /// The most memory of its start, in MiB.
    pub start_mib: Option<f64>,
    /// Its memory at rest.
    pub rest_mib: Option<f64>,
    /// The most in the run.
    pub run_mib: Option<f64>,
    /// The most of both.
    pub peak_mib: Option<f64>,
}

/// Operations and events, over all runs together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Operations done.
    pub done: u64,
    /// Events that they led to, where each leads to one and a subscriber counts.
    pub received: Option<u64>,
    /// Operations that led to none.
    pub missing: Option<u64>,
    /// Events that gaps told of, everybody's.
    pub lost: Option<u64>,
}

impl Sums {
    fn of<'a>(workload: Workload, runs: impl Iterator<Item = &'a Run>) -> Self {
        let mut sums = Self::default();
        for run in runs {
            sums.done += run.done.count;
            let Some(counted) = &run.counted else { continue };
            let add = |sum: &mut Option<u64>, more: Option<u64>| {
                *sum = more.map(|more| sum.unwrap_or_default() + more).or(*sum);
            };
            add(&mut sums.received, counted.of(workload));
            add(&mut sums.missing, counted.missing(workload, run.done.count));
            add(&mut sums.lost, Some(counted.lost.values().sum()));
        }
        sums
    }

    /// As cells of a table.
    pub fn cells(self) -> Vec<String> {
        let done = (self.done > 0).then_some(self.done);
        let counts = [done, self.received, self.missing, self.lost];
        counts.iter().map(|count| count.map_or_else(|| "-".to_owned(), |count| count.to_string())).collect()
    }
}

impl Compared {
    /// Of the runs beside the contestant.
    pub fn sums(&self) -> Sums {
        let sums = Sums::of(self.workload, self.pairs.iter().map(|pair| &pair.with));
        // By default nothing is meant to be received of what nobody does.
        if self.contestant == Contestant::Default { Sums { missing: None, ..sums } } else { sums }
    }
}

impl Alone {
    /// Of all runs.
    pub fn sums(&self) -> Sums {
        Sums::of(self.workload, self.runs.iter())
    }

    /// The median of the daemon's processor seconds for a million events.
    pub fn cpu_per_million(&self) -> Option<f64> {
        median(self.runs.iter().filter_map(|run| run.cost?.cpu_per_million))
    }
}

impl Medians {
    /// Of these pairs.
    pub fn of(pairs: &[Pair]) -> Self {
        let of = |value: &dyn Fn(&Pair) -> Option<f64>| median(pairs.iter().filter_map(value));
        let mib = |kib: u64| kib as f64 / 1024.0;
        Self {
            baseline_ns: of(&|pair| Some(pair.baseline.done.per_operation)),
            with_ns: of(&|pair| Some(pair.with.done.per_operation)),
            ratio: of(&|pair| pair.ratio),
            added_ns: of(&|pair| Some(pair.added)),
            cpu_seconds: of(&|pair| Some(pair.with.cost?.cpu_seconds)),
            cpu_per_million: of(&|pair| pair.with.cost?.cpu_per_million),
            rest_mib: of(&|pair| Some(mib(pair.with.cost?.rest_kib))),
            start_mib: of(&|pair| Some(mib(pair.with.cost?.start_kib))),
            run_mib: of(&|pair| Some(mib(pair.with.cost?.run_kib))),
            peak_mib: of(&|pair| Some(mib(pair.with.cost?.peak_kib()))),
        }
    }

    /// The one that a goal is about.
    pub fn of_measure(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Ratio => self.ratio,
            Measure::AddedNs => self.added_ns,
            Measure::CpuPerMillion => self.cpu_per_million,
            Measure::PeakMib => self.peak_mib,
        }
    }
}

impl Delay {
    /// Of all these runs together.
    pub fn of(runs: &[Run]) -> Option<Self> {
        let counted = runs.iter().filter_map(|run| run.counted.as_ref());
        let all: Vec<f64> =
            counted.flat_map(|counted| &counted.delays).map(|delay| *delay as f64 / 1e6).collect();
        let at = |part| quantile(all.iter().copied(), part);
        Some(Self { p50: at(0.5)?, p99: at(0.99)?, max: at(1.0)?, count: all.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measure::{Cost, Counted, Done};

    fn run(per_operation: f64, cost: Option<Cost>, delays: Vec<u64>) -> Run {
        let counted = Some(Counted { delays, ..Counted::default() });
        Run { done: Done { count: 10, per_operation }, cost, counted }
    }

    fn pair(baseline: f64, with: f64, run_kib: u64) -> Pair {
        let cost = Cost { cpu_seconds: 1.0, cpu_per_million: None, start_kib: 0, rest_kib: 1024, run_kib };
        Pair::of(run(baseline, None, vec![]), run(with, Some(cost), vec![]))
    }

    #[test]
    fn medians_are_of_each_value_by_itself() {
        let medians =
            Medians::of(&[pair(100.0, 150.0, 4096), pair(200.0, 220.0, 2048), pair(90.0, 180.0, 3072)]);
        assert_eq!((medians.baseline_ns, medians.with_ns), (Some(100.0), Some(180.0)));
        assert_eq!((medians.ratio, medians.added_ns), (Some(1.5), Some(50.0)));
        assert_eq!((medians.rest_mib, medians.peak_mib), (Some(1.0), Some(3.0)));
        assert_eq!(medians.cpu_per_million, None);
        assert_eq!(Medians::of(&[]).ratio, None);
    }

    #[test]
    fn delays_of_all_runs_count_together() {
        let runs = [run(1.0, None, vec![1_000_000, 2_000_000]), run(1.0, None, vec![30_000_000])];
        let delay = Delay::of(&runs).unwrap();
        assert_eq!((delay.p50, delay.p99, delay.max, delay.count), (2.0, 30.0, 30.0, 3));
        assert!(Delay::of(&[]).is_none());
    }
}
