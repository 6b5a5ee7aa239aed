//! What was found, for people and for programs.

use std::{collections::BTreeMap, fmt, io};

use serde_json::{Value, json};

use crate::seal::{Checkpoint, Reason};

/// What kind of problem there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The public key is not the one that belongs to the seal.
    Key,
    /// A line of the seal is no entry.
    Malformed,
    /// An entry was not signed with the key.
    Signature,
    /// Entries in the middle of the seal are not there.
    Lost,
    /// Entries are not in their order.
    Order,
    /// Two histories: another entry with the same number was there, or is.
    Fork,
    /// An entry does not follow the one before it.
    Chain,
    /// A sensor's own chain is broken.
    Sensor,
    /// Segments were never sealed although later ones were.
    Skipped,
    /// The end of the seal is not there.
    Truncated,
    /// What is there is older than a checkpoint.
    Rollback,
    /// A file that others became has not the same events.
    Merged,
    /// A file's content is not what was sealed.
    Changed,
    /// A file is shorter than what was sealed.
    Cut,
    /// A file has what was sealed as another.
    Swapped,
    /// A file or a segment is not there.
    Missing,
    /// A file is there that was never sealed.
    Added,
    /// A file cannot be read.
    Unreadable,
    /// Sequences are missing and no gap says so.
    Hole,
}

impl Kind {
    /// Its name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Malformed => "malformed",
            Self::Signature => "signature",
            Self::Lost => "lost",
            Self::Order => "order",
            Self::Fork => "fork",
            Self::Chain => "chain",
            Self::Sensor => "sensor",
            Self::Skipped => "skipped",
            Self::Truncated => "truncated",
            Self::Rollback => "rollback",
            Self::Merged => "merged",
            Self::Changed => "changed",
            Self::Cut => "cut",
            Self::Swapped => "swapped",
            Self::Missing => "missing",
            Self::Added => "added",
            Self::Unreadable => "unreadable",
            Self::Hole => "hole",
        }
    }
}

/// Where a problem is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The number of the entry.
    pub entry: Option<u64>,
    /// The number of the file or segment.
    pub number: Option<u64>,
    /// The file within the store, escaped.
    pub file: Option<String>,
}

impl Place {
    /// In an entry.
    pub fn entry(entry: u64) -> Self {
        Self { entry: Some(entry), ..Self::default() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.file.clone(),
            self.number.map(|number| format!("number {number}")),
            self.entry.map(|entry| format!("entry {entry}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&if parts.is_empty() { "the store".to_owned() } else { parts.join(", ") })
    }
}

/// The first problem of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// How many there are of its kind after it.
    pub more: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// The first problem of every kind.
    pub problems: BTreeMap<Kind, Problem>,
    /// The key that was verified with.
    pub key: String,
    /// Entries of the seal.
    pub entries: u64,
    /// The last of them.
    pub last: Option<Checkpoint>,
    /// Files that are as they were sealed, and their bytes.
    pub files: u64,
    pub bytes: u64,
    /// Of these, files that are in the archive.
    pub archived: u64,
    /// Rows that were sealed, and of how many sensors.
    pub rows: u64,
    pub sensors: u64,
    /// Files that were there when the seal began: what was before is not known.
    pub adopted: u64,
    /// Files that retention removed, and why.
    pub removed: BTreeMap<Reason, u64>,
    /// Of these, files that are still there.
    pub unfinished: u64,
    /// Files that became part of another.
    pub merged: u64,
    /// Segments of the log that are not sealed yet, and their bytes.
    pub waiting: u64,
    pub waiting_bytes: u64,
    /// Holes in sequences that gaps account for, and sequences in them.
    pub holes: u64,
    pub holes_sequences: u64,
    /// Bytes of an entry that is being written, or was cut.
    pub cut: u64,
}

impl Report {
    /// Notes a problem.
    pub fn problem(&mut self, kind: Kind, place: Place, what: impl Into<String>) {
        self.problems.entry(kind).and_modify(|problem| problem.more += 1).or_insert_with(|| Problem {
            place,
            what: what.into(),
            more: 0,
        });
    }

    /// Whether all is as it was sealed.
    pub fn is_fine(&self) -> bool {
        self.problems.is_empty()
    }

    /// For people.
    pub fn text(&self, out: &mut impl io::Write) -> io::Result<()> {
        for (kind, Problem { place, what, more }) in &self.problems {
            let more = if *more > 0 { format!("; {more} more of this kind") } else { String::new() };
            writeln!(out, "{:<10} {place}: {what}{more}", kind.name())?;
        }
        let Self { entries, files, bytes, rows, sensors, .. } = self;
        writeln!(out, "sealed: {entries} entries; {files} files as sealed, {bytes} bytes")?;
        writeln!(out, "events: {rows} sealed, of {sensors} sensors")?;
        if let Some(last) = &self.last {
            writeln!(out, "last checkpoint: {last}")?;
        }
        writeln!(out, "public key: {}", self.key)?;
        for (reason, count) in &self.removed {
            writeln!(out, "removed by retention ({reason}): {count} files")?;
        }
        let counts = [
            ("of these files in the archive", self.archived),
            ("files that became part of others", self.merged),
            ("files that are yet to be removed", self.unfinished),
            ("files from before the seal began", self.adopted),
            ("bytes of an entry that is being written, or was cut", self.cut),
        ];
        for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            writeln!(out, "{what}: {count}")?;
        }
        if self.holes > 0 {
            writeln!(
                out,
                "holes: {}, which gaps account for, of {} events",
                self.holes, self.holes_sequences
            )?;
        }
        writeln!(out, "not sealed yet: {} bytes in {} segments", self.waiting_bytes, self.waiting)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let problem = |(kind, problem): (&Kind, &Problem)| {
            let Problem { place, what, more } = problem;
            let Place { entry, number, file } = place;
            json!({
                "kind": kind.name(), "entry": entry, "number": number, "file": file, "what": what, "more": more,
            })
        };
        let removed = |reason| self.removed.get(&reason).copied().unwrap_or_default();
        json!({
            "fine": self.is_fine(),
            "problems": self.problems.iter().map(problem).collect::<Vec<_>>(),
            "entries": self.entries,
            "lastCheckpoint": self.last.as_ref().map(ToString::to_string),
            "publicKey": self.key,
            "files": self.files,
            "bytes": self.bytes,
            "archived": self.archived,
            "events": self.rows,
            "sensors": self.sensors,
            "adopted": self.adopted,
            "removed": { "age": removed(Reason::Age), "quota": removed(Reason::Quota) },
            "removalsUnfinished": self.unfinished,
            "merged": self.merged,
            "notSealedYet": { "segments": self.waiting, "bytes": self.waiting_bytes },
            "holes": { "count": self.holes, "events": self.holes_sequences },
            "cutBytes": self.cut,
        })
    }
}
