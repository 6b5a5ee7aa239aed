//! Rolling: a full segment of the log becomes Parquet files, one in each partition that it
//! has events for.
//!
//! Each file is written under a temporary name, made durable and renamed; when all are, and
//! their directories are durable, they are sealed together, and only then the segment goes.
//! While it is there whoever reads takes the segment and not its files, so a kill at any
//! moment loses nothing and doubles nothing: what was not sealed is made again in the same
//! places.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{
    StoreError,
    layout::Layout,
    log::Segment,
    parquet::{self, Effort, Written},
    partition::{self, Place},
    schema::Row,
    stored::StoredFile,
};
use crate::seal::{Part, Ranges, Rolled, Seal, SealedFile};

/// A point of a roll, in their order; each leaves the store readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A part of the events is in the temporary file.
    Part,
    /// All events are in the temporary file.
    Written,
    /// The temporary file is durable.
    Synced,
    /// The file has its name. For each file of a segment it begins anew.
    Renamed,
    /// The names of all are durable.
    Named,
    /// What is in the files is sealed, durably.
    Sealed,
    /// The segment is gone.
    Removed,
}

/// Turns a segment into Parquet files. `gate` is asked at every step and ends
/// the roll there with its error, leaving things as a kill would.
pub fn roll(
    layout: &Layout,
    segment: Segment,
    seal: &mut Seal,
    gate: &mut dyn FnMut(Step) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let path = layout.log().join(segment.to_string());
    let bytes = fs::read(&path).map_err(|source| StoreError::file("read", &path, source))?;
    let scan = segment.scan(bytes.into());
    let damaged = scan.damaged;
    if damaged > 0 {
        tracing::warn!("{} has {damaged} damaged places; what was there is lost", path.display());
    }
    let events: Vec<Bytes> = scan.records.into_iter().flat_map(|record| record.events).collect();
    let (mut ranges, mut parts) = (Ranges::default(), Vec::new());
    for (place, events) in partition::split(events, segment.day) {
        parts.push(make_file(layout, segment.number, place, events, &mut ranges, gate)?);
    }
    settle(layout, segment.number, &parts)?;
    gate(Step::Named)?;
    // One that is sealed already had lost a file.
    if segment.number > seal.last() {
        if parts.is_empty() {
            seal.empty(segment.number, damaged)?;
        } else {
            seal.rolled(Rolled { number: segment.number, parts, ranges }, damaged)?;
        }
        gate(Step::Sealed)?;
    }
    fs::remove_file(&path).map_err(|source| StoreError::file("remove", &path, source))?;
    gate(Step::Removed)?;
    sync_directory(&layout.log())
}

/// Where a file is written until it is complete.
pub fn temporary(layout: &Layout, place: Place, number: u64) -> Result<(File, PathBuf), StoreError> {
    let directory = layout.partition(place);
    fs::create_dir_all(&directory)
        .map_err(|source| StoreError::file("create the directory", &directory, source))?;
    let path = directory.join(format!(".{number:012}.tmp"));
    let file = File::options().write(true).create(true).truncate(true).mode(0o640).open(&path);
    file.map(|file| (file, path.clone())).map_err(|source| StoreError::file("create", &path, source))
}

fn make_file(
    layout: &Layout,
    number: u64,
    place: Place,
    events: Vec<Bytes>,
    ranges: &mut Ranges,
    gate: &mut dyn FnMut(Step) -> Result<(), StoreError>,
) -> Result<Part, StoreError> {
    let (file, temporary) = temporary(layout, place, number)?;
    let (look, gate_part) = (&mut |row: &Row| ranges.note(&row.event), &mut || gate(Step::Part));
    let written = parquet::write(&file, &temporary, events, Effort::Little, look, gate_part)?;
    gate(Step::Written)?;
    file.sync_all().map_err(|source| StoreError::file("make durable", &temporary, source))?;
    gate(Step::Synced)?;
    let name = StoredFile::name((number, number), written.times.unwrap_or_default());
    let path = layout.partition(place).join(name);
    fs::rename(&temporary, &path).map_err(|source| StoreError::file("rename", &temporary, source))?;
    gate(Step::Renamed)?;
    Ok(part(layout, number, &path, written))
}

/// What is sealed of a file.
pub fn part(layout: &Layout, number: u64, path: &Path, written: Written) -> Part {
    let Written { rows, sum, length, digest, .. } = written;
    let file = SealedFile { number, path: layout.relative(path), length, digest };
    Part { file, rows, sum: sum.into() }
}

/// Makes the names of a segment's files durable, and removes what an older build may have
/// made of it before it was stopped.
fn settle(layout: &Layout, number: u64, parts: &[Part]) -> Result<(), StoreError> {
    let made: BTreeSet<PathBuf> = parts.iter().map(|part| layout.root().join(&part.file.path)).collect();
    for file in layout.files()?.into_iter().filter(|file| file.class.is_none() && file.number == number) {
        fs::remove_file(&file.path).map_err(|source| StoreError::file("remove", &file.path, source))?;
    }
    // From the files' own directories up to that of all events.
    let within = |path: &&Path| path.starts_with(layout.events());
    let directories: BTreeSet<&Path> =
        made.iter().flat_map(|path| path.ancestors().skip(1).take_while(within)).collect();
    directories.into_iter().try_for_each(sync_directory)
}

/// Makes durable which files a directory has.
pub fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| StoreError::file("make durable", directory, source))
}
