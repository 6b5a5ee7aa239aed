//! The seal: evidence of what was stored, and that nobody touched it since.
//!
//! # Format
//!
//! `seal.jsonl` has one entry a line, only ever added to and durable before what it
//! vouches for is relied on:
//!
//! ```json
//! {"entry":3,"time":"2026-01-31T12:00:00Z","previous":"9f…","what":{"sealed":{…}},"signature":"4c…"}
//! ```
//!
//! `entry` counts from 0. `previous` is the BLAKE3 of the line before without its line
//! break, 64 zeroes in the first. `signature` is Ed25519, with the key in `seal.key`
//! (PKCS#8), over the bytes of the line before `,"signature"`; `seal.pub` has the public
//! key. `what` is one of
//!
//! | | |
//! |---|---|
//! | `begun` | the first entry: the public key, and the number `before` of the last segment that was rolled without an entry |
//! | `adopted` | a file that was there when the seal began |
//! | `rolled` | a segment became files, one in each partition |
//! | `sealed` | the same of an older build: a segment became one file |
//! | `merged` | files became one: the new one, and `from` the old |
//! | `empty` | a segment had no events, so there is no file |
//! | `removed` | retention removes a file: `reason` is `age` or `quota` |
//!
//! `rolled`, `sealed` and `empty` have consecutive numbers. A file is its `number`, its
//! `path` in the store, its `length` and the BLAKE3 `digest` of all of it; `rolled` and
//! `merged` add its `rows` and the `sum` of its events (the BLAKE3 hashes of all, as four
//! little-endian numbers of 64 bits each, added up), so that what was merged can be seen to
//! be what there was. A segment has places that were `damaged`, and for every sensor in it
//! the `lanes` of its runs (lowest and highest sequence, count of events with one, and the
//! sequences that gaps account for) with the sensor's `chain`: BLAKE3 of the 32 bytes of its
//! chain before (zeroes at first), of 32 bytes for the files, and of `lanes` as it stands. The
//! 32 bytes are the BLAKE3 of all the files' digests in their order, or in `sealed` the
//! file's digest.
//!
//! # Order
//!
//! A Parquet file is durable before its entry, the entry before the segment goes; a
//! `removed` entry is durable before its file goes. A merged file is durable before its entry,
//! the entry before it gets its name, and its name before the old files go. A kill at any
//! moment leaves a segment that is rolled again, a file that is removed then, an entry of a
//! merger that came to nothing while all the old files are there, or a line that is cut, which
//! goes when the seal is opened. A file without an entry whose segment is gone is never
//! sealed: it did not come from here.

mod checkpoint;
mod entry;
mod hex;
mod key;
pub mod lines;
mod ranges;
pub mod verify;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use activity_segments::{DiskFile as _, Machine, replace};
use jiff::Timestamp;

pub use entry::{Merged, Part, Reason, Removed, SealedFile, measure};
pub use hex::Digest;
pub use ranges::Ranges;

use crate::store::{Layout, StoreError, archive::states as archive_states};
use checkpoint::Checkpoint;
use entry::{Entry, Segment, What, hash, is_signed};
use key::Key;

/// A segment that became files.
#[derive(Debug)]
pub struct Rolled {
    /// Its number.
    pub number: u64,
    /// The files.
    pub parts: Vec<Part>,
    /// Whose events are in them.
    pub ranges: Ranges,
}

/// The one who adds to the seal of a store.
pub struct Seal {
    key: Key,
    path: PathBuf,
    file: File,
    length: u64,
    /// A part of a line is at the end and could not be cut off.
    is_torn: bool,
    head: Head,
    /// Files of which it is sealed that they are removed, and which are still there.
    unfinished: Vec<PathBuf>,
    /// Files that were merged into one that is there, and which are still there too.
    superseded: Vec<PathBuf>,
}

/// Where the seal ends.
#[derive(Debug, Default)]
struct Head {
    /// The number of the next entry.
    next: u64,
    /// The hash of the last line.
    previous: Digest,
    /// The number of the last segment that is sealed.
    last: u64,
    /// The files of that segment.
    last_files: Vec<String>,
    /// The value of every sensor's chain.
    chains: BTreeMap<String, Digest>,
    /// What was sealed of every file that should be there.
    files: BTreeMap<String, Digest>,
}

impl Head {
    fn entry(&self, what: What) -> Entry {
        let time = Timestamp::now().to_string();
        Entry { entry: self.next, time, previous: self.previous, what }
    }

    /// Goes on to a line. One that is no entry counts as one: `verify` tells.
    fn note(&mut self, line: &[u8], entry: Option<&Entry>) {
        self.previous = hash(line);
        self.next = entry.map_or(self.next, |entry| entry.entry).saturating_add(1);
        let Some(what) = entry.map(|entry| &entry.what) else { return };
        if let What::Begun { before, .. } = what {
            self.last = *before;
        }
        if let Some(number) = what.segment() {
            self.last = self.last.max(number);
            self.last_files = what.files().iter().map(|file| file.path.clone()).collect();
        }
        if let Some(content) = what.content() {
            let chains = content.sensors.iter().map(|sensor| (sensor.sensor.clone(), sensor.chain));
            self.chains.extend(chains);
        }
        self.note_files(what);
    }

    fn note_files(&mut self, what: &What) {
        if let What::Removed(removed) = what {
            self.files.remove(&removed.file.path);
            return;
        }
        self.files.extend(what.files().iter().map(|file| (file.path.clone(), file.digest)));
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint::new(self.next.saturating_sub(1), self.previous)
    }
}

impl Seal {
    /// Opens the seal of a store, or begins it. Damage is told and does not keep the
    /// store from being written.
    pub fn open(layout: &Layout) -> Result<Self, StoreError> {
        let (key, path) = (Key::open(layout)?, layout.seal());
        let mut found = Found::read(layout, &key)?;
        if found.length == 0 {
            begin(layout, &key)?;
            found = Found::read(layout, &key)?;
        }
        if found.strange > 0 {
            tracing::error!(
                "{} has {} lines that are no entries: `activity-collector verify` tells more",
                path.display(),
                found.strange
            );
        }
        let failed = |source| StoreError::file("open", &path, source);
        let file = File::options().append(true).open(&path).map_err(failed)?;
        if found.cut > 0 {
            // A kill came in the middle of a write; the segment is still there.
            tracing::warn!("{} bytes of an entry that was cut are removed from the seal", found.cut);
            file.set_len(found.length).and_then(|()| file.sync()).map_err(failed)?;
        }
        let archived = archive_states(layout)?;
        let is_there = |path: &String| layout.root().join(path).exists() || archived.contains_key(path);
        found.head.files.retain(|path, _| is_there(path));
        let Found { head, length, unfinished, superseded, .. } = found;
        Ok(Self { key, path, file, length, is_torn: false, head, unfinished, superseded })
    }

    /// The number of the last segment that is sealed.
    pub fn last(&self) -> u64 {
        self.head.last
    }

    /// Whether a segment is the last that is sealed, and all its files are there.
    pub fn is_complete(&self, layout: &Layout, number: u64) -> bool {
        let is_there = |path: &String| layout.root().join(path).is_file();
        number == self.head.last && self.head.last_files.iter().all(is_there)
    }

    /// Whether a file is as it was sealed.
    pub fn has(&self, file: &SealedFile) -> bool {
        self.head.files.get(&file.path) == Some(&file.digest)
    }

    /// What was sealed of a file that should be there.
    pub fn digest(&self, path: &str) -> Option<Digest> {
        self.head.files.get(path).copied()
    }

    /// Seals the files that were made of a segment.
    pub fn rolled(&mut self, rolled: Rolled, damaged: u64) -> Result<(), StoreError> {
        let Rolled { number, parts: files, ranges } = rolled;
        let sensors = ranges.seal(&self.head.chains, Segment::digest(&files));
        let sensors = sensors.map_err(|source| StoreError::file("write", &self.path, source))?;
        self.append(What::Rolled(Segment { number, files, damaged, sensors }))
    }

    /// Seals that files become one, which is to follow.
    pub fn merged(&mut self, merged: Merged) -> Result<(), StoreError> {
        let from: Vec<String> = merged.from.iter().map(|file| file.path.clone()).collect();
        self.append(What::Merged(merged))?;
        from.iter().for_each(|path| _ = self.head.files.remove(path));
        Ok(())
    }

    /// Files that were merged, and which a kill left.
    pub fn superseded(&self) -> Vec<PathBuf> {
        self.superseded.clone()
    }

    /// Seals that a segment had no events.
    pub fn empty(&mut self, number: u64, damaged: u64) -> Result<(), StoreError> {
        self.append(What::Empty { number, damaged })
    }

    /// Seals that a file is removed, which is to follow.
    pub fn removed(&mut self, removed: Removed) -> Result<(), StoreError> {
        self.append(What::Removed(removed))
    }

    /// Files of which it is sealed that they are removed, and which a kill left.
    pub fn unfinished(&mut self) -> &mut Vec<PathBuf> {
        &mut self.unfinished
    }

    fn append(&mut self, what: What) -> Result<(), StoreError> {
        let entry = self.head.entry(what);
        let written = entry.line(&self.key).and_then(|line| self.write(&line).map(|()| line));
        let line = written.map_err(|source| StoreError::file("write", &self.path, source))?;
        self.head.note(line.strip_suffix(b"\n").unwrap_or(&line), Some(&entry));
        tracing::info!("checkpoint {}: {}", self.head.checkpoint(), entry.what);
        Ok(())
    }

    /// Adds a line that is durable then. On failure the file is as it was before.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.cut()?;
        }
        if let Err(error) = self.file.append(line).and_then(|()| self.file.sync()) {
            self.is_torn = true;
            let _ = self.cut();
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.truncate(self.length)?;
        self.is_torn = false;
        Ok(())
    }
}

/// What was found of a seal.
#[derive(Default)]
struct Found {
    head: Head,
    length: u64,
    cut: u64,
    /// Lines that are no entries.
    strange: u64,
    unfinished: Vec<PathBuf>,
    superseded: Vec<PathBuf>,
}

impl Found {
    fn read(layout: &Layout, key: &Key) -> Result<Self, StoreError> {
        let (path, public) = (layout.seal(), key.public());
        let mut found = Self::default();
        let there = |file: &SealedFile| {
            let path = layout.stored(&file.path).map(|file| file.path);
            path.filter(|path| path.exists())
        };
        let extent = lines::each(&path, |line| {
            let entry = Entry::read(line);
            found.head.note(line, entry.as_ref());
            match entry.map(|entry| entry.what) {
                // Whoever can write a line cannot have any file removed.
                Some(What::Removed(removed)) if is_signed(line, &public) => {
                    found.unfinished.extend(there(&removed.file));
                }
                Some(What::Merged(merged)) if is_signed(line, &public) => {
                    if there(&merged.part.file).is_some() {
                        found.superseded.extend(merged.from.iter().filter_map(there));
                    }
                }
                Some(_) => {}
                None => found.strange += 1,
            }
        });
        match extent {
            Ok(extent) => Ok(Self { length: extent.whole, cut: extent.cut, ..found }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(found),
            Err(source) => Err(StoreError::file("read", &path, source)),
        }
    }
}

/// Writes the first entries, whole or not at all.
fn begin(layout: &Layout, key: &Key) -> Result<(), StoreError> {
    let (files, segments) = (layout.files()?, layout.segments()?);
    let rolled = files.last().map_or(0, |file| file.number);
    let before = segments.first().map_or(0, |segment| segment.number.saturating_sub(1)).max(rolled);
    let mut whats = vec![What::Begun { key: key.public().0, before }];
    for file in &files {
        whats.push(What::Adopted(sealed_file(layout, file.number, &file.path)?));
    }
    let (path, mut head, mut text) = (layout.seal(), Head::default(), Vec::new());
    let failed = |source| StoreError::file("write", &path, source);
    for what in whats {
        let entry = head.entry(what);
        let line = entry.line(key).map_err(failed)?;
        head.note(line.strip_suffix(b"\n").unwrap_or(&line), Some(&entry));
        text.extend(line);
    }
    replace(&Machine, &path, &text).map_err(failed)?;
    tracing::info!("checkpoint {}: the seal begins, with {} files", head.checkpoint(), files.len());
    Ok(())
}

/// A file as it is now.
pub fn sealed_file(layout: &Layout, number: u64, path: &Path) -> Result<SealedFile, StoreError> {
    let (length, digest) = measure(path).map_err(|source| StoreError::file("read", path, source))?;
    Ok(SealedFile { number, path: layout.relative(path), length, digest })
}
