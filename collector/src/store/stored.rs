//! A Parquet file, by its name and place.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use jiff::{civil::Date, tz::TimeZone};

use super::class::Class;

/// A finished Parquet file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// The number of the first segment it was made of.
    pub first: u64,
    /// The number of the last.
    pub number: u64,
    /// Time of the earliest event.
    pub from: i64,
    /// Time of the latest event.
    pub to: i64,
    /// What it has; `None` of an older build: everything.
    pub class: Option<Class>,
    /// Where it is; of one in the archive where it was.
    pub path: PathBuf,
    /// What is known of it where only the archive has it.
    pub archived: Option<Archived>,
}

/// What is known of a file that is in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Its length in bytes.
    pub length: u64,
    /// When it was stored, in nanoseconds since 1970.
    pub stored: i64,
}

impl StoredFile {
    /// The name of a file of the segments from one to another.
    pub fn name((first, last): (u64, u64), (from, to): (i64, i64)) -> String {
        let first = if first == last { String::new() } else { format!("{first:012}-") };
        format!("{first}{last:012}_{from}_{to}.parquet")
    }

    /// The time of its latest event, or when it was stored, where that is later: a clock
    /// that is behind makes nothing old.
    pub fn latest(&self) -> i64 {
        let day = self.day().and_then(|day| day.to_zoned(TimeZone::UTC).ok());
        let day = day.and_then(|day| i64::try_from(day.timestamp().as_nanosecond()).ok());
        self.to.max(day.unwrap_or(i64::MIN)).max(self.stored().unwrap_or(i64::MIN))
    }

    /// When it was stored; a compacted one has that of its newest part.
    pub fn stored(&self) -> Option<i64> {
        if let Some(archived) = self.archived {
            return Some(archived.stored);
        }
        let modified = fs::metadata(&self.path).and_then(|metadata| metadata.modified()).ok()?;
        i64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
    }

    /// Whether it was stored so long ago.
    pub fn is_older(&self, than: Duration) -> bool {
        let modified = fs::metadata(&self.path).and_then(|metadata| metadata.modified());
        modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age >= than))
    }

    /// The directory of its partition.
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// The day in its path.
    pub fn day(&self) -> Option<Date> {
        let parts = self.path.parent()?.components().rev().take(2);
        let mut names = parts.filter_map(|part| part.as_os_str().to_str()?.strip_prefix("day="));
        names.next()?.parse().ok()
    }

    /// Whether another in its directory has all that it has.
    fn is_superseded_by(&self, other: &Self) -> bool {
        let numbers = |file: &Self| (file.first, file.number);
        self.path.parent() == other.path.parent()
            && numbers(self) != numbers(other)
            && (other.first..=other.number).contains(&self.first)
            && (other.first..=other.number).contains(&self.number)
    }

    /// The file at a path, where its name is that of one.
    pub fn from_path(path: PathBuf) -> Option<Self> {
        let mut parts = path.file_name()?.to_str()?.strip_suffix(".parquet")?.split('_');
        let numbers = parts.next()?;
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let (first, number) = (first.parse().ok()?, last.parse().ok()?);
        let (from, to) = (time(&mut parts)?, time(&mut parts)?);
        let class = path.parent()?.file_name()?.to_str()?.strip_prefix("class=");
        let class = class.and_then(|class| class.parse().ok());
        (first <= number).then_some(Self { first, number, from, to, class, path, archived: None })
    }
}

fn time<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<i64> {
    parts.next()?.parse().ok()
}

/// The files that no other supersedes.
pub fn without_superseded(mut files: Vec<StoredFile>) -> Vec<StoredFile> {
    let wide: Vec<StoredFile> = files.iter().filter(|file| file.first < file.number).cloned().collect();
    files.retain(|file| !wide.iter().any(|other| file.is_superseded_by(other)));
    files
}
