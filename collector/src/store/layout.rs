//! Where what lies in a store's directory.
//!
//! ```text
//! lock                                            held by the one who writes
//! name                                            under which sensors know the store
//! sensors.json                                    who was heard when, see `silence`
//! state.sqlite                                    who looked, see `state`
//! owners.json                                     whose the sensors are, see `owners.rs`
//! seal.jsonl, seal.key, seal.pub                  what was stored, signed, see `seal`
//! legal-hold                                      while it is there nothing is removed
//! log/NUMBER-DAY-MARKER.log                       segments, see `log.rs`
//! events/day=YYYY-MM-DD/NUMBER_FROM_TO.parquet    what became of a segment
//! events/day=YYYY-MM-DD/.NUMBER.tmp               one that is being made
//! ```
//!
//! A Parquet file has the number of its segment, so whoever sees both knows
//! that they hold the same. FROM and TO are the times of its first and last
//! event in nanoseconds since 1970: a query leaves files out by name alone.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    str::FromStr,
};

use activity_peers::Name;
use jiff::{civil::Date, tz::TimeZone};

use super::{StoreError, log::Segment};

/// The directory of a store.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

/// A finished Parquet file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// The number of the segment it was made of.
    pub number: u64,
    /// Time of the earliest event.
    pub from: i64,
    /// Time of the latest event.
    pub to: i64,
    /// Where it is.
    pub path: PathBuf,
}

impl StoredFile {
    /// The file's name in the directory of its day.
    pub fn name(number: u64, from: i64, to: i64) -> String {
        format!("{number:012}_{from}_{to}.parquet")
    }

    /// The time of its latest event, or the day on which it was stored, where that is
    /// later: a clock that is behind makes nothing old.
    pub fn latest(&self) -> i64 {
        let day = self.path.parent().and_then(|day| day.file_name()?.to_str()?.strip_prefix("day="));
        let day = day.and_then(|day| day.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok());
        let day = day.and_then(|day| i64::try_from(day.timestamp().as_nanosecond()).ok());
        self.to.max(day.unwrap_or(i64::MIN))
    }

    fn from_path(path: PathBuf) -> Option<Self> {
        let mut parts = path.file_name()?.to_str()?.strip_suffix(".parquet")?.split('_');
        let (number, from, to) = (number(&mut parts)?, number(&mut parts)?, number(&mut parts)?);
        Some(Self { number, from, to, path })
    }
}

fn number<'a, N: FromStr>(parts: &mut impl Iterator<Item = &'a str>) -> Option<N> {
    parts.next()?.parse().ok()
}

impl Layout {
    /// The store at a URL: a path, or `file:///` and a path.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let root = match url.split_once("://") {
            Some(("file", path)) if path.starts_with('/') => path,
            Some(_) => return Err(StoreError::Url(url.to_owned())),
            None if url.is_empty() => return Err(StoreError::Url(url.to_owned())),
            None => url,
        };
        Ok(Self { root: root.into() })
    }

    /// The store at a URL, or the one of a tenant in it.
    pub fn of_tenant(url: &str, tenant: Option<&Name>) -> Result<Self, StoreError> {
        let layout = Self::new(url)?;
        Ok(tenant.map_or(layout.clone(), |name| layout.tenant(name)))
    }

    /// The store of a tenant, within the directory of all.
    pub fn tenant(&self, name: &Name) -> Self {
        Self { root: self.root.join(name.as_str()) }
    }

    /// The store's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file that is locked by the one who writes.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The name under which sensors remember what this store has; made with the store.
    pub fn name(&self) -> Result<String, StoreError> {
        let path = self.root.join("name");
        match fs::read_to_string(&path) {
            Ok(name) => return Ok(name.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(StoreError::file("read", &path, source)),
        }
        let failed = |source| StoreError::file("write", &path, source);
        let name = format!("collector-{:016x}", getrandom::u64().map_err(|error| failed(error.into()))?);
        activity_segments::replace(&activity_segments::Machine, &path, name.as_bytes()).map_err(failed)?;
        Ok(name)
    }

    /// The file of what is remembered of sensors.
    pub fn sensors(&self) -> PathBuf {
        self.root.join("sensors.json")
    }

    /// The file of which sensor is whose.
    pub fn owners(&self) -> PathBuf {
        self.root.join("owners.json")
    }

    /// The database of what is kept besides events.
    pub fn state(&self) -> PathBuf {
        self.root.join("state.sqlite")
    }

    /// The file of what was stored, signed.
    pub fn seal(&self) -> PathBuf {
        self.root.join("seal.jsonl")
    }

    /// The key that signs.
    pub fn seal_key(&self) -> PathBuf {
        self.root.join("seal.key")
    }

    /// The key that verifies.
    pub fn seal_public(&self) -> PathBuf {
        self.root.join("seal.pub")
    }

    /// The file that, while it is there, keeps everything.
    pub fn legal_hold(&self) -> PathBuf {
        self.root.join("legal-hold")
    }

    /// A path as it is within the store.
    pub fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// The Parquet file that a path within the store names; `None` for anything else.
    pub fn stored(&self, relative: &str) -> Option<StoredFile> {
        let (day, name) = relative.strip_prefix("events/day=")?.split_once('/')?;
        day.parse::<Date>().ok()?;
        (!name.contains('/')).then(|| StoredFile::from_path(self.root.join(relative)))?
    }

    /// The directory of segments.
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The directory of days.
    pub fn events(&self) -> PathBuf {
        self.root.join("events")
    }

    /// The directory of one day's files.
    pub fn day(&self, day: Date) -> PathBuf {
        self.events().join(format!("day={day}"))
    }

    /// Makes the directories there must be.
    pub fn create(&self) -> Result<(), StoreError> {
        let create = |path: &Path| fs::DirBuilder::new().recursive(true).mode(0o750).create(path);
        for path in [self.log(), self.events()] {
            create(&path).map_err(|source| StoreError::file("create the directory", &path, source))?;
        }
        Ok(())
    }

    /// Every segment, oldest first.
    pub fn segments(&self) -> Result<Vec<Segment>, StoreError> {
        let names = list(&self.log())?;
        let names = names.iter().filter_map(|path| path.file_name()?.to_str()?.parse().ok());
        let mut segments: Vec<Segment> = names.collect();
        segments.sort_unstable();
        Ok(segments)
    }

    /// Every finished Parquet file, oldest first.
    pub fn files(&self) -> Result<Vec<StoredFile>, StoreError> {
        let mut files: Vec<_> = self.day_entries()?.into_iter().filter_map(StoredFile::from_path).collect();
        files.sort_unstable_by_key(|file| file.number);
        Ok(files)
    }

    /// Removes what a kill left of Parquet files that were being made.
    pub fn remove_unfinished(&self) -> Result<(), StoreError> {
        for path in self.day_entries()? {
            if path.extension().is_some_and(|extension| extension == "tmp") {
                fs::remove_file(&path).map_err(|source| StoreError::file("remove", &path, source))?;
            }
        }
        Ok(())
    }

    /// Everything in the directories of days that is called a Parquet file.
    pub fn parquet(&self) -> Result<Vec<PathBuf>, StoreError> {
        let is_parquet = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "parquet");
        let mut paths: Vec<PathBuf> = self.day_entries()?.into_iter().filter(is_parquet).collect();
        paths.sort_unstable();
        Ok(paths)
    }

    fn day_entries(&self) -> Result<Vec<PathBuf>, StoreError> {
        let days = list(&self.events())?;
        let is_day =
            |path: &&PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("day="));
        let entries: Vec<_> = days.iter().filter(is_day).map(|day| list(day)).collect::<Result<_, _>>()?;
        Ok(entries.into_iter().flatten().collect())
    }
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let paths = fs::read_dir(directory).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    match paths {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|source| StoreError::file("read the directory", directory, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_path_or_a_file_url() {
        assert_eq!(Layout::new("/var/lib/x").unwrap().root(), Path::new("/var/lib/x"));
        assert_eq!(Layout::new("file:///var/lib/x").unwrap().root(), Path::new("/var/lib/x"));
        assert_eq!(Layout::new("here").unwrap().root(), Path::new("here"));
        for wrong in ["", "s3://bucket", "file://host/path"] {
            assert!(Layout::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_finished_files_are_listed_in_the_order_they_were_made() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().to_str().unwrap()).unwrap();
        layout.create().unwrap();
        let day = layout.events().join("day=2026-01-31");
        fs::create_dir(&day).unwrap();
        let names = [StoredFile::name(12, -5, 7), StoredFile::name(2, 0, 1)];
        for name in names.iter().map(String::as_str).chain([".000000000013.tmp", "x.parquet", "1_2.parquet"])
        {
            fs::write(day.join(name), "").unwrap();
        }
        let files = layout.files().unwrap();
        assert_eq!(files.iter().map(|file| file.number).collect::<Vec<_>>(), [2, 12]);
        assert_eq!((files[1].from, files[1].to), (-5, 7));
        assert_eq!(files[1].latest(), 1_769_817_600_000_000_000);
        assert_eq!(StoredFile { to: i64::MAX, ..files[1].clone() }.latest(), i64::MAX);
        assert_eq!(layout.parquet().unwrap().len(), 4);
        for file in &files {
            assert_eq!(layout.stored(&layout.relative(&file.path)).as_ref(), Some(file));
        }
        for wrong in ["", "lock", "events/day=2026-01-31/x.parquet", "events/day=../1_2_3.parquet"] {
            assert_eq!(layout.stored(wrong), None, "{wrong}");
        }
        assert_eq!(layout.stored("events/day=2026-01-31/../1_2_3.parquet"), None);
        layout.remove_unfinished().unwrap();
        assert!(!day.join(".000000000013.tmp").exists());
        assert_eq!(layout.files().unwrap(), files);
    }
}
