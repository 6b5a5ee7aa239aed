//! Compaction: files of one partition that follow one another become one, in a better
//! order and better compressed.
//!
//! The new file is written under a temporary name and made durable. Its events are those of
//! the old files or it is given up: the sums over both say so. Then it is sealed, and only
//! then it gets its name, from which moment the old files count no more; whoever reads sees
//! the old ones or the new one, never both. They are removed when nobody reads who might have
//! begun before. A kill at any moment leaves the old files, with an entry in the seal that
//! came to nothing, or both, and the old ones go at the next start.

use std::{
    collections::BTreeMap,
    fs::{self, File, FileTimes, TryLockError},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::{Timestamp, tz::TimeZone};

use super::{
    StoreError,
    archive::States,
    layout::Layout,
    parquet::{self, Effort},
    partition,
    retain::remove,
    roll::{part, sync_directory, temporary},
    stored::StoredFile,
    sum::Sum,
};
use crate::seal::{Merged, Seal, SealedFile, sealed_file};

/// So many rows are enough for one file: what bounds the memory of compaction.
const ENOUGH_ROWS: u64 = 110_000;
/// And so many bytes, as they are in files without compression, and as events.
const ENOUGH_BYTES: u64 = 96 << 20;
const MOST_BYTES: usize = 160 << 20;
/// So many small files of a day that goes on become one.
const SMALL_FILES: usize = 8;
/// After how long without a change the files of a day that is over count as whole while
/// others come in.
pub const SETTLED: Duration = Duration::from_secs(3600);
/// How long readers can keep what is superseded.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A point of a compaction, in their order; each leaves the store readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A part of the events is read, or in the temporary file.
    Part,
    /// The temporary file is durable.
    Synced,
    /// What it has is sealed, durably.
    Sealed,
    /// The file has its name, durably.
    Named,
    /// A file that it supersedes is gone.
    Removed,
}

/// The one who compacts.
#[derive(Default)]
pub struct Compactor {
    /// Files that are superseded and still there.
    superseded: Vec<PathBuf>,
    /// Since when.
    since: Option<Instant>,
    /// Rows and bytes of files.
    sizes: BTreeMap<PathBuf, (u64, u64)>,
}

/// How much is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeal {
    /// Where many small files are, or where files of a day that is over have settled.
    Busy,
    /// Also where two files of a day that is over could be one.
    Idle,
}

impl Compactor {
    /// One that goes on where a kill ended another.
    pub fn new(superseded: Vec<PathBuf>) -> Self {
        Self { superseded, ..Self::default() }
    }

    /// Compacts what is due; whether that was anything. `gate` is asked at every step and ends
    /// it there with its error, leaving things as a kill would.
    pub fn compact(
        &mut self,
        layout: &Layout,
        seal: &mut Seal,
        zeal: Zeal,
        archive: &States,
        gate: &mut dyn FnMut(Step) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        self.remove_superseded(layout, gate)?;
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let mut partitions: BTreeMap<PathBuf, Vec<StoredFile>> = BTreeMap::new();
        for file in layout.files()?.into_iter().filter(|file| file.class.is_some()) {
            // What is in the archive, or on its way, stays as it is.
            if archive.is_empty() || !archive.contains_key(&layout.relative(&file.path)) {
                partitions.entry(file.directory().to_owned()).or_default().push(file);
            }
        }
        let mut any = false;
        for files in partitions.into_values() {
            let is_over = files.iter().all(|file| file.day().is_some_and(|day| day < today));
            let is_whole = || zeal == Zeal::Idle || files.iter().all(|file| file.is_older(SETTLED));
            let fewest = if is_over && is_whole() { 2 } else { SMALL_FILES };
            if files.len() < fewest {
                continue;
            }
            for run in self.runs(layout, &files, archive, fewest)? {
                any |= self.merge(layout, seal, &run, gate)?;
                self.remove_superseded(layout, gate)?;
            }
        }
        self.sizes.retain(|path, _| path.exists());
        Ok(any)
    }

    /// Whether files of a partition will stay as they are when its day is over.
    pub fn is_settled(
        &mut self,
        layout: &Layout,
        files: &[StoredFile],
        archive: &States,
    ) -> Result<bool, StoreError> {
        Ok(files.len() < 2 || self.runs(layout, files, archive, 2)?.is_empty())
    }

    /// Has a file removed when nobody reads who might have begun before.
    pub fn supersede(&mut self, path: PathBuf) {
        self.superseded.push(path);
    }

    /// Files of a directory that are superseded and still there.
    pub fn supersedes_in(&self, directory: &Path) -> impl Iterator<Item = &Path> {
        self.superseded.iter().map(PathBuf::as_path).filter(move |path| path.parent() == Some(directory))
    }

    /// Files of a partition that follow one another and together are not too large.
    fn runs(
        &mut self,
        layout: &Layout,
        files: &[StoredFile],
        archive: &States,
        fewest: usize,
    ) -> Result<Vec<Vec<StoredFile>>, StoreError> {
        let archived =
            files.first().map(|file| numbers(layout, file.directory(), archive)).unwrap_or_default();
        let (mut runs, mut run, mut total) = (Vec::new(), Vec::<StoredFile>::new(), (0, 0));
        for file in files {
            let size = self.size(&file.path)?;
            // A file that reached over one in the archive would take its place.
            let between = run.last().map_or(file.first..file.first, |last| last.number..file.first);
            let is_apart = archived.iter().any(|number| between.contains(number));
            if is_apart || total.0 + size.0 > ENOUGH_ROWS || total.1 + size.1 > ENOUGH_BYTES {
                runs.push(std::mem::take(&mut run));
                total = (0, 0);
            }
            total = (total.0 + size.0, total.1 + size.1);
            run.push(file.clone());
        }
        runs.push(run);
        runs.retain(|run| run.len() >= fewest);
        Ok(runs)
    }

    fn size(&mut self, path: &Path) -> Result<(u64, u64), StoreError> {
        if let Some(size) = self.sizes.get(path) {
            return Ok(*size);
        }
        let size = parquet::size(path)?;
        self.sizes.insert(path.to_owned(), size);
        Ok(size)
    }

    fn merge(
        &mut self,
        layout: &Layout,
        seal: &mut Seal,
        run: &[StoredFile],
        gate: &mut dyn FnMut(Step) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(false) };
        let Some(place) = first.day().zip(first.class) else { return Ok(false) };
        let read = match read(layout, seal, run, gate)? {
            Found::All(read) => read,
            Found::Changed(file) => {
                tracing::error!(
                    "{} is not as it was sealed and stays as it is: `activity-collector verify` tells more",
                    file.display()
                );
                self.sizes.insert(file, (ENOUGH_ROWS, ENOUGH_BYTES));
                return Ok(false);
            }
            Found::TooMuch => {
                run.iter()
                    .for_each(|file| _ = self.sizes.insert(file.path.clone(), (ENOUGH_ROWS, ENOUGH_BYTES)));
                return Ok(false);
            }
        };
        let (file, temporary) = temporary(layout, place, last.number)?;
        // A tenant's name may have been another when they were written.
        let directory = first.path.parent().unwrap_or(&temporary);
        let events = partition::sort(read.events);
        let written =
            parquet::write(&file, &temporary, events, Effort::Much, &mut |_| {}, &mut || gate(Step::Part))?;
        if (written.sum, written.rows) != (read.sum, read.rows) {
            return Err(StoreError::Compaction(first.path.clone()));
        }
        let newest = run.iter().filter_map(|file| fs::metadata(&file.path).ok()?.modified().ok()).max();
        let times = newest.map(|newest| FileTimes::new().set_modified(newest)).unwrap_or_default();
        let synced = file.set_times(times).and_then(|()| file.sync_all());
        synced.map_err(|source| StoreError::file("make durable", &temporary, source))?;
        gate(Step::Synced)?;
        let name = StoredFile::name((first.first, last.number), written.times.unwrap_or_default());
        let path = directory.join(name);
        seal.merged(Merged { part: part(layout, last.number, &path, written), from: read.files })?;
        gate(Step::Sealed)?;
        fs::rename(&temporary, &path).map_err(|source| StoreError::file("rename", &temporary, source))?;
        sync_directory(directory)?;
        gate(Step::Named)?;
        self.superseded.extend(run.iter().map(|file| file.path.clone()));
        Ok(true)
    }

    /// Removes what is superseded, unless somebody reads.
    fn remove_superseded(
        &mut self,
        layout: &Layout,
        gate: &mut dyn FnMut(Step) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if self.superseded.is_empty() {
            return Ok(());
        }
        let path = layout.readers();
        let lock = File::open(&path).map_err(|source| StoreError::file("open", &path, source))?;
        let since = *self.since.get_or_insert_with(Instant::now);
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(StoreError::file("lock", &path, source)),
        }
        while let Some(path) = self.superseded.last() {
            remove(path)?;
            self.superseded.pop();
            gate(Step::Removed)?;
        }
        self.since = None;
        Ok(())
    }
}

/// The numbers of a partition's files that are in the archive, or on their way.
fn numbers(layout: &Layout, partition: &Path, archive: &States) -> Vec<u64> {
    let within = format!("{}/", layout.relative(partition));
    let of_partition = archive.range(within.clone()..).take_while(|(path, _)| path.starts_with(&within));
    of_partition.filter_map(|(path, _)| Some(layout.stored(path)?.number)).collect()
}

/// What files have together.
struct Read {
    files: Vec<SealedFile>,
    events: Vec<Bytes>,
    rows: u64,
    sum: Sum,
}

/// What comes of reading files.
enum Found {
    All(Read),
    /// This one is not what was sealed.
    Changed(PathBuf),
    /// It would take too much memory.
    TooMuch,
}

/// Reads files whole.
fn read(
    layout: &Layout,
    seal: &Seal,
    run: &[StoredFile],
    gate: &mut dyn FnMut(Step) -> Result<(), StoreError>,
) -> Result<Found, StoreError> {
    let mut read = Read { files: Vec::new(), events: Vec::new(), rows: 0, sum: Sum::default() };
    let mut bytes = 0;
    for file in run {
        let as_it_is = sealed_file(layout, file.number, &file.path)?;
        if !seal.has(&as_it_is) {
            return Ok(Found::Changed(file.path.clone()));
        }
        read.files.push(as_it_is);
        parquet::read(&file.path, &mut |events| {
            gate(Step::Part)?;
            bytes += events.iter().map(Bytes::len).sum::<usize>();
            read.rows += events.len() as u64;
            events.iter().for_each(|event| read.sum.add(event));
            if bytes <= MOST_BYTES {
                read.events.extend(events);
            }
            Ok(())
        })?;
        if bytes > MOST_BYTES {
            return Ok(Found::TooMuch);
        }
    }
    Ok(Found::All(read))
}
