//! What is remembered of sensors from one run of the collector to the next, in
//! `sensors.json`: who they are, and who was silent. It is a help, not a record: what
//! was told is in the store. A file that cannot be read is like none.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use activity_segments::{Machine, replace};
use serde::{Deserialize, Serialize};

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

/// The file.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    /// That it cannot be written has been said.
    failing: bool,
}

impl Memory {
    /// The one at this path, with what is in it.
    pub fn open(path: PathBuf) -> (Self, BTreeMap<String, Remembered>) {
        let sensors = match read(&path) {
            Ok(sensors) => sensors,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                let path = path.display();
                tracing::warn!(
                    "{path} cannot be read ({error}); sensors are known again once they are heard"
                );
                BTreeMap::new()
            }
        };
        (Self { path, failing: false }, sensors)
    }

    /// Writes it, whole or not at all.
    pub fn write(&mut self, sensors: &BTreeMap<String, Remembered>) {
        let written = write(&self.path, sensors);
        if let Err(error) = &written
            && !self.failing
        {
            let path = self.path.display();
            tracing::warn!("{path} cannot be written ({error}); a restart may not know who was silent");
        }
        self.failing = written.is_err();
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<String, Remembered>> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn write(path: &Path, sensors: &BTreeMap<String, Remembered>) -> io::Result<()> {
    replace(&Machine, path, &serde_json::to_vec_pretty(sensors)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_damaged_is_like_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sensors.json");
        let (mut memory, none) = Memory::open(path.clone());
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
        assert_eq!(Memory::open(path.clone()).1, sensors);

        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(Memory::open(path.clone()).1.is_empty(), "cut at {length}");
        }
        fs::write(&path, r#"{"unix:/a": {"newer": 1}}"#).unwrap();
        assert_eq!(Memory::open(path).1.len(), 1, "what a newer one wrote is no damage");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_no_failure() {
        let (mut memory, _) = Memory::open("/proc/none/sensors.json".into());
        memory.write(&BTreeMap::new());
        assert!(memory.failing);
    }
}
