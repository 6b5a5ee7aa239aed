//! What the acting program says must be reported.

use std::collections::BTreeSet;

use serde_json::Value;

/// Everything an act has said of itself.
#[derive(Debug, Default)]
pub struct Report {
    /// Processes that took part.
    pub pids: BTreeSet<u64>,
    /// When the preparation was over, in nanoseconds since boot.
    pub begin: u64,
    /// Of each, one alternative must come.
    pub expected: Vec<Expected>,
    /// What would be wrong.
    pub never: Vec<Value>,
    /// Paths with the inode and the device they name.
    pub named: Vec<Value>,
    /// What a listener on system calls would have to have seen.
    pub truth: Vec<String>,
    /// Of many opens, which of two paths each was, and the paths.
    pub sequence: Option<(String, [String; 2])>,
    /// A login uid that somebody gave themselves.
    pub forged: Option<u64>,
    /// Why the act is not possible on this machine.
    pub cannot: Option<String>,
}

/// One thing that must be reported.
#[derive(Debug)]
pub struct Expected {
    /// Parts of events, of which one must come.
    pub one_of: Vec<Value>,
    /// How often; `None`: at least once.
    pub times: Option<u64>,
}

impl Report {
    /// Reads the lines of an act.
    pub fn of(output: &str) -> Self {
        let mut report = Self::default();
        for line in output.lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            report.take(&line);
        }
        report
    }

    fn take(&mut self, line: &Value) {
        let text = |key: &str| line[key].as_str().map(str::to_owned);
        self.pids.extend(line["pid"].as_u64());
        self.begin = line["begin"].as_u64().unwrap_or(self.begin);
        self.forged = line["forged"].as_u64().or(self.forged);
        self.truth.extend(text("truth"));
        self.cannot = text("cannot").or(self.cannot.take());
        self.never.extend(line.get("never").cloned());
        self.named.extend(line.get("named").cloned());
        if let Some(expected) = line.get("expect") {
            let one_of = expected.as_array().cloned().unwrap_or_else(|| vec![expected.clone()]);
            self.expected.push(Expected { one_of, times: line["times"].as_u64() });
        }
        if let Some(sequence) = text("sequence") {
            let paths = [0, 1].map(|index| line["of"][index].as_str().unwrap().to_owned());
            self.sequence = Some((sequence, paths));
        }
    }
}
