//! The seal itself: are its entries signed, whole, in order and of one history?

use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
};

use activity_proto::json::escape_bytes;

use super::report::{Kind, Place, Report};
use crate::{
    seal::{
        Checkpoint, Digest, SealedFile,
        entry::{Entry, What, hash, is_signed},
        key::PublicKey,
        lines,
    },
    store::{Layout, StoreError},
};

/// A line of the seal.
struct Line {
    /// `None` where it is no entry.
    entry: Option<Entry>,
    hash: Digest,
}

/// The entries, by their numbers, with the hashes of their lines.
pub type Entries = BTreeMap<u64, (Entry, Digest)>;

/// Reads the seal. Without a key the one that it names itself has to do.
pub fn read(layout: &Layout, key: Option<PublicKey>, report: &mut Report) -> Result<Entries, StoreError> {
    let path = layout.seal();
    let (mut key, mut lines) = (key, Vec::new());
    let extent = lines::each(&path, |line| {
        let entry = Entry::read(line);
        if let Some(What::Begun { key: named, .. }) = entry.as_ref().map(|entry| &entry.what) {
            key.get_or_insert(PublicKey(*named));
        }
        note_line(line, lines.len() as u64, entry.as_ref(), key.as_ref(), report);
        lines.push(Line { entry, hash: hash(line) });
    });
    match extent {
        Ok(extent) => report.cut = extent.cut,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let what = "there is no seal.jsonl: it was removed, or nothing has been sealed here yet";
            report.problem(Kind::Truncated, Place::default(), what);
        }
        Err(source) => return Err(StoreError::file("read", &path, source)),
    }
    report.key = key.map(|key| key.0.to_string()).unwrap_or_default();
    order(&lines, report);
    let entries = lines.into_iter().filter_map(|line| line.entry.map(|entry| (entry, line.hash)));
    let mut by_number = Entries::new();
    for (entry, hash) in entries {
        // Of two with one number the first: that there are two has been told.
        by_number.entry(entry.entry).or_insert((entry, hash));
    }
    content(&by_number, key.as_ref(), report);
    report.entries = by_number.len() as u64;
    report.last = by_number.last_key_value().map(|(number, (_, hash))| Checkpoint::new(*number, *hash));
    Ok(by_number)
}

/// Where an entry is, and which file it is about, the first of several.
pub fn place(entry: &Entry) -> Place {
    match entry.what.files().first() {
        Some(file) => place_of(entry, file),
        None => Place { number: entry.what.segment(), ..Place::entry(entry.entry) },
    }
}

/// Where an entry is, for one of its files.
pub fn place_of(entry: &Entry, file: &SealedFile) -> Place {
    let path = escape_bytes(file.path.as_bytes()).into_owned();
    Place { entry: Some(entry.entry), number: Some(file.number), file: Some(path) }
}

fn note_line(line: &[u8], at: u64, entry: Option<&Entry>, key: Option<&PublicKey>, report: &mut Report) {
    match entry {
        None => {
            let what = format!("line {} of seal.jsonl is no entry", at + 1);
            report.problem(Kind::Malformed, Place::entry(at), what);
        }
        Some(entry) if !key.is_some_and(|key| is_signed(line, key)) => {
            let what = "the entry was changed, or was not signed with the store's key";
            report.problem(Kind::Signature, place(entry), what);
        }
        Some(_) => {}
    }
}

/// Whether each line follows the one before it.
fn order(lines: &[Line], report: &mut Report) {
    let numbers: BTreeSet<u64> = lines.iter().filter_map(|line| Some(line.entry.as_ref()?.entry)).collect();
    let (mut expected, mut previous) = (0, Digest::default());
    let mut seen: BTreeMap<u64, Digest> = BTreeMap::new();
    for line in lines {
        let Some(entry) = &line.entry else {
            expected += 1;
            previous = line.hash;
            continue;
        };
        let number = entry.entry;
        if let Some(other) = seen.insert(number, line.hash) {
            let (kind, what) = if other == line.hash {
                (Kind::Order, "the entry is there twice")
            } else {
                (Kind::Fork, "two entries have this number: there are two histories of the store")
            };
            report.problem(kind, place(entry), what);
        } else if number > expected {
            let absent = number - expected - numbers.range(expected..number).count() as u64;
            let (kind, what) = if absent > 0 {
                (Kind::Lost, format!("{absent} entries before it are not there, from entry {expected} on"))
            } else {
                (Kind::Order, format!("it stands where entry {expected} should"))
            };
            report.problem(kind, place(entry), what);
        } else if number < expected {
            report.problem(Kind::Order, place(entry), format!("it stands where entry {expected} should"));
        } else if entry.previous != previous {
            let what = "it does not follow the entry before it: that was changed or exchanged";
            report.problem(Kind::Chain, place(entry), what);
        }
        expected = number.saturating_add(1);
        previous = line.hash;
    }
}

/// Whether what the entries say fits together, whatever order the lines had.
fn content(entries: &Entries, key: Option<&PublicKey>, report: &mut Report) {
    let mut chains = BTreeMap::new();
    // The entry and the segment before.
    let mut before: Option<(u64, u64)> = None;
    for (entry, _) in entries.values() {
        if let What::Begun { key: named, before: rolled } = &entry.what {
            if key.is_some_and(|key| key.0 != *named) {
                let what = format!("the seal was begun with the key {named}, which is not the one given");
                report.problem(Kind::Key, place(entry), what);
            }
            before = Some((entry.entry, *rolled));
        }
        if let Some(segment) = entry.what.segment() {
            let skipped = before.filter(|(_, last)| last.checked_add(1) != Some(segment));
            if let Some((_, last)) = skipped.filter(|(number, _)| follows(entries, *number, entry.entry)) {
                let what = format!(
                    "segment {segment} was sealed after {last}: those between were removed before they were \
                     sealed, or the end of the seal was"
                );
                report.problem(Kind::Skipped, place(entry), what);
            }
            before = Some((entry.entry, segment));
        }
        if let Some(content) = entry.what.content() {
            report.rows = report.rows.saturating_add(content.rows);
            for sensor in content.sensors {
                if !sensor.follows(&mut chains, content.digest) {
                    let name = escape_bytes(sensor.sensor.as_bytes());
                    let what =
                        format!("the chain of the sensor {name} does not go on here from where it was");
                    report.problem(Kind::Sensor, place(entry), what);
                }
            }
        }
    }
    report.sensors = chains.len() as u64;
}

/// Whether all entries from one number to another are there.
fn follows(entries: &Entries, from: u64, to: u64) -> bool {
    entries.range(from..=to).count() as u64 == (to - from).saturating_add(1)
}

/// Whether what checkpoints vouch for is in the seal.
pub fn checkpoints(entries: &Entries, checkpoints: &[Checkpoint], report: &mut Report) {
    let last = entries.last_key_value().map(|(number, _)| *number);
    for checkpoint in checkpoints {
        let place = Place::entry(checkpoint.entry);
        match entries.get(&checkpoint.entry) {
            Some((_, hash)) if checkpoint.fits(*hash) => {}
            Some((_, hash)) => {
                let found = Checkpoint::new(checkpoint.entry, *hash);
                let what =
                    format!("the checkpoint is {checkpoint}, and the entry is {found}: another history");
                report.problem(Kind::Fork, place, what);
            }
            None => {
                let last = last.map_or("there is none".to_owned(), |last| format!("the last is {last}"));
                let what = format!("the entry of the checkpoint {checkpoint} is not there, {last}");
                report.problem(Kind::Rollback, place, what);
            }
        }
    }
}
