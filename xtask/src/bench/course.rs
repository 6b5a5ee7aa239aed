//! What is measured, in which order.

use std::{process::Command, time::Duration};

use super::{
    Arguments, Bench,
    contestant::{Contestant, SensorSays},
    goals::judge,
    machine::{self, Machine},
    measure::{self, Counted, Pair, Run, Task},
    peers,
    progress::Progress,
    result::{Alone, Compared, Delay, Medians, Report, Skipped, Subject},
    sensor,
    table::figure,
    workload::{Kind, Workload},
};
use crate::exit::Result;

/// How long the first event may take after the subscription.
const FIRST: Duration = Duration::from_secs(1);
/// Operations of the run before the first pair, which fills caches and makes files.
const WARM_UP: u64 = 20_000;

/// Measures all that was asked for, as far as it gets: what was measured before
/// an error counts.
pub fn measure(bench: &Bench, arguments: &Arguments) -> (Report, Result) {
    let mut skipped = Vec::new();
    let workloads = workloads(arguments, &mut skipped);
    let contestants = contestants(arguments, &mut skipped);
    let mut course = Course {
        bench,
        pairs: arguments.pairs.into(),
        arguments,
        says: None,
        progress: Progress::new(
            workloads.iter().map(|workload| runs(*workload, &contestants, arguments)).sum(),
        ),
        compared: Vec::new(),
        alone: Vec::new(),
    };
    let machine = Machine::here();
    let outcome = workloads.iter().try_for_each(|workload| course.measure(*workload, &contestants));
    let subject = subject(arguments, course.says.take(), &contestants);
    let load_after = Machine::here().load_before;
    let Course { compared, alone, .. } = course;
    (Report { machine, subject, compared, alone, skipped, load_after }, outcome)
}

/// How many pairs, or runs, a workload takes.
fn runs(workload: Workload, contestants: &[Contestant], arguments: &Arguments) -> usize {
    let each = match workload.kind() {
        Kind::Compared => contestants.len(),
        Kind::Alone => usize::from(contestants.contains(&Contestant::All)),
    };
    each * usize::from(arguments.pairs)
}

fn workloads(arguments: &Arguments, skipped: &mut Vec<Skipped>) -> Vec<Workload> {
    let asked = if arguments.workloads.is_empty() { Workload::all() } else { arguments.workloads.clone() };
    possible(asked, Workload::obstacle, skipped)
}

fn contestants(arguments: &Arguments, skipped: &mut Vec<Skipped>) -> Vec<Contestant> {
    let mut asked =
        if arguments.only.is_empty() { Contestant::OURS.to_vec() } else { arguments.only.clone() };
    asked.extend(arguments.peers.then_some(Contestant::PEERS).into_iter().flatten());
    possible(asked, Contestant::obstacle, skipped)
}

/// Those without an obstacle, each once; the others are told of.
fn possible<T: Copy + Ord + ToString>(
    mut asked: Vec<T>,
    obstacle: impl Fn(T) -> Option<String>,
    skipped: &mut Vec<Skipped>,
) -> Vec<T> {
    asked.sort();
    asked.dedup();
    asked.retain(|one| {
        let reason = obstacle(*one);
        skipped.extend(reason.iter().map(|reason| Skipped { what: one.to_string(), reason: reason.clone() }));
        reason.is_none()
    });
    asked
}

fn subject(arguments: &Arguments, sensor: Option<SensorSays>, contestants: &[Contestant]) -> Subject {
    Subject {
        commit: machine::commit(),
        rustc: peers::first_line(Command::new("rustc").arg("--version")),
        profile: arguments.profile.name(),
        plan: arguments.plan.name(),
        sensor,
        peers: contestants.iter().filter_map(|contestant| peers::version(*contestant)).collect(),
        pairs: arguments.pairs,
        quick: arguments.quick,
        pinned: arguments.pinned,
    }
}

struct Course<'a> {
    bench: &'a Bench,
    pairs: usize,
    arguments: &'a Arguments,
    says: Option<SensorSays>,
    progress: Progress,
    compared: Vec<Compared>,
    alone: Vec<Alone>,
}

impl Course<'_> {
    fn task(&self, workload: Workload) -> Task {
        let Arguments { quick, rate, seconds, .. } = self.arguments;
        let count = workload.count(*quick);
        match (workload.rate(), workload) {
            (Some(usual), Workload::Paced) => {
                let rate = rate.unwrap_or(usual);
                Task { workload, count: seconds.map_or(count, |seconds| seconds * rate), rate: Some(rate) }
            }
            (rate, _) => Task { workload, count, rate },
        }
    }

    fn measure(&mut self, workload: Workload, contestants: &[Contestant]) -> Result {
        match workload.kind() {
            Kind::Compared => contestants.iter().try_for_each(|contestant| {
                let compared = self.compare(workload, *contestant)?;
                self.compared.push(compared);
                Ok(())
            }),
            Kind::Alone if contestants.contains(&Contestant::All) => {
                let alone = self.alone(workload)?;
                self.alone.push(alone);
                Ok(())
            }
            Kind::Alone => Ok(()),
        }
    }

    fn compare(&mut self, workload: Workload, contestant: Contestant) -> Result<Compared> {
        let task = self.task(workload);
        Task { count: task.count.min(WARM_UP), ..task }.run(self.bench, None)?;
        let mut pairs = Vec::new();
        for number in 1..=self.pairs {
            let baseline = task.run(self.bench, None)?;
            let with = self.beside(task, contestant)?;
            let pair = Pair::of(baseline, with);
            let figures = format!(
                "{:.0} and {:.0} ns, ratio {}",
                pair.baseline.done.per_operation,
                pair.with.done.per_operation,
                figure(pair.ratio, 3)
            );
            self.progress
                .done(&format!("{workload} beside {contestant}, pair {number} of {}: {figures}", self.pairs));
            pairs.push(pair);
        }
        let medians = Medians::of(&pairs);
        let verdicts = judge(workload, contestant, self.plan(), &medians);
        Ok(Compared { workload, contestant, pairs, medians, verdicts })
    }

    fn beside(&mut self, task: Task, contestant: Contestant) -> Result<Run> {
        let (run, says) = measure::beside(self.bench, task, contestant)?;
        self.says = says.or(self.says.take());
        Ok(run)
    }

    /// What the sensor said that it uses.
    fn plan(&self) -> &str {
        self.says.as_ref().map_or("", |says| &says.plan)
    }

    fn alone(&mut self, workload: Workload) -> Result<Alone> {
        let task = self.task(workload);
        let (mut runs, mut start_ms) = (Vec::new(), Vec::new());
        for number in 1..=self.pairs {
            if workload == Workload::Start {
                start_ms.push(self.start(task)?);
            } else {
                runs.push(self.beside(task, Contestant::All)?);
            }
            self.progress.done(&format!(
                "{workload} beside {}, run {number} of {}",
                Contestant::All,
                self.pairs
            ));
        }
        let delay_ms = (workload == Workload::Delay).then(|| Delay::of(&runs)).flatten();
        Ok(Alone { workload, rate: task.rate, runs, start_ms, delay_ms })
    }

    /// Milliseconds from the start of the daemon until an act that was already
    /// going on arrives.
    fn start(&self, task: Task) -> Result<f64> {
        let mut generator = task.prepare(self.bench)?;
        generator.tell("go")?;
        let mut started = sensor::begin(self.bench, &["--all"], false)?;
        sensor::ready(self.bench, &mut started)?;
        self.bench.stop.wait(FIRST)?;
        let counted = started.counter.as_mut().map(|counter| {
            counter.tell(&format!("take {}", generator.pid()))?;
            counter.answer::<Counted>(FIRST * 10)
        });
        let first = counted.transpose()?.and_then(|counted| counted.first);
        let begun = started.begun;
        started.end();
        let first =
            first.ok_or_else(|| anyhow::anyhow!("no event came within {FIRST:?} of the subscription"))?;
        Ok(first.saturating_sub(begun) as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_possible_is_measured_once_and_the_rest_is_told() {
        let mut skipped = Vec::new();
        let asked = vec![Workload::Build, Workload::Open, Workload::Open];
        let obstacle = |workload| (workload == Workload::Build).then(|| "cc is not installed".to_owned());
        assert_eq!(possible(asked, obstacle, &mut skipped), [Workload::Open]);
        let told: Vec<_> =
            skipped.iter().map(|skipped| format!("{}: {}", skipped.what, skipped.reason)).collect();
        assert_eq!(told, ["build: cc is not installed"]);
    }
}
