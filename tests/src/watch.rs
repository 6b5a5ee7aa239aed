//! `activity-sensor watch`, attached to a daemon.

use std::process::Command;

use serde_json::Value;

use crate::{Program, Sensor, program};

/// A running `watch`.
pub struct Watch {
    /// Its process.
    pub program: Program,
}

impl Watch {
    /// Starts it; what happens after the return is shown.
    #[must_use]
    pub fn start(sensor: &Sensor, arguments: &[&str]) -> Self {
        let mut command = Command::new(program::sensor());
        command.arg("watch").arg("--socket").arg(sensor.socket()).args(arguments);
        let program = Program::start(&mut command);
        sensor.await_subscriber(program.pid());
        Self { program }
    }

    /// The first event of `--format json` that is wanted.
    ///
    /// # Panics
    /// When it does not come in time, and when a line is not JSON.
    pub fn find(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut looked_at = 0;
        self.program.stdout_until(what, |text| {
            loop {
                let rest = text.get(looked_at..)?;
                let end = rest.iter().position(|&byte| byte == b'\n')?;
                looked_at += end + 1;
                let event: Value = serde_json::from_slice(rest.get(..end)?).expect("every line is JSON");
                if wanted(&event) {
                    return Some(event);
                }
            }
        })
    }

    /// Everything up to and with the line that holds all these words.
    ///
    /// # Panics
    /// When it does not come in time, and when the output is not UTF-8.
    pub fn until_line(&self, words: &[&str]) -> String {
        self.program.stdout_until(&format!("a line with {words:?}"), |text| {
            let text = std::str::from_utf8(text).ok()?;
            let mut end = 0;
            for line in text.split_inclusive('\n') {
                end += line.len();
                if line.ends_with('\n') && words.iter().all(|word| line.contains(word)) {
                    return text.get(..end).map(str::to_owned);
                }
            }
            None
        })
    }
}
