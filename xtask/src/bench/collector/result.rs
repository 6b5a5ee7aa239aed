//! The figures, for people and for programs.

use serde::Serialize;

use super::{
    super::{
        machine::Machine,
        table::{Table, figure},
    },
    queries::Query,
    stored::Stored,
};

/// What is meant to be reached, on two cores.
const RATE: f64 = 100_000.0;
const PEAK_MIB: f64 = 512.0;
const BYTES_EACH: f64 = 40.0;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub commit: Option<String>,
    pub profile: &'static str,
    pub events: u64,
    /// As they were sent.
    pub wire_bytes: u64,
    /// From the first call to the last acknowledgement.
    pub acknowledged_seconds: f64,
    /// From the start to the last change of a file.
    pub settled_seconds: f64,
    /// Of the collector, until then.
    pub cpu_seconds: f64,
    pub peak_kib: u64,
    pub stored: Stored,
    pub verify_seconds: f64,
    pub queries: Vec<Query>,
}

impl Report {
    /// Everything, as text.
    pub fn text(&self) -> String {
        let machine = &self.machine;
        let each = |bytes: u64| bytes as f64 / self.events.max(1) as f64;
        let mut table = Table::new(1, &["what", "figure", "goal"]);
        let mut row =
            |what: &str, value, places, goal| table.row([what.into(), figure(Some(value), places), goal]);
        let rate = self.events as f64 / self.acknowledged_seconds;
        let peak = self.peak_kib as f64 / 1024.0;
        let bytes = each(self.stored.parquet_bytes);
        row("events a second, acknowledged", rate, 0, at_least(rate, RATE));
        row("peak memory, MiB", peak, 0, at_most(peak, PEAK_MIB));
        row("bytes of an event, sent", each(self.wire_bytes), 0, String::new());
        row("bytes of an event, stored", bytes, 1, at_most(bytes, BYTES_EACH));
        row("bytes of an event, seal", each(self.stored.seal_bytes), 2, String::new());
        row("Parquet files", self.stored.files as f64, 0, String::new());
        row("seconds until acknowledged", self.acknowledged_seconds, 1, String::new());
        row("seconds until nothing changes", self.settled_seconds, 1, String::new());
        row("processor seconds of a million", self.cpu_seconds * 1e6 / self.events as f64, 1, String::new());
        row("seconds of verify", self.verify_seconds, 1, String::new());
        let mut queries = Table::new(1, &["query", "seconds", "rows", "goal"]);
        for query in &self.queries {
            let goal = at_most(query.seconds, query.goal);
            queries.row([query.name.clone(), figure(Some(query.seconds), 2), query.rows.to_string(), goal]);
        }
        format!(
            "{}, {} cores, {} MiB, Linux {}\nprofile {}, commit {}, load average before {:.2}\n\n{} events\n{}\n{}",
            machine.cpu,
            machine.cores,
            machine.memory_mib,
            machine.kernel,
            self.profile,
            self.commit.as_deref().unwrap_or("unknown"),
            machine.load_before,
            self.events,
            table.lines(),
            queries.lines(),
        )
    }
}

fn at_most(value: f64, goal: f64) -> String {
    format!("≤ {goal} {}", if value <= goal { "reached" } else { "missed" })
}

fn at_least(value: f64, goal: f64) -> String {
    format!("≥ {goal} {}", if value >= goal { "reached" } else { "missed" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_says_whether_it_is_reached() {
        assert_eq!(
            (at_most(39.9, BYTES_EACH), at_most(40.1, BYTES_EACH)),
            ("≤ 40 reached".into(), "≤ 40 missed".into())
        );
        assert_eq!(
            (at_least(1e5, RATE), at_least(9e4, RATE)),
            ("≥ 100000 reached".into(), "≥ 100000 missed".into())
        );
    }
}
