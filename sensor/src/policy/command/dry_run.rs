//! `policy dry-run`: what a configuration would do with what happens now.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use activity_proto::v1::RuleCount;
use serde_json::{Value, json};
use tokio::{runtime::Builder, time::MissedTickBehavior};

use crate::{
    cli::{DoctorFormat, DryRunArgs},
    config::Config,
    failure::{Failure, printed},
    pipeline::{self, Outlets, Pipeline},
    policy::Policy,
    run::{Termination, origin, require_privilege},
    source::load::{self, LoadOptions},
    state::State,
    status::SensorStatus,
    stream::Hub,
};

/// How often progress is told.
const TICK: Duration = Duration::from_secs(1);

/// Records everything for a while, judges it and throws it away.
///
/// # Errors
/// When the configuration is wrong, or recording is not permitted here.
pub fn dry_run(args: &DryRunArgs) -> Result<(), Failure> {
    crate::log::start("warn");
    let config = Config::load(args.config.as_deref())?;
    let policy = pipeline::policy(&config, false).map_err(Failure::config)?.with_examples();
    require_privilege()?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("the runtime cannot be started ({error})")))?;
    let report = runtime.block_on(record(args, &config, policy))?;
    let mut out = io::stdout().lock();
    printed(match args.format {
        DoctorFormat::Text => report.print(&mut out),
        DoctorFormat::Json => writeln!(out, "{:#}", report.json()),
    })
}

async fn record(args: &DryRunArgs, config: &Config, policy: Policy) -> Result<Report, Failure> {
    let mut termination = Termination::listen();
    let options =
        LoadOptions { everybody: true, shortcuts: false, allow_degraded: true, plan: args.plan.plan };
    let kernel = load::load(&config.hooks, options)?;
    let state = State::passing();
    // Nobody can subscribe, so that nothing is handed on.
    let hub = Arc::new(Hub::new(0, 0, &origin(config, &state)));
    let pipeline = Pipeline::start(config, policy, kernel, state, Outlets::live(hub), None)?;
    let status = Arc::clone(&pipeline.status);
    let begun = Instant::now();
    let progress = Progress::begin(args);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = async {
        match args.time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => break,
            () = termination.wait() => break,
            _ = ticks.tick() => progress.tell(begun.elapsed(), &status),
        }
    }
    let time = begun.elapsed();
    progress.end();
    let _ = tokio::task::spawn_blocking(move || pipeline.stop()).await;
    Ok(Report::of(time, &status))
}

/// What is shown on a terminal meanwhile.
struct Progress {
    shown: bool,
}

impl Progress {
    fn begin(args: &DryRunArgs) -> Self {
        let shown = io::stderr().is_terminal();
        if shown {
            let end = args.time.map_or_else(String::new, |time| format!(" or after {} s", time.as_secs()));
            eprintln!("judging what happens now; nothing is recorded. Ends with Ctrl-C{end}.");
        }
        Self { shown }
    }

    fn tell(&self, time: Duration, status: &SensorStatus) {
        if self.shown {
            let report = Report::of(time, status);
            eprint!("\r{} s, {} events ", time.as_secs(), report.events());
        }
    }

    fn end(&self) {
        if self.shown {
            eprintln!();
        }
    }
}

/// What the rules decided.
struct Report {
    time: Duration,
    rules: Vec<(RuleCount, Vec<String>)>,
    unmatched: (u64, Vec<String>),
    /// Events that did not fit into a buffer.
    lost: u64,
}

impl Report {
    fn of(time: Duration, status: &SensorStatus) -> Self {
        let policy = status.policy.standing().policy;
        let mut examples = policy.examples();
        let of_none = examples.pop().unwrap_or_default();
        Self {
            time,
            rules: policy.rule_counts().into_iter().zip(examples).collect(),
            unmatched: (policy.unmatched(), of_none),
            lost: status.lanes().iter().map(|lane| lane.ring_full).sum(),
        }
    }

    fn events(&self) -> u64 {
        self.rules.iter().map(|(rule, _)| rule.decided).sum::<u64>() + self.unmatched.0
    }

    /// Hundredths of a per cent are enough.
    fn share(&self, count: u64) -> f64 {
        let events = self.events().max(1);
        (count as f64 * 10_000.0 / events as f64).round() / 100.0
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let rows = self
            .rules
            .iter()
            .map(|(rule, examples)| (rule.name.as_str(), action(rule), rule.decided, examples));
        let none = ("(no rule)", "allow".to_owned(), self.unmatched.0, &self.unmatched.1);
        let rows: Vec<_> = rows.chain([none]).collect();
        let name = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        let act = rows.iter().map(|(_, action, ..)| action.len()).max().unwrap_or(0);
        writeln!(out, "{:name$}  {:act$}  {:>10}  {:>7}  EXAMPLES", "RULE", "ACTION", "EVENTS", "SHARE")?;
        for (rule, action, count, examples) in rows {
            let share = self.share(count);
            let mut line = format!("{rule:name$}  {action:act$}  {count:>10}  {share:>5.1} %");
            for (number, example) in examples.iter().enumerate() {
                line.push_str(if number == 0 { "  " } else { "; " });
                line.push_str(example);
            }
            writeln!(out, "{line}")?;
        }
        let left_out: u64 = self.rules.iter().map(|(rule, _)| rule.left_out).sum();
        let (events, seconds) = (self.events(), self.time.as_secs());
        writeln!(out, "\n{events} events in {seconds} s, of which {left_out} would be left out.")?;
        if self.lost > 0 {
            writeln!(out, "{} more came too fast to be judged.", self.lost)?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let rule = |(rule, examples): &(RuleCount, Vec<String>)| {
            json!({
                "rule": rule.name, "action": rule.action, "oneIn": rule.one_in, "reason": rule.reason,
                "builtIn": rule.built_in, "events": rule.decided, "share": self.share(rule.decided),
                "leftOut": rule.left_out, "examples": examples,
            })
        };
        let (unmatched, examples) = &self.unmatched;
        json!({
            "seconds": self.time.as_secs_f64(),
            "events": self.events(),
            "lost": self.lost,
            "rules": self.rules.iter().map(rule).collect::<Vec<_>>(),
            "noRule": {"events": unmatched, "share": self.share(*unmatched), "examples": examples},
        })
    }
}

fn action(rule: &RuleCount) -> String {
    match rule.one_in {
        Some(one_in) => format!("{} 1/{one_in}", rule.action),
        None => rule.action.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_a_line_for_each_rule_and_one_for_none() {
        let rule = |name: &str, action: &str, one_in, decided, left_out| RuleCount {
            name: name.into(),
            action: action.into(),
            one_in,
            decided,
            left_out,
            ..RuleCount::default()
        };
        let examples =
            vec!["/usr/bin/cat open /etc/group".to_owned(), "/usr/bin/ls open /etc/passwd".to_owned()];
        let report = Report {
            time: Duration::from_secs(60),
            rules: vec![
                (rule("backup", "sample", Some(100), 250, 247), Vec::new()),
                (rule("noise", "deny", None, 500, 500), examples),
            ],
            unmatched: (250, Vec::new()),
            lost: 3,
        };
        let mut text = Vec::new();
        report.print(&mut text).unwrap();
        insta::assert_snapshot!(String::from_utf8(text).unwrap());
        let json = report.json();
        assert_eq!((&json["events"], &json["rules"][0]["share"]), (&json!(1000), &json!(25.0)));
    }
}
