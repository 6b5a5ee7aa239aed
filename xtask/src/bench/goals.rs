//! What the sensor is meant to cost at most.

use std::fmt;

use serde::Serialize;

use super::{contestant::Contestant, result::Medians, workload::Workload};

/// What a goal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Time for one operation against the baseline's.
    Ratio,
    /// Nanoseconds more for one operation.
    AddedNs,
    /// The daemon's seconds for a million events.
    CpuPerMillion,
    /// The daemon's memory in MiB.
    PeakMib,
}

impl Measure {
    /// Whether it is about the workload's time, rather than what watching took.
    pub fn is_time(self) -> bool {
        matches!(self, Self::Ratio | Self::AddedNs)
    }
}

/// A limit, and whether it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// What it is about.
    pub measure: Measure,
    /// The most it may be.
    pub limit: f64,
    /// Whether the median is not above it.
    pub reached: bool,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { measure, limit, reached } = self;
        match measure {
            Measure::Ratio => write!(f, "ratio ≤ {limit:.2}")?,
            Measure::AddedNs => write!(f, "added ≤ {limit:.0} ns")?,
            Measure::CpuPerMillion => write!(f, "cpu ≤ {limit:.0} s/M")?,
            Measure::PeakMib => write!(f, "peak ≤ {limit:.0} MiB")?,
        }
        f.write_str(if *reached { " reached" } else { " missed" })
    }
}

/// The goals for a workload beside a contestant, judged by medians. `plan` is
/// the one that the sensor says it uses.
pub fn judge(workload: Workload, contestant: Contestant, plan: &str, medians: &Medians) -> Vec<Verdict> {
    let limits = match contestant {
        Contestant::All => all(workload, plan),
        Contestant::Default => default(workload),
        _ => return Vec::new(),
    };
    let memory = if contestant == Contestant::All { 64.0 } else { 32.0 };
    let limits = limits.iter().copied().chain([(Measure::PeakMib, memory)]);
    let judge = |(measure, limit)| {
        let value = medians.of_measure(measure)?;
        Some(Verdict { measure, limit, reached: value <= limit })
    };
    limits.filter_map(judge).collect()
}

type Limit = (Measure, f64);

fn all(workload: Workload, plan: &str) -> &'static [Limit] {
    use Measure::{AddedNs, CpuPerMillion, Ratio};
    match workload {
        Workload::Open => &[(Ratio, 1.30), (AddedNs, 1000.0), (CpuPerMillion, 3.0)],
        Workload::Exec => &[(Ratio, 1.10)],
        Workload::Connect => &[(Ratio, 1.05)],
        // With trampolines there is nothing on the way of such a call.
        Workload::Other if plan == "tracepoint" => &[(AddedNs, 130.0)],
        Workload::Files | Workload::Build => &[(Ratio, 1.10)],
        _ => &[],
    }
}

fn default(workload: Workload) -> &'static [Limit] {
    use Measure::{AddedNs, Ratio};
    match workload {
        Workload::Open => &[(Ratio, 1.12), (AddedNs, 350.0)],
        Workload::Exec => &[(Ratio, 1.03)],
        Workload::Connect => &[(Ratio, 1.02)],
        Workload::Files | Workload::Build => &[(Ratio, 1.04)],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medians(ratio: f64, added_ns: f64) -> Medians {
        Medians { ratio: Some(ratio), added_ns: Some(added_ns), peak_mib: Some(40.0), ..Medians::default() }
    }

    fn said(workload: Workload, contestant: Contestant, medians: &Medians) -> Vec<String> {
        judge(workload, contestant, "tracepoint", medians).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_limit_itself_is_reached() {
        let verdicts = said(Workload::Open, Contestant::Default, &medians(1.12, 351.0));
        assert_eq!(verdicts, ["ratio ≤ 1.12 reached", "added ≤ 350 ns missed", "peak ≤ 32 MiB missed"]);
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        let verdicts = said(Workload::Open, Contestant::All, &medians(1.4, 900.0));
        assert_eq!(verdicts, ["ratio ≤ 1.30 missed", "added ≤ 1000 ns reached", "peak ≤ 64 MiB reached"]);
        assert!(said(Workload::Open, Contestant::Floor, &medians(9.0, 9.0)).is_empty());
    }

    #[test]
    fn calls_that_nobody_watches_cost_something_with_tracepoints_only() {
        let of = |plan| judge(Workload::Other, Contestant::All, plan, &medians(1.5, 131.0)).len();
        assert_eq!((of("tracepoint"), of("trampoline")), (2, 1));
    }
}
