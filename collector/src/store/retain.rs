//! How long files are kept, and how much room they may take.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fs, io::ErrorKind, path::Path};

use jiff::Timestamp;

use super::{
    StoreError,
    layout::{Layout, StoredFile},
    roll::sync_directory,
};
use crate::seal::{Reason, Removed, Seal, Sensor, sealed_file};

const DAY: i64 = 86_400 * 1_000_000_000;

/// What is kept. Whole Parquet files are removed; what is in the log is not old yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Days for which an event is kept at least; 0 is for ever.
    pub keep_days: u32,
    /// Bytes that all files together may have; 0 is no limit.
    pub max_bytes: u64,
}

/// Sees to it.
pub struct Keeper {
    retention: Retention,
    /// That a hold keeps everything has been said.
    is_held: bool,
}

impl Keeper {
    /// One that keeps what is asked for.
    pub fn new(retention: Retention) -> Self {
        Self { retention, is_held: false }
    }

    /// Removes what is too old, then the oldest until the rest is small enough. Each
    /// removal is sealed before it is done. `go_on` is asked before each.
    pub fn keep(
        &mut self,
        layout: &Layout,
        seal: &mut Seal,
        now: Timestamp,
        go_on: &dyn Fn() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if (self.retention == Retention::default() && seal.unfinished().is_empty()) || self.hold(layout)? {
            return Ok(());
        }
        while let Some(path) = seal.unfinished().last() {
            remove(path)?;
            seal.unfinished().pop();
        }
        let due = self.due(layout.files()?, now)?;
        if due.is_empty() {
            return Ok(());
        }
        let numbers: BTreeSet<u64> = due.iter().map(|(file, _)| file.number).collect();
        let mut sensors = seal.sensors(&numbers)?;
        for (file, reason) in due {
            go_on()?;
            let sensors = sensors.remove(&file.number).unwrap_or_default();
            self.seal_and_remove(layout, seal, &file, reason, sensors)?;
        }
        Ok(())
    }

    /// Whether nothing may be removed, which is said once.
    fn hold(&mut self, layout: &Layout) -> Result<bool, StoreError> {
        let path = layout.legal_hold();
        // Where it cannot be known, everything is kept.
        let is_held = path.try_exists().map_err(|source| StoreError::file("look at", &path, source))?;
        if is_held && !self.is_held {
            tracing::warn!("nothing is removed while {} is there", path.display());
        }
        self.is_held = is_held;
        Ok(is_held)
    }

    /// The files to remove, oldest first.
    fn due(&self, files: Vec<StoredFile>, now: Timestamp) -> Result<Vec<(StoredFile, Reason)>, StoreError> {
        let Retention { keep_days, max_bytes } = self.retention;
        let now = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
        let oldest = now.saturating_sub(DAY.saturating_mul(keep_days.into()));
        let is_old = |file: &StoredFile| keep_days > 0 && file.latest() < oldest;
        let (old, kept): (Vec<_>, Vec<_>) = files.into_iter().partition(is_old);
        let mut due: Vec<_> = old.into_iter().map(|file| (file, Reason::Age)).collect();
        if max_bytes == 0 {
            return Ok(due);
        }
        let lengths = kept.iter().map(|file| length(&file.path)).collect::<Result<Vec<u64>, _>>()?;
        let mut total: u64 = lengths.iter().sum();
        for (file, length) in kept.into_iter().zip(lengths) {
            if total <= max_bytes {
                break;
            }
            total -= length;
            due.push((file, Reason::Quota));
        }
        Ok(due)
    }

    fn seal_and_remove(
        &self,
        layout: &Layout,
        seal: &mut Seal,
        file: &StoredFile,
        reason: Reason,
        sensors: Vec<Sensor>,
    ) -> Result<(), StoreError> {
        let sealed = sealed_file(layout, file.number, &file.path)?;
        let path = sealed.path.clone();
        seal.removed(Removed { file: sealed, reason, sensors })?;
        remove(&file.path)?;
        let Retention { keep_days, max_bytes } = self.retention;
        match reason {
            Reason::Age => tracing::info!("{path} was removed: all in it is older than {keep_days} days"),
            Reason::Quota => {
                tracing::warn!("{path} was removed: all files together were larger than {max_bytes} bytes");
            }
        }
        Ok(())
    }
}

fn length(path: &Path) -> Result<u64, StoreError> {
    let metadata = fs::metadata(path);
    metadata.map(|metadata| metadata.len()).map_err(|source| StoreError::file("look at", path, source))
}

/// Removes a file durably, and the directory of its day with the last one.
fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            return Err(StoreError::file("remove", path, source));
        }
        _ => {}
    }
    let Some(day) = path.parent() else { return Ok(()) };
    sync_directory(day)?;
    // Where another file is in it, it stays.
    let _ = fs::remove_dir(day);
    Ok(())
}
