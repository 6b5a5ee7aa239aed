//! What is remembered of sensors from one run of the collector to the next, in the table
//! `sensors` of the store's `state.sqlite`: who they are, and who was silent. It is a help,
//! not a record: what was told is in the store. What cannot be read is like nothing.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{state::State, store::Layout};

/// How long to wait for another one who writes: whoever remembers stores events as well.
const PATIENCE: Duration = Duration::from_millis(100);

/// One sensor, by the address it is reached at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// Empty for one that was never heard of.
    pub sensor_id: String,
    pub boot_id: String,
    pub epoch: u64,
    pub host: String,
    /// The last numbers received.
    pub last: [u64; 2],
    /// Seconds between its heartbeats.
    pub interval: Option<u32>,
    /// Whether it said that it ends.
    pub stopping: bool,
    /// When it was heard last, nanoseconds since 1970.
    pub heard: Option<i64>,
    /// The silence that was told and is not over.
    pub silence: Option<Told>,
}

/// A silence that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// A `SilenceReason`.
    pub reason: i32,
    /// Nanoseconds since 1970.
    pub since: i64,
}

/// Where it is kept.
#[derive(Debug)]
pub struct Memory {
    layout: Layout,
    /// That it cannot be written has been said.
    failing: bool,
}

impl Memory {
    /// That of a store, with what is in it.
    pub fn open(layout: &Layout) -> (Self, BTreeMap<String, Remembered>) {
        let sensors = state(layout).and_then(|state| state.sensors()).unwrap_or_else(|error| {
            let path = layout.state();
            let path = path.display();
            tracing::warn!("{path} cannot be read ({error}); sensors are known again once they are heard");
            BTreeMap::new()
        });
        let known = |(place, known): (String, String)| Some((place, serde_json::from_str(&known).ok()?));
        let sensors = sensors.into_iter().filter_map(known).collect();
        (Self { layout: layout.clone(), failing: false }, sensors)
    }

    /// Writes it, whole or not at all.
    pub fn write(&mut self, sensors: &BTreeMap<String, Remembered>) {
        let known = |(place, known): (&String, &Remembered)| {
            Some((place.clone(), serde_json::to_string(known).ok()?))
        };
        let sensors = sensors.iter().filter_map(known).collect();
        let written = state(&self.layout).and_then(|mut state| state.set_sensors(&sensors));
        if let Err(error) = &written
            && !self.failing
        {
            let path = self.layout.state();
            let path = path.display();
            tracing::warn!("{path} cannot be written ({error}); a restart may not know who was silent");
        }
        self.failing = written.is_err();
    }
}

fn state(layout: &Layout) -> rusqlite::Result<State> {
    State::open(layout)?.with_patience(PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(directory: &tempfile::TempDir) -> Layout {
        Layout::new(directory.path().to_str().unwrap()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_what_is_damaged_is_like_none() {
        let directory = tempfile::tempdir().unwrap();
        let layout = layout(&directory);
        let (mut memory, none) = Memory::open(&layout);
        assert!(none.is_empty());
        let told = Told { reason: 1, since: -5 };
        let sensor = Remembered {
            sensor_id: "s".into(),
            heard: Some(7),
            silence: Some(told),
            ..Remembered::default()
        };
        let sensors = BTreeMap::from([("unix:/a".to_owned(), sensor)]);
        memory.write(&sensors);
        assert_eq!(Memory::open(&layout).1, sensors);

        let (newer, damaged) = (r#"{"newer": 1}"#, r#"{"newer": "#);
        let rows = [("unix:/a", newer), ("unix:/b", damaged)];
        let rows = rows.map(|(place, known)| (place.to_owned(), known.to_owned()));
        State::open(&layout).unwrap().set_sensors(&rows.into()).unwrap();
        let read = Memory::open(&layout).1;
        assert_eq!(read.keys().collect::<Vec<_>>(), ["unix:/a"], "what a newer one wrote is no damage");
        std::fs::write(layout.state(), "no database, whatever it is").unwrap();
        assert!(Memory::open(&layout).1.is_empty());
    }

    #[test]
    fn what_cannot_be_written_is_no_failure() {
        let (mut memory, _) = Memory::open(&Layout::new("/proc/none").unwrap());
        memory.write(&BTreeMap::new());
        assert!(memory.failing);
    }
}
