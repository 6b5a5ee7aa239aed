//! How long files are kept, and how much room they may take.

#[cfg(test)]
mod tests;

use std::{fs, io::ErrorKind, path::Path};

use jiff::Timestamp;

use super::{
    StoreError,
    archive::{Book, Kept},
    class::Class,
    layout::Layout,
    roll::sync_directory,
    stored::StoredFile,
};
use crate::seal::{Reason, Removed, Seal, SealedFile, sealed_file};

const DAY: i64 = 86_400 * 1_000_000_000;

/// What is kept. Whole Parquet files are removed; what is in the log is not old yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Days for which an event is kept at least; 0 is for ever.
    pub keep_days: u32,
    /// Bytes that all files in the directory together may have; 0 is no limit.
    pub max_bytes: u64,
    /// Days for single classes, in the order of [`Class::ALL`], where they differ.
    pub of_class: [Option<u32>; Class::ALL.len()],
}

impl Retention {
    /// Days for which a file is kept; one of an older build has all classes.
    fn days(&self, class: Option<Class>) -> u32 {
        let all = || Class::ALL.into_iter().map(|class| self.days(Some(class)));
        let Some(class) = class else {
            // 0 is for ever, which is the longest.
            return if all().any(|days| days == 0) { 0 } else { all().max().unwrap_or(0) };
        };
        let at = Class::ALL.iter().position(|other| *other == class);
        at.and_then(|at| self.of_class.get(at).copied().flatten()).unwrap_or(self.keep_days)
    }
}

/// Which classes are held.
struct Held(Vec<Class>);

impl Held {
    fn look(layout: &Layout) -> Result<Self, StoreError> {
        let mut held = Vec::new();
        for class in Class::ALL {
            if is_there(&layout.legal_hold_of(class))? {
                held.push(class);
            }
        }
        Ok(Self(held))
    }

    /// Whether a file is kept; one of an older build has all classes.
    fn has(&self, file: &StoredFile) -> bool {
        file.class.map_or(!self.0.is_empty(), |class| self.0.contains(&class))
    }
}

/// Where it cannot be known, everything is kept.
fn is_there(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(|source| StoreError::file("look at", path, source))
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
        book: &mut Book,
        now: Timestamp,
        go_on: &dyn Fn() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if (self.retention == Retention::default() && seal.unfinished().is_empty()) || self.hold(layout)? {
            return Ok(());
        }
        let held = Held::look(layout)?;
        let is_held = |path: &Path| layout.stored(&layout.relative(path)).is_some_and(|file| held.has(&file));
        while let Some(at) = seal.unfinished().iter().position(|path| !is_held(path)) {
            if let Some(path) = seal.unfinished().get(at) {
                remove(path)?;
            }
            seal.unfinished().swap_remove(at);
        }
        self.keep_archived(layout, seal, book, &held, now, go_on)?;
        let mut files = layout.files()?;
        files.retain(|file| !book.has(&layout.relative(&file.path)));
        let (files, kept): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| !held.has(file));
        for (file, reason) in self.due(files, &kept, now)? {
            go_on()?;
            self.seal_and_remove(layout, seal, &file, reason)?;
        }
        Ok(())
    }

    /// Removes what is too old in the archive; what is removed there goes when the archive
    /// answers. How much room it takes is no concern of ours.
    fn keep_archived(
        &self,
        layout: &Layout,
        seal: &mut Seal,
        book: &mut Book,
        held: &Held,
        now: Timestamp,
        go_on: &dyn Fn() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let is_due = |kept: &&Kept| {
            let file = kept.stored_file(layout).filter(|file| !held.has(file));
            file.is_some_and(|file| self.is_old(&file, now))
        };
        let due: Vec<SealedFile> = book.kept().filter(is_due).map(|kept| kept.file.clone()).collect();
        for file in due {
            go_on()?;
            let path = file.path.clone();
            // A kill may have come behind the entry.
            if seal.digest(&path).is_some() {
                seal.removed(Removed { file, reason: Reason::Age, sensors: Vec::new() })?;
            }
            book.leaving(&path)?;
            // A copy whose readers were waited for.
            remove(&layout.root().join(&path))?;
            tracing::info!("{path} is removed from the archive: all in it is older than is to be kept");
        }
        Ok(())
    }

    fn is_old(&self, file: &StoredFile, now: Timestamp) -> bool {
        let now = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
        let days = self.retention.days(file.class);
        days > 0 && file.latest() < now.saturating_sub(DAY.saturating_mul(days.into()))
    }

    /// Whether nothing of any class may be changed.
    pub fn holds(&mut self, layout: &Layout) -> Result<bool, StoreError> {
        Ok(self.hold(layout)? || !Held::look(layout)?.0.is_empty())
    }

    /// Whether nothing may be removed, which is said once.
    fn hold(&mut self, layout: &Layout) -> Result<bool, StoreError> {
        let path = layout.legal_hold();
        let is_held = is_there(&path)?;
        if is_held && !self.is_held {
            tracing::warn!("nothing is removed while {} is there", path.display());
        }
        self.is_held = is_held;
        Ok(is_held)
    }

    /// The files to remove, oldest first. Those that are held count for the limit.
    fn due(
        &self,
        files: Vec<StoredFile>,
        held: &[StoredFile],
        now: Timestamp,
    ) -> Result<Vec<(StoredFile, Reason)>, StoreError> {
        let max_bytes = self.retention.max_bytes;
        let (old, kept): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| self.is_old(file, now));
        let mut due: Vec<_> = old.into_iter().map(|file| (file, Reason::Age)).collect();
        if max_bytes == 0 {
            return Ok(due);
        }
        let lengths = kept.iter().map(|file| length(&file.path)).collect::<Result<Vec<u64>, _>>()?;
        let held = held.iter().map(|file| length(&file.path)).sum::<Result<u64, _>>()?;
        let mut total: u64 = held.saturating_add(lengths.iter().sum());
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
    ) -> Result<(), StoreError> {
        let sealed = sealed_file(layout, file.number, &file.path)?;
        let path = sealed.path.clone();
        seal.removed(Removed { file: sealed, reason, sensors: Vec::new() })?;
        remove(&file.path)?;
        let (keep_days, max_bytes) = (self.retention.days(file.class), self.retention.max_bytes);
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

/// Removes a file durably, and with the last one the directories of its partition.
pub fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            return Err(StoreError::file("remove", path, source));
        }
        _ => {}
    }
    let Some(directory) = path.parent().filter(|directory| directory.is_dir()) else { return Ok(()) };
    sync_directory(directory)?;
    // Where something else is in it, it stays.
    let is_partition =
        |path: &&Path| path.file_name().is_some_and(|name| name.to_string_lossy().contains('='));
    let _ = directory.ancestors().take_while(is_partition).try_for_each(fs::remove_dir);
    Ok(())
}
