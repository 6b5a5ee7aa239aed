//! Rolling: a full segment of the log becomes a Parquet file.
//!
//! The file is written under a temporary name, made durable, renamed and its
//! directory made durable; only then the segment goes. Both hold the same
//! events and have the same number, and whoever sees both reads the file, so a
//! kill at any moment loses nothing and doubles nothing.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, SyncSender},
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use datafusion::parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
    schema::types::ColumnPath,
};

use super::{
    StoreError,
    layout::{Layout, StoredFile},
    log::Segment,
    schema::{self, Row},
};

/// Events decoded at a time: what bounds the memory of rolling.
const BATCH_ROWS: usize = 4096;
/// Rows that are compressed, and can be left out of a query, together.
const GROUP_ROWS: usize = 64 * 1024;
/// How long to wait before trying again what failed.
const RETRY: Duration = Duration::from_secs(10);

/// A point of a roll, in their order; each leaves the store readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A part of the events is in the temporary file.
    Part,
    /// All events are in the temporary file.
    Written,
    /// The temporary file is durable.
    Synced,
    /// The file has its name.
    Renamed,
    /// The name is durable.
    Named,
    /// The segment is gone.
    Removed,
}

/// Turns a segment into a Parquet file. `gate` is asked at every step and ends
/// the roll there with its error, leaving things as a kill would.
pub fn roll(
    layout: &Layout,
    segment: Segment,
    gate: &mut dyn FnMut(Step) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let path = layout.log().join(segment.to_string());
    let bytes = fs::read(&path).map_err(|source| StoreError::file("read", &path, source))?;
    let scan = segment.scan(bytes.into());
    if scan.damaged > 0 {
        tracing::warn!("{} has {} damaged places; what was there is lost", path.display(), scan.damaged);
    }
    let events: Vec<Bytes> = scan.records.into_iter().flat_map(|record| record.events).collect();
    if !events.is_empty() {
        make_file(layout, segment, events, gate)?;
    }
    fs::remove_file(&path).map_err(|source| StoreError::file("remove", &path, source))?;
    gate(Step::Removed)?;
    sync_directory(&layout.log())
}

fn make_file(
    layout: &Layout,
    segment: Segment,
    events: Vec<Bytes>,
    gate: &mut dyn FnMut(Step) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let directory = layout.day(segment.day);
    fs::create_dir_all(&directory)
        .map_err(|source| StoreError::file("create the directory", &directory, source))?;
    let temporary = directory.join(format!(".{:012}.tmp", segment.number));
    let file = File::options().write(true).create(true).truncate(true).mode(0o640).open(&temporary);
    let file = file.map_err(|source| StoreError::file("create", &temporary, source))?;
    let (from, to) = write_parquet(&file, &temporary, events, gate)?;
    gate(Step::Written)?;
    file.sync_all().map_err(|source| StoreError::file("make durable", &temporary, source))?;
    gate(Step::Synced)?;
    let path = directory.join(StoredFile::name(segment.number, from, to));
    fs::rename(&temporary, &path).map_err(|source| StoreError::file("rename", &temporary, source))?;
    gate(Step::Renamed)?;
    sync_directory(&directory)?;
    sync_directory(&layout.events())?;
    gate(Step::Named)
}

/// Writes the events and gives the earliest and the latest time among them.
fn write_parquet(
    file: &File,
    path: &Path,
    events: Vec<Bytes>,
    gate: &mut dyn FnMut(Step) -> Result<(), StoreError>,
) -> Result<(i64, i64), StoreError> {
    let failed = |source: ParquetError| StoreError::file("write", path, io::Error::other(source));
    let properties = properties().map_err(failed)?;
    let mut writer = ArrowWriter::try_new(file, schema::schema(), Some(properties)).map_err(failed)?;
    let mut times: Option<(i64, i64)> = None;
    let mut events = events.into_iter();
    loop {
        let rows: Vec<Row> = events.by_ref().take(BATCH_ROWS).map(Row::new).collect();
        if rows.is_empty() {
            break;
        }
        for time in rows.iter().filter_map(Row::time) {
            let (from, to) = times.unwrap_or((time, time));
            times = Some((from.min(time), to.max(time)));
        }
        let batch = schema::batch(&rows, None).map_err(|error| failed(error.into()))?;
        writer.write(&batch).map_err(failed)?;
        gate(Step::Part)?;
    }
    writer.close().map_err(failed)?;
    Ok(times.unwrap_or_default())
}

fn properties() -> Result<WriterProperties, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS));
    // Nearly every value is another, and most are a little above the one before.
    for rising in ["time", "sequence", "boottime_ns"] {
        properties = properties
            .set_column_dictionary_enabled(rising.into(), false)
            .set_column_encoding(rising.into(), Encoding::DELTA_BINARY_PACKED);
    }
    let raw = ColumnPath::from("event");
    properties = properties.set_column_dictionary_enabled(raw, false);
    Ok(properties.build())
}

/// Makes durable which files a directory has.
pub fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| StoreError::file("make durable", directory, source))
}

/// The thread that rolls every segment older than the one being written.
pub struct Roller {
    wake: SyncSender<()>,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    /// The number of the segment that is being written.
    active: AtomicU64,
    stop: AtomicBool,
}

impl Roller {
    /// Starts the thread.
    pub fn start(layout: Layout, active: u64) -> io::Result<Self> {
        // One wake-up that waits is enough: each looks at all there is.
        let (wake, woken) = mpsc::sync_channel(1);
        let shared = Arc::new(Shared { active: active.into(), stop: false.into() });
        let thread = std::thread::Builder::new().name("roll".into()).spawn({
            let shared = shared.clone();
            move || {
                let mut failing = false;
                while !shared.stop.load(Ordering::Acquire) {
                    let failed = roll_all(&layout, &shared).err();
                    if let Some(error) = &failed
                        && !failing
                        && !matches!(error, StoreError::Stopped)
                    {
                        tracing::error!("{error}; events stay in the log and it is tried again");
                    }
                    failing = failed.is_some();
                    let wait = if failing { RETRY } else { Duration::MAX };
                    if woken.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                        break;
                    }
                }
            }
        })?;
        Ok(Self { wake, shared, thread })
    }

    /// Tells which segment is being written now: those before it are complete.
    pub fn advance(&self, active: u64) {
        self.shared.active.store(active, Ordering::Release);
        let _ = self.wake.try_send(());
    }

    /// Ends the thread, giving up a roll that is under way; the next start does it again.
    pub fn stop(self) {
        self.shared.stop.store(true, Ordering::Release);
        drop(self.wake);
        let _ = self.thread.join();
    }
}

fn roll_all(layout: &Layout, shared: &Shared) -> Result<(), StoreError> {
    let rolled: Vec<u64> = layout.files()?.iter().map(|file| file.number).collect();
    let active = shared.active.load(Ordering::Acquire);
    for segment in layout.segments()?.into_iter().filter(|segment| segment.number < active) {
        if rolled.contains(&segment.number) {
            // A kill came between the file and the removal of its segment.
            let path = layout.log().join(segment.to_string());
            fs::remove_file(&path).map_err(|source| StoreError::file("remove", &path, source))?;
            continue;
        }
        roll(layout, segment, &mut |_| {
            if shared.stop.load(Ordering::Acquire) { Err(StoreError::Stopped) } else { Ok(()) }
        })?;
    }
    Ok(())
}
