//! The files: are they what was sealed, all of them and nothing else?

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use activity_proto::json::escape_bytes;

use super::{
    Progress, archive,
    chain::{self, Entries},
    merges,
    report::{Kind, Place, Report},
};
use crate::{
    seal::{
        Digest, Reason, SealedFile,
        entry::{Entry, What, measure},
        lines,
    },
    store::{Layout, StoreError, archive::states},
};

/// What lies in the store. It is looked at before the seal is read: a file that is there
/// then has an entry, or its segment still.
pub struct Listed {
    files: Vec<PathBuf>,
    /// Segments of the log, with their lengths.
    segments: BTreeMap<u64, u64>,
}

impl Listed {
    /// Looks.
    pub fn take(layout: &Layout) -> Result<Self, StoreError> {
        let files = layout.parquet()?;
        let mut segments = BTreeMap::new();
        for segment in layout.segments()? {
            let path = layout.log().join(segment.to_string());
            match fs::metadata(&path) {
                Ok(metadata) => _ = segments.insert(segment.number, metadata.len()),
                // It was rolled just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(StoreError::file("look at", &path, source)),
            }
        }
        Ok(Self { files, segments })
    }
}

/// A file that was sealed.
pub struct Claim<'a> {
    entry: &'a Entry,
    pub file: &'a SealedFile,
    /// Retention removed it.
    pub is_removed: bool,
    /// The file that it became part of.
    pub became: Option<&'a str>,
}

impl Claim<'_> {
    pub fn place(&self) -> Place {
        chain::place_of(self.entry, self.file)
    }
}

/// Every file that was sealed.
pub type Claims<'a> = BTreeMap<&'a str, Claim<'a>>;

/// Which file has which content.
pub type Digests<'a> = BTreeMap<Digest, &'a str>;

/// What a file is found to be.
enum Found {
    As { length: u64, digest: Digest },
    NoFile,
    Absent,
}

/// Compares every file with its entry. `progress` is told how many of all are done.
pub fn check(
    layout: &Layout,
    listed: &Listed,
    entries: &Entries,
    report: &mut Report,
    progress: Progress,
) -> Result<(), StoreError> {
    let archived = states(layout)?;
    let claims = merges::settled(layout, &archived, claims(layout, entries, report));
    merges::check(entries, report);
    let mut absent = Vec::new();
    let digests: Digests =
        claims.values().map(|claim| (claim.file.digest, claim.file.path.as_str())).collect();
    for (done, claim) in claims.values().enumerate() {
        progress(done, claims.len());
        match look(&layout.root().join(&claim.file.path)) {
            Ok(Found::Absent) if claim.is_removed || claim.became.is_some() => {
                report.unfinished += u64::from(archived.contains_key(&claim.file.path));
            }
            Ok(Found::Absent) => absent.push(claim),
            Ok(Found::NoFile) => {
                report.problem(Kind::Changed, claim.place(), "it is no regular file");
            }
            Ok(Found::As { length, digest }) => {
                report.unfinished += u64::from(claim.is_removed || claim.became.is_some());
                let _ = compare(claim, length, digest, &digests, report);
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(StoreError::file("read", &layout.root().join(&claim.file.path), error));
            }
            Err(error) => {
                report.problem(Kind::Unreadable, claim.place(), format!("it cannot be read: {error}"));
            }
        }
    }
    let absent = archive::check(layout, absent, &claims, &digests, report, progress)?;
    progress(claims.len(), claims.len());
    missing(layout, &absent, report)?;
    added(layout, listed, &claims, report);
    Ok(())
}

fn claims<'a>(layout: &Layout, entries: &'a Entries, report: &mut Report) -> Claims<'a> {
    let mut claims = Claims::new();
    for (entry, _) in entries.values() {
        for file in entry.what.files() {
            if layout.stored(&file.path).is_none_or(|stored| stored.number != file.number) {
                let what = "the entry's path is not that of its file";
                report.problem(Kind::Malformed, chain::place_of(entry, file), what);
                continue;
            }
            claim(&mut claims, entry, file, report);
        }
        let What::Merged(merged) = &entry.what else { continue };
        for file in &merged.from {
            if let Some(claim) = claims.get_mut(file.path.as_str()) {
                claim.became = Some(&merged.part.file.path);
            }
        }
    }
    claims
}

fn claim<'a>(claims: &mut Claims<'a>, entry: &'a Entry, file: &'a SealedFile, report: &mut Report) {
    report.adopted += u64::from(matches!(entry.what, What::Adopted(_)));
    let What::Removed(removed) = &entry.what else {
        claims.insert(&file.path, Claim { entry, file, is_removed: false, became: None });
        return;
    };
    *report.removed.entry(removed.reason).or_default() += 1;
    let Some(claim) = claims.get_mut(file.path.as_str()) else {
        let what = "a file that was never sealed was there until retention removed it";
        report.problem(Kind::Added, chain::place_of(entry, file), what);
        claims.insert(&file.path, Claim { entry, file, is_removed: true, became: None });
        return;
    };
    if claim.file.digest != file.digest {
        let what = "it had been changed when retention removed it";
        report.problem(Kind::Changed, claim.place(), what);
    }
    claim.is_removed = true;
}

fn look(path: &Path) -> io::Result<Found> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Absent),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.is_file() => return Ok(Found::NoFile),
        Ok(_) => {}
    }
    match measure(path) {
        Ok((length, digest)) => Ok(Found::As { length, digest }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Absent),
        Err(error) => Err(error),
    }
}

/// Compares a file's content with what was sealed; whether it is the same.
pub fn compare(claim: &Claim, length: u64, digest: Digest, digests: &Digests, report: &mut Report) -> bool {
    if digest == claim.file.digest {
        report.files += 1;
        report.bytes += length;
        return true;
    }
    let sealed = claim.file.length;
    let (kind, what) = match digests.get(&digest) {
        Some(other) => (Kind::Swapped, format!("it has what was sealed as {other}")),
        None if length < sealed => {
            (Kind::Cut, format!("it has {length} of the {sealed} bytes that were sealed"))
        }
        None => (Kind::Changed, format!("its content is not what was sealed, {length} bytes of {sealed}")),
    };
    report.problem(kind, claim.place(), what);
    false
}

/// Of what is not there, all that retention has not removed since the seal was read.
fn missing(layout: &Layout, absent: &[&Claim], report: &mut Report) -> Result<(), StoreError> {
    if absent.is_empty() {
        return Ok(());
    }
    let (path, mut removed) = (layout.seal(), BTreeMap::<String, Reason>::new());
    let mut merged = BTreeSet::new();
    let read = lines::each(&path, |line| match Entry::read(line).map(|entry| entry.what) {
        Some(What::Removed(it)) => _ = removed.insert(it.file.path, it.reason),
        Some(What::Merged(it)) => merged.extend(it.from.into_iter().map(|file| file.path)),
        _ => {}
    });
    read.map_err(|source| StoreError::file("read", &path, source))?;
    for claim in absent {
        match removed.get(&claim.file.path) {
            Some(reason) => *report.removed.entry(*reason).or_default() += 1,
            None if merged.contains(&claim.file.path) => report.merged += 1,
            None => report.problem(Kind::Missing, claim.place(), "the file is not there"),
        }
    }
    Ok(())
}

fn added(layout: &Layout, listed: &Listed, claims: &Claims, report: &mut Report) {
    let active = listed.segments.last_key_value().map(|(number, _)| *number);
    for path in &listed.files {
        let relative = layout.relative(path);
        let number = layout.stored(&relative).map(|file| file.number);
        // Complete, and waits for its entry: its segment is there, and not written any more.
        let is_rolled = number.is_some_and(|n| listed.segments.contains_key(&n) && active != Some(n));
        if claims.contains_key(relative.as_str()) || is_rolled {
            continue;
        }
        let name = path.strip_prefix(layout.root()).unwrap_or(path).as_os_str().as_bytes();
        let place = Place { number, file: Some(escape_bytes(name).into_owned()), entry: None };
        report.problem(Kind::Added, place, "the file was never sealed");
    }
}

/// Whether the log goes on where the seal ends.
pub fn log(listed: &Listed, entries: &Entries, report: &mut Report) {
    let last = entries.values().filter_map(|(entry, _)| last_segment(entry)).max().unwrap_or_default();
    let waiting = listed.segments.range(last.saturating_add(1)..);
    report.waiting = waiting.clone().count() as u64;
    report.waiting_bytes = waiting.map(|(_, length)| length).sum();
    let place = |number| Place { number: Some(number), ..Place::default() };
    match listed.segments.first_key_value() {
        None if last > 0 => {
            report.problem(Kind::Missing, place(last.saturating_add(1)), "there is no segment in the log");
        }
        Some((first, _)) if *first > last.saturating_add(1) => {
            let what =
                format!("the log begins here, and the seal ends with segment {last}: its end is not there");
            report.problem(Kind::Truncated, place(*first), what);
        }
        _ => {}
    }
    let numbers: BTreeSet<u64> = listed.segments.range(last..).map(|(number, _)| *number).collect();
    for (before, number) in numbers.iter().zip(numbers.iter().skip(1)) {
        let next = before.saturating_add(1);
        if next != *number {
            report.problem(Kind::Missing, place(next), "the segment is not in the log, and was not sealed");
        }
    }
}

fn last_segment(entry: &Entry) -> Option<u64> {
    match &entry.what {
        What::Begun { before, .. } => Some(*before),
        what => what.segment(),
    }
}
