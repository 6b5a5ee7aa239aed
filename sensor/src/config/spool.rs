//! `[spool]`

use std::time::Duration;

use serde::Deserialize;

use super::values;
use crate::spool::{PerLane, Settings, WhenFull};

/// `[spool]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct SpoolConfig {
    /// Whether the stream is kept on disk for consumers.
    pub enabled: bool,
    /// Room for process and network events.
    #[serde(deserialize_with = "values::spool_bytes")]
    pub process_bytes: u32,
    /// Room for file events.
    #[serde(deserialize_with = "values::spool_bytes")]
    pub file_bytes: u32,
    /// Nothing older is kept.
    #[serde(deserialize_with = "values::hours")]
    pub max_age_hours: u32,
    /// How long something written may wait to be made durable, milliseconds.
    #[serde(deserialize_with = "values::sync_ms")]
    pub sync_ms: u32,
    /// What goes when there is no room.
    pub when_full: WhenFull,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            process_bytes: 128 * 1024 * 1024,
            file_bytes: 384 * 1024 * 1024,
            max_age_hours: 168,
            sync_ms: 1000,
            when_full: WhenFull::Oldest,
        }
    }
}

impl SpoolConfig {
    /// How the spool is kept; `None`: there is none.
    #[must_use]
    pub fn settings(&self) -> Option<Settings> {
        self.enabled.then(|| Settings {
            limits: PerLane { process: self.process_bytes.into(), file: self.file_bytes.into() },
            max_age: Duration::from_secs(u64::from(self.max_age_hours) * 3600),
            sync: Duration::from_millis(self.sync_ms.into()),
            when_full: self.when_full,
        })
    }
}
