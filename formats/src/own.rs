//! Our own form of an event, less what a format has said already.

use activity_proto::{json::to_json, v1::Event};
use serde_json::{Map, Value};

use crate::fields::Fields;

/// Keys of the envelope that every format has a place for.
const TOLD: [&str; 6] = ["host", "time", "tenant", "count", "credentials", "outcome"];
/// Keys of a process that every format has a place for.
const TOLD_OF_PROCESS: [&str; 8] = ["pid", "uid", "parentUid", "ppid", "comm", "exe", "argv", "cwd"];

/// An event as our own JSON.
pub struct Own(Map<String, Value>);

impl Own {
    /// Of an event.
    pub fn new(event: &Event) -> Self {
        match to_json(event) {
            Value::Object(map) => Self(map),
            _ => Self(Map::new()),
        }
    }

    /// Its time as RFC 3339 with nanoseconds; absent where a calendar has none.
    pub fn time(&self) -> Option<Value> {
        self.0.get("time").cloned()
    }

    /// The name of the error, where it failed.
    pub fn error(&self) -> Option<String> {
        let outcome = self.0.get("outcome")?;
        let name = outcome.get("error").and_then(Value::as_str).map(str::to_owned);
        name.or_else(|| outcome.get("errno").map(ToString::to_string))
    }

    /// What no format has a place for.
    pub fn rest(mut self) -> Fields {
        for key in TOLD {
            self.0.shift_remove(key);
        }
        if let Some(Value::Object(process)) = self.0.get_mut("process") {
            process.retain(|key, _| !TOLD_OF_PROCESS.contains(&key.as_str()));
            if process.is_empty() {
                self.0.shift_remove("process");
            }
        }
        Fields::from(self.0)
    }
}
