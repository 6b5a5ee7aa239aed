//! The store: a log that is durable at once, rolled into Parquet files, which are compacted.

pub mod archive;
mod class;
pub mod compact;
mod feed;
mod head;
mod layout;
mod log;
mod parquet;
mod partition;
mod reader;
mod retain;
pub mod roll;
mod roller;
mod schema;
mod stored;
mod sum;
mod table;

#[cfg(test)]
pub mod tests;

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

pub use archive::{ArchiveConfig, object_store_reason};
pub use class::Class;
pub use feed::{Feed, Position, Span};
pub use layout::Layout;
pub use log::{Cursor, Record};
pub use reader::Snapshot;
pub use retain::Retention;
pub use roll::sync_directory;
#[cfg(test)]
pub use schema::events as stored_events;
pub use stored::{Archived, StoredFile};
pub use sum::Sum;
pub use table::EventsTable;

use crate::seal::Seal;
use archive::Mover;
use log::{Segment, SegmentWriter};
use roller::Roller;

/// How long an event may wait to be made durable.
const SYNC_DELAY: Duration = Duration::from_millis(200);

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Somebody else writes to it.
    #[error(
        "the store {} is in use by another `activity-collector run`: stop that one, or name another directory with --store",
        .0.display()
    )]
    Locked(PathBuf),
    /// Nothing has been stored there.
    #[error("there is no store in {}: start `activity-collector run` first, or name another with --store", .0.display())]
    Missing(PathBuf),
    /// Not a kind of store there is.
    #[error(
        "`{0}` is not a store: give a directory, as in /var/lib/activity-collector or file:///var/lib/activity-collector"
    )]
    Url(String),
    /// What should be the key that signs is none.
    #[error(
        "{} is no Ed25519 key in PKCS#8: put the key back, or remove it, and a new one is made, with which what \
         was sealed before cannot be verified",
        .0.display()
    )]
    Key(PathBuf),
    /// What was compacted is not what there was.
    #[error(
        "the file {} and those behind it would not have the same events as one file: they stay as they are; run \
         `activity-collector verify`, and report this",
        .0.display()
    )]
    Compaction(PathBuf),
    /// What is in the archive cannot be reached, or what is said of it cannot be.
    #[error(transparent)]
    Archive(#[from] archive::ArchiveError),
    /// The collector ends.
    #[error("the collector ends")]
    Stopped,
}

impl StoreError {
    /// The operating system refused to do something with a file.
    pub fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), source }
    }

    /// The kind of an operating system's error.
    pub fn kind(&self) -> Option<io::ErrorKind> {
        if let Self::File { source, .. } = self { Some(source.kind()) } else { None }
    }
}

impl Layout {
    /// Why there is nothing to read.
    pub fn why_missing(&self) -> StoreError {
        match fs::metadata(self.events()) {
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                StoreError::file("read", &self.events(), source)
            }
            _ => StoreError::Missing(self.root().to_owned()),
        }
    }
}

/// When a segment is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollSettings {
    /// At this size.
    pub bytes: u64,
    /// So long after its first event.
    pub age: Duration,
}

/// The one who writes to a store.
pub struct Store {
    layout: Layout,
    settings: RollSettings,
    writer: SegmentWriter,
    /// When the first event came into the segment.
    first_event: Option<Instant>,
    /// When the first event came that is not durable yet.
    first_unsynced: Option<Instant>,
    /// Appends so far, and how many of them are durable.
    appended: u64,
    durable: u64,
    roller: Roller,
    _lock: File,
}

impl Store {
    /// Opens or creates a store and gives `replay` every record that is in the
    /// log, oldest first. `cursors` is asked afterwards for what to note.
    pub fn open(
        layout: Layout,
        settings: RollSettings,
        retention: Retention,
        archive: Option<ArchiveConfig>,
        replay: &mut dyn Replay,
    ) -> Result<Self, StoreError> {
        layout.create()?;
        let lock = lock(&layout)?;
        layout.remove_unfinished()?;
        let mover = Mover::open(&layout, archive)?;
        let seal = Seal::open(&layout)?;
        let segments = layout.segments()?;
        for segment in &segments {
            replay_segment(&layout, *segment, replay)?;
        }
        let in_log = segments.last().map_or(0, |segment| segment.number);
        let in_files = layout.files()?.last().map_or(0, |file| file.number);
        let number = in_log.max(in_files).max(seal.last()).saturating_add(1);
        let writer = begin_segment(&layout, number, replay.cursors())?;
        let roller = Roller::start(layout.clone(), seal, retention, mover, number)
            .map_err(|source| StoreError::file("start the thread that rolls", layout.root(), source))?;
        Ok(Self {
            layout,
            settings,
            writer,
            first_event: None,
            first_unsynced: None,
            appended: 0,
            durable: 0,
            roller,
            _lock: lock,
        })
    }

    /// Appends events, encoded, in their order. On failure none is stored.
    pub fn append(&mut self, events: &[Bytes]) -> Result<(), StoreError> {
        // Cloning shares the bytes.
        let record = Record { events: events.to_vec(), cursors: Vec::new() };
        let result = self.writer.append(&record);
        result.map_err(|source| StoreError::file("write to the log in", &self.layout.log(), source))?;
        let now = Instant::now();
        self.appended += 1;
        self.first_event.get_or_insert(now);
        self.first_unsynced.get_or_insert(now);
        Ok(())
    }

    /// When `maintain` has something to do next, if nothing is appended.
    pub fn next_deadline(&self) -> Option<Instant> {
        let sync = self.first_unsynced.map(|at| at + SYNC_DELAY);
        let roll = self.first_event.map(|at| at + self.settings.age);
        sync.into_iter().chain(roll).min()
    }

    /// Makes durable and begins a new segment where that is due. `cursors` says
    /// what has been received.
    pub fn maintain(&mut self, cursors: impl FnOnce() -> Vec<Cursor>) -> Result<(), StoreError> {
        let Some(first_event) = self.first_event else { return Ok(()) };
        let is_full = self.writer.len() >= self.settings.bytes
            || first_event.elapsed() >= self.settings.age
            || self.writer.segment().day != today();
        if is_full {
            self.sync()?;
            let number = self.writer.segment().number + 1;
            self.writer = begin_segment(&self.layout, number, cursors())?;
            self.first_event = None;
            self.roller.advance(number);
        } else if self.first_unsynced.is_some_and(|at| at.elapsed() >= SYNC_DELAY) {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes everything durable and ends.
    pub fn close(mut self) -> Result<(), StoreError> {
        let synced = self.sync();
        self.roller.stop();
        synced
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        // Also for want of room this ends the run: after a failure, a call that succeeds says
        // nothing of what was written before, and who waits for room would acknowledge it.
        let result = self.writer.sync().map_err(io::Error::other);
        result.map_err(|source| StoreError::file("make durable the log in", &self.layout.log(), source))?;
        self.first_unsynced = None;
        self.durable = self.appended;
        Ok(())
    }

    /// Appends since it was opened.
    pub fn appended(&self) -> u64 {
        self.appended
    }

    /// How many of these are durable.
    pub fn durable(&self) -> u64 {
        self.durable
    }
}

/// Learns from the log, when a store is opened, what has been received.
pub trait Replay {
    /// A record that was written.
    fn record(&mut self, record: Record);
    /// What has been received.
    fn cursors(&self) -> Vec<Cursor>;
}

fn lock(layout: &Layout) -> Result<File, StoreError> {
    let path = layout.lock();
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|source| StoreError::file("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(layout.root().to_owned())),
        Err(TryLockError::Error(source)) => Err(StoreError::file("lock", &path, source)),
    }
}

fn replay_segment(layout: &Layout, segment: Segment, replay: &mut dyn Replay) -> Result<(), StoreError> {
    let path = layout.log().join(segment.to_string());
    let bytes = fs::read(&path).map_err(|source| StoreError::file("read", &path, source))?;
    let scan = segment.scan(bytes.into());
    if scan.damaged > 0 || scan.torn > 0 {
        tracing::warn!(
            "{} has {} damaged places and {} bytes of a write that was cut; the rest is kept",
            path.display(),
            scan.damaged,
            scan.torn
        );
    }
    scan.records.into_iter().for_each(|record| replay.record(record));
    // What was killed may not have made it durable, and from here on it counts as such.
    let synced = File::open(&path).and_then(|file| file.sync_data());
    synced.map_err(|source| StoreError::file("make durable", &path, source))
}

/// A new segment that tells what has been received, durable before the one
/// before it may go.
fn begin_segment(layout: &Layout, number: u64, cursors: Vec<Cursor>) -> Result<SegmentWriter, StoreError> {
    let directory = layout.log();
    let failed = |source| StoreError::file("begin a segment in", &directory, source);
    let segment = Segment::new(number, today()).map_err(failed)?;
    let mut writer = SegmentWriter::create(&directory, segment).map_err(failed)?;
    let written = writer.append(&Record { events: Vec::new(), cursors }).and_then(|()| writer.sync());
    if let Err(error) = written {
        // No two segments may have one number.
        let _ = fs::remove_file(directory.join(segment.to_string()));
        return Err(failed(error));
    }
    roll::sync_directory(&directory)?;
    Ok(writer)
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}
