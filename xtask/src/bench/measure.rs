//! One run, and pairs of runs.

use std::{collections::BTreeMap, process::Command, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Bench,
    contestant::{Contestant, SensorSays, Started},
    helper::Helper,
    proc::{Usage, forget_peak},
    statistics::ratio,
    workload::Workload,
};
use crate::exit::Result;

/// How long a workload may take to prepare, and to run.
const PATIENCE: Duration = Duration::from_secs(900);
/// How many events say something about a million of them.
const ENOUGH: u64 = 1000;
/// How long events of the preparation may take until they have arrived.
const ARRIVAL: Duration = Duration::from_millis(100);
/// How long the counting subscriber may wait for what is still to come.
const SETTLE: Duration = Duration::from_secs(150);

/// What a generator says at its end.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Done {
    /// How often it did what it does.
    pub count: u64,
    /// Nanoseconds for each.
    #[serde(rename = "perOperation")]
    pub per_operation: f64,
}

/// What the subscriber counted.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Counted {
    /// Events of everybody.
    pub total: u64,
    /// Those of the generator and its children, by type.
    pub own: BTreeMap<String, u64>,
    /// What gaps told of, everybody's, by type and reason.
    pub lost: BTreeMap<String, u64>,
    /// When the generator's first event came.
    pub first: Option<u64>,
    /// Nanoseconds from each of its acts to the subscriber, for `delay`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delays: Vec<u64>,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// What was done.
    #[serde(flatten)]
    pub done: Done,
    /// What the contestant took for it, and its memory before.
    pub cost: Option<Cost>,
    /// What its subscriber counted.
    pub counted: Option<Counted>,
}

/// What a contestant took in a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Seconds of a processor, until the last event had arrived.
    pub cpu_seconds: f64,
    /// For a million events.
    pub cpu_per_million: Option<f64>,
    /// The most memory it had until then, in KiB: that of its start.
    pub start_kib: u64,
    /// Its memory before the run.
    pub rest_kib: u64,
    /// The most in the run.
    pub run_kib: u64,
}

impl Cost {
    /// The most memory that it ever had.
    pub fn peak_kib(&self) -> u64 {
        self.start_kib.max(self.run_kib)
    }
}

/// A run with the baseline and one with a contestant, one after the other.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// Alone.
    pub baseline: Run,
    /// With the contestant.
    pub with: Run,
    /// Of the times for one operation.
    pub ratio: Option<f64>,
    /// Nanoseconds more for each operation.
    pub added: f64,
}

impl Pair {
    /// From both runs.
    pub fn of(baseline: Run, with: Run) -> Self {
        let (without, beside) = (baseline.done.per_operation, with.done.per_operation);
        Self { ratio: ratio(beside, without), added: beside - without, baseline, with }
    }
}

impl Counted {
    /// How many of the operations led to no event; `None` where not each leads to one.
    pub fn missing(&self, workload: Workload, done: u64) -> Option<u64> {
        Some(done.saturating_sub(self.of(workload)?))
    }

    /// Events that the operations led to.
    pub fn of(&self, workload: Workload) -> Option<u64> {
        Some(self.own.get(workload.event()?).copied().unwrap_or_default())
    }
}

/// What is wanted of a run.
#[derive(Clone, Copy)]
pub struct Task {
    /// What is done.
    pub workload: Workload,
    /// How often.
    pub count: u64,
    /// How often in a second, where it does not go as fast as it can.
    pub rate: Option<u64>,
}

impl Task {
    /// A generator that waits for the word to begin.
    pub fn prepare(self, bench: &Bench) -> Result<Helper> {
        let mut command = Command::new(&bench.helper);
        command.args(["workload", self.workload.generator(), &self.count.to_string()]);
        command.arg(bench.private.path());
        if let Some(rate) = self.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        if bench.pinned {
            command.args(["--core", &bench.core().to_string()]);
        }
        let mut generator = bench.helper("the workload", &mut command)?;
        generator.line(PATIENCE)?;
        Ok(generator)
    }

    /// One run, beside what has been started.
    pub fn run(self, bench: &Bench, beside: Option<&mut Started>) -> Result<Run> {
        let mut generator = self.prepare(bench)?;
        let run = match beside {
            None => Run { done: go(&mut generator)?, cost: None, counted: None },
            Some(started) => self.observed(bench, &mut generator, started)?,
        };
        generator.end();
        Ok(run)
    }

    fn observed(self, bench: &Bench, generator: &mut Helper, started: &mut Started) -> Result<Run> {
        let process = generator.pid();
        if let Some(counter) = &mut started.counter {
            // What its preparation led to is none of the run's.
            bench.stop.wait(ARRIVAL)?;
            counter.tell(&format!("take {process}"))?;
            counter.answer::<Counted>(SETTLE)?;
        }
        let processes = started.processes();
        let before = Usage::of(&processes)?;
        processes.iter().try_for_each(|process| forget_peak(*process))?;
        let done = go(generator)?;
        let all = started.says.as_ref().is_some_and(|says| says.all);
        let counted = started.counter.as_mut().map(|counter| {
            let kind = self.workload.event().unwrap_or("open");
            // By default nothing is recorded of what nobody does.
            let expected = if all { done.count } else { 0 };
            counter.tell(&format!("settle {process} {kind} {expected}"))?;
            counter.answer::<Counted>(SETTLE)
        });
        let counted = counted.transpose()?;
        let after = Usage::of(&processes)?;
        Ok(Run { done, cost: Some(cost(before, after, self.recorded(counted.as_ref()))), counted })
    }
}

impl Task {
    /// How many events the contestant's processor time was for, others' included,
    /// unless the workload leads to none.
    fn recorded(self, counted: Option<&Counted>) -> u64 {
        let total = counted.map_or(0, |counted| counted.total);
        if self.workload == Workload::Other { 0 } else { total }
    }
}

fn go(generator: &mut Helper) -> Result<Done> {
    generator.tell("go")?;
    generator.answer(PATIENCE)
}

/// Nothing is said of a million events where there were only a few.
fn cost(before: Usage, after: Usage, recorded: u64) -> Cost {
    let cpu_seconds = after.cpu_seconds - before.cpu_seconds;
    Cost {
        cpu_seconds,
        cpu_per_million: (recorded >= ENOUGH).then(|| cpu_seconds / recorded as f64 * 1e6),
        start_kib: before.peak_kib,
        rest_kib: before.resident_kib,
        run_kib: after.peak_kib,
    }
}

/// A run beside a contestant that is started for it.
pub fn beside(bench: &Bench, task: Task, contestant: Contestant) -> Result<(Run, Option<SensorSays>)> {
    let mut started = contestant.start(bench, task.workload == Workload::Delay)?;
    if bench.pinned {
        started.leave(bench.core())?;
    }
    let run = task.run(bench, Some(&mut started))?;
    let says = started.says.take();
    started.end();
    Ok((run, says))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(per_operation: f64) -> Run {
        Run { done: Done { count: 10, per_operation }, cost: None, counted: None }
    }

    #[test]
    fn a_pair_compares_two_runs() {
        let pair = Pair::of(run(800.0), run(1000.0));
        assert_eq!((pair.ratio, pair.added), (Some(1.25), 200.0));
        assert_eq!(Pair::of(run(0.0), run(1.0)).ratio, None);
    }

    #[test]
    fn processor_time_is_that_of_the_run_for_all_events() {
        let usage = |cpu_seconds, peak_kib| Usage { cpu_seconds, resident_kib: 100, peak_kib };
        let cost_of = |recorded| cost(usage(1.0, 900), usage(3.0, 500), recorded);
        let expected = Cost {
            cpu_seconds: 2.0,
            cpu_per_million: Some(4.0),
            start_kib: 900,
            rest_kib: 100,
            run_kib: 500,
        };
        assert_eq!(cost_of(500_000), expected);
        assert_eq!(expected.peak_kib(), 900);
        assert_eq!(cost_of(10).cpu_per_million, None);
    }

    #[test]
    fn what_is_missing_is_of_the_type_of_the_workload() {
        let counted = Counted { own: [("open".to_owned(), 7)].into(), ..Counted::default() };
        assert_eq!(counted.missing(Workload::Open, 10), Some(3));
        assert_eq!(counted.missing(Workload::Exec, 10), Some(10));
        assert_eq!(counted.missing(Workload::Other, 10), None);
    }

    #[test]
    fn answers_of_the_helper_are_understood() {
        let done: Done = serde_json::from_str(
            r#"{"workload":"open","count":5,"nanoseconds":10,"perOperation":2.0,"begin":1}"#,
        )
        .unwrap();
        assert_eq!(done.count, 5);
        let line = r#"{"total":3,"own":{"open":2},"lost":{"open ring_full":1},"first":null,"delays":[5]}"#;
        let counted: Counted = serde_json::from_str(line).unwrap();
        assert_eq!((counted.lost.get("open ring_full"), counted.first), (Some(&1), None));
    }
}
