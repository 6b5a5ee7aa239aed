//! The stream on disk, until every consumer has it and as long as there is room.
//!
//! # Format
//!
//! ```text
//! process/EPOCH-FIRST-BEGUN-MARKER.log   segments of the process lane
//! file/EPOCH-FIRST-BEGUN-MARKER.log      segments of the file lane
//! consumers.json                         what consumers have acknowledged
//! ```
//!
//! EPOCH is the run of the sensor that wrote the segment (8 decimal digits), FIRST the
//! sequence of its first event (12), BEGUN the wall clock of its beginning in seconds
//! since 1970 (10) and MARKER a random number (16 hexadecimal digits). A segment is a
//! row of frames as `activity_segments` describes them; the payload of each is a
//! protobuf `Record` (`record.rs`): numbers, counts by type, and events as they go
//! over the wire. A run never writes into the segments of another, and sequences
//! follow one another from frame to frame, so whatever is missing is known by its
//! numbers. The last record of a run that ended in order says so.
//!
//! This is format 1. A later one has another ending than `.log`; files with one that is
//! not known are left alone, counted and told at the start (`tests/upgrade.rs`).
//!
//! # What is promised
//!
//! - The pipeline never waits for the disk: what it cannot take in time is told as a
//!   gap with its exact count (`intake.rs`). With `when_full = "block"` it waits.
//! - What is written survives a kill of the sensor at once, and a loss of power once
//!   it was made durable (`sync_ms`).
//! - The oldest segment goes when a lane has more than its share of room, or is too
//!   old. Of what a consumer had not acknowledged the counts stay (`consumers.rs`).
//! - Damage is skipped, and told as a gap with the sequences that are missing.
//! - The lanes share nothing: a flood of one takes nothing from the other.

mod consumers;
mod index;
mod intake;
mod lanes;
mod reader;
mod record;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "fuzz"))]
mod understand;
mod writer;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use activity_proto::{
    EncodedEvents,
    v1::{Gap, GapReason, Lane, SpoolLane, SpoolStatus},
};
use activity_segments::{Disk, Machine};
use tokio::sync::watch;

pub use consumers::NotAConsumer;
pub use lanes::{LANES, PerLane, Place};
pub use reader::{Chunk, Reader};
#[cfg(any(test, feature = "fuzz"))]
pub use understand::understand;

use crate::stream::{Encoded, Origin, encoded_gap};
use consumers::Consumers;
use index::Index;
use intake::{Batch, Intake};
use record::{Record, Segment};
use writer::Writer;

/// How much is kept, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Room for each lane, bytes.
    pub limits: PerLane<u64>,
    /// Nothing older is kept.
    pub max_age: Duration,
    /// How long something written may wait to be made durable; zero: it is before
    /// any consumer gets it.
    pub sync: Duration,
    /// What goes when there is no room.
    pub when_full: WhenFull,
}

/// What goes when there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenFull {
    /// What is oldest, with a gap for those who do not have it.
    #[default]
    Oldest,
    /// Nothing that a consumer has not acknowledged; what is newest waits, at last in
    /// the kernel, and is told as a gap there.
    Block,
}

impl Settings {
    fn limit(&self, lane: Lane) -> u64 {
        *self.limits.of(lane)
    }
}

/// The spool. One writes, any number read.
#[derive(Debug)]
pub struct Spool<D: Disk = Machine> {
    disk: D,
    directory: PathBuf,
    settings: Settings,
    epoch: u64,
    /// What all events of this run share, encoded.
    common: Vec<u8>,
    intake: Intake,
    state: Mutex<State>,
    counts: PerLane<Counts>,
    /// Changes when something was written.
    grown: watch::Sender<()>,
    connections: AtomicU64,
}

#[derive(Debug)]
struct State {
    index: PerLane<Index>,
    consumers: Consumers,
    /// Why the disk takes nothing.
    error: String,
}

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    removed: AtomicU64,
}

impl<D: Disk> Spool<D> {
    /// Opens what is in the directory, which is made where missing. Tells, beside,
    /// which runs before did not end in order.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(
        disk: D,
        directory: &Path,
        settings: Settings,
        origin: &Origin,
    ) -> io::Result<(Arc<Self>, Vec<Gap>)> {
        disk.create_directory(directory)?;
        let path = directory.join(CONSUMERS);
        let mut consumers = Consumers::read(&disk, &path).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "what consumers acknowledged is not known any more");
            Consumers::default()
        });
        let (mut index, mut gaps) = (PerLane::<Index>::default(), Vec::new());
        for lane in LANES {
            let directory = directory.join(name(lane));
            disk.create_directory(&directory)?;
            let before = Index::recover(&disk, &directory)?;
            before.tell_unknown(&directory);
            let end = consumers.run_ended(lane, before.index.last);
            if !before.ended {
                gaps.push(unclean_end(lane, end));
            }
            *index.of_mut(lane) = before.index;
        }
        disk.sync_directory(directory)?;
        let spool = Self {
            disk,
            directory: directory.to_owned(),
            intake: Intake::new(settings.when_full == WhenFull::Block),
            settings,
            epoch: origin.id.epoch,
            common: origin.common(),
            state: Mutex::new(State { index, consumers, error: String::new() }),
            counts: PerLane::default(),
            grown: watch::Sender::new(()),
            connections: AtomicU64::new(0),
        };
        // A disk that only lets itself be read keeps nobody from recording, nor from
        // reading; the writer tries again.
        spool.tell(spool.save().err());
        Ok((Arc::new(spool), gaps))
    }

    /// Starts the thread that writes; it ends after [`Spool::close`].
    ///
    /// # Errors
    /// When there is no thread.
    pub fn start(self: &Arc<Self>) -> io::Result<JoinHandle<()>> {
        let writer = Writer::new(Arc::clone(self));
        thread::Builder::new().name("spool".into()).spawn(move || writer.run())
    }

    /// Takes over events.
    pub fn offer(&self, encoded: &Encoded) {
        self.intake.offer(encoded);
    }

    /// No more events come.
    pub fn close(&self) {
        self.intake.close();
    }

    /// Hears when something was written.
    pub fn grown(&self) -> watch::Receiver<()> {
        self.grown.subscribe()
    }

    /// Before the oldest event of each lane.
    pub fn beginning(&self) -> PerLane<Place> {
        let state = self.locked();
        PerLane::with(|lane| state.index.of(lane).beginning())
    }

    /// Behind the last event of each lane.
    pub fn end(&self) -> PerLane<Place> {
        let state = self.locked();
        PerLane::with(|lane| state.index.of(lane).last)
    }

    /// Before what was recorded at a time, nanoseconds since 1970; a little earlier in
    /// doubt.
    ///
    /// # Errors
    /// When the disk does not let it be read.
    pub fn at(&self, time_ns: i64) -> io::Result<PerLane<Place>> {
        let mut places = self.beginning();
        for lane in LANES {
            let seconds = u64::try_from(time_ns / 1_000_000_000).unwrap_or_default();
            let Some(segment) = self.locked().index.of(lane).at(seconds) else { continue };
            let records = index::records(&self.disk, &self.directory(lane), segment)?;
            let place =
                |record: &Record| Place { epoch: segment.epoch, sequence: record.first.saturating_sub(1) };
            let before = records.iter().rev().find(|record| record.time_ns <= time_ns && !record.ended);
            *places.of_mut(lane) = before.or(records.first()).map_or(*places.of(lane), place);
        }
        Ok(places)
    }

    /// A consumer connects: gives its connection's number and what it acknowledged.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn come(&self, name: &str, peer: String) -> Result<(u64, PerLane<Place>), NotAConsumer> {
        let connection = self.connections.fetch_add(1, Relaxed) + 1;
        let beginning = self.beginning();
        let mut state = self.locked();
        let consumer = state.consumers.come(name, connection, now(), beginning)?;
        consumer.peer = peer;
        Ok((connection, consumer.acknowledged))
    }

    /// It has everything up to here.
    pub fn acknowledge(&self, name: &str, connection: u64, lane: Lane, place: Place) {
        self.locked().consumers.acknowledge(name, connection, now(), lane, place);
    }

    /// Counts what it is sent. Tells whether this is still its connection.
    pub fn sent(&self, name: &str, connection: u64, chunk: &Chunk) -> bool {
        let mut state = self.locked();
        let Some(consumer) = state.consumers.on(name, connection) else { return false };
        consumer.sent += chunk.count;
        consumer.missed += chunk.missed;
        true
    }

    /// It is gone.
    pub fn go(&self, name: &str, connection: u64) {
        self.locked().consumers.go(name, connection, now());
    }

    /// What it says of itself.
    pub fn status(&self) -> SpoolStatus {
        let state = self.locked();
        let lane = |lane: &Lane| {
            let (index, counts) = (state.index.of(*lane), self.counts.of(*lane));
            // In this order: what is written meanwhile was taken over before.
            let written = counts.written.load(Relaxed);
            let (accepted, missed) = self.intake.counts(*lane);
            SpoolLane {
                lane: (*lane).into(),
                bytes: index.bytes(),
                limit_bytes: self.settings.limit(*lane),
                first: Some(index.beginning().position(*lane)),
                last: Some(index.last.position(*lane)),
                written,
                missed,
                waiting: accepted.saturating_sub(written),
                removed: counts.removed.load(Relaxed),
            }
        };
        let lanes = LANES.iter().map(lane).collect();
        SpoolStatus { lanes, consumers: state.consumers.status(), error: state.error.clone() }
    }

    /// Writes down what changed of consumers.
    fn save(&self) -> io::Result<()> {
        let changed = self.locked().consumers.changed();
        let Some(bytes) = changed else { return Ok(()) };
        let written = activity_segments::replace(&self.disk, &self.directory.join(CONSUMERS), &bytes);
        if written.is_err() {
            self.locked().consumers.not_written();
        }
        written
    }

    /// A segment has grown by a batch.
    fn grew(&self, lane: Lane, length: u64, batch: &Batch) {
        let last = Place { epoch: self.epoch, sequence: batch.record.last };
        self.locked().index.of_mut(lane).grow(length, last);
        if batch.record.lost == 0 {
            self.counts.of(lane).written.fetch_add(batch.count(), Relaxed);
        }
        self.grown.send_replace(());
    }

    /// The oldest segment is gone.
    fn removed(&self, lane: Lane, records: &[Record]) {
        self.locked().index.of_mut(lane).drop_first();
        let kept = records.iter().filter(|record| record.lost == 0);
        let events = kept.flat_map(|record| &record.counts).map(|counted| counted.count).sum();
        self.counts.of(lane).removed.fetch_add(events, Relaxed);
    }

    /// Why the disk takes nothing; said once.
    fn tell(&self, failure: Option<io::Error>) {
        let error = failure.map(|failure| failure.to_string()).unwrap_or_default();
        let mut state = self.locked();
        if state.error == error {
            return;
        }
        if error.is_empty() {
            tracing::info!("the spool is written again");
        } else {
            let path = self.directory.display();
            tracing::error!(
                "the spool in {path} cannot be written: {error}; events wait, and are lost when they are too many"
            );
        }
        state.error = error;
    }

    fn encoded_gap(&self, mut gap: Gap) -> EncodedEvents {
        gap.epoch = gap.epoch.filter(|epoch| *epoch != self.epoch);
        encoded_gap(&self.common, gap)
    }

    fn directory(&self, lane: Lane) -> PathBuf {
        self.directory.join(name(lane))
    }

    fn path(&self, lane: Lane, segment: Segment) -> PathBuf {
        self.directory(lane).join(segment.to_string())
    }

    fn disk(&self) -> &D {
        &self.disk
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // Nothing is left half changed by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where consumers are written down.
const CONSUMERS: &str = "consumers.json";

/// The directory of a lane.
fn name(lane: Lane) -> &'static str {
    match lane {
        Lane::File => "file",
        Lane::Process | Lane::Unspecified => "process",
    }
}

fn unclean_end(lane: Lane, last: Place) -> Gap {
    Gap {
        lane: lane.into(),
        from_sequence: last.sequence + 1,
        to_sequence: last.sequence,
        reason: GapReason::UncleanEnd.into(),
        counts: Vec::new(),
        epoch: Some(last.epoch),
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
