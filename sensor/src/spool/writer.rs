//! The thread that writes the spool, keeps it within its limits, and makes it
//! durable.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use activity_proto::v1::Lane;
use activity_segments::{Appender, Disk};

use super::{
    Spool, WhenFull,
    index::records,
    intake::Batch,
    lanes::{LANES, PerLane, Place},
    now,
    record::{Record, Segment},
};
use crate::clock::boottime_ns;

/// How long to wait before trying again what the disk refused.
const RETRY: Duration = Duration::from_millis(250);
/// How often consumers are written down, and age is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// So many segments make a full lane.
const SEGMENTS: u64 = 32;

/// Writes the spool.
#[derive(Debug)]
pub struct Writer<D: Disk> {
    spool: Arc<Spool<D>>,
    open: PerLane<Option<Open<D>>>,
    /// What the disk has not taken, and when to try again.
    pending: PerLane<Option<(Batch, Instant)>>,
    /// Something is not durable, since then.
    unsynced: Option<Instant>,
    /// Something could not be made durable, and nothing was written since.
    is_unsure: bool,
    looked: Instant,
    steady: Steady,
}

/// The wall clock as it would be had nobody set it since.
#[derive(Debug)]
pub struct Steady {
    begun: u64,
    boottime_ns: u64,
}

impl Steady {
    /// From now on.
    pub fn new() -> Self {
        Self { begun: now(), boottime_ns: boottime_ns() }
    }

    /// The earlier of this and the wall clock: nothing is too old because somebody set the
    /// clock, forwards, or back to where it belongs.
    pub fn at_most(&self, now: u64) -> u64 {
        let since = boottime_ns().saturating_sub(self.boottime_ns) / 1_000_000_000;
        now.min(self.begun.saturating_add(since))
    }
}

#[derive(Debug)]
struct Open<D: Disk> {
    appender: Appender<D::File>,
    segment: Segment,
    last: u64,
    /// Written since it was made durable.
    is_dirty: bool,
}

impl<D: Disk> Writer<D> {
    /// For a spool that nobody else writes.
    pub fn new(spool: Arc<Spool<D>>) -> Self {
        let (open, pending) = (PerLane::with(|_| None), PerLane::with(|_| None));
        let (looked, steady) = (Instant::now(), Steady::new());
        Self { spool, open, pending, unsynced: None, is_unsure: false, looked, steady }
    }

    /// Writes until the intake is closed and empty.
    pub fn run(mut self) {
        while self.step() {}
        self.end();
    }

    /// Writes what there is; waits for it a little. Tells whether more may come.
    pub fn step(&mut self) -> bool {
        let wanted = PerLane::with(|lane| self.pending.of(lane).is_none());
        let mut taken = self.spool.intake.take(wanted, self.patience());
        let mut failure = None;
        for lane in LANES {
            let due = self.pending.of_mut(lane).take_if(|(_, at)| taken.closed || *at <= Instant::now());
            let batch = due.map(|(batch, _)| batch).or_else(|| taken.lanes.of_mut(lane).take());
            if let Some(batch) = batch
                && let Err(error) = self.write(lane, &batch)
            {
                failure = Some(error);
                *self.pending.of_mut(lane) = Some((batch, Instant::now() + RETRY));
            }
        }
        let failure = failure.or(self.care().err());
        // Who ends does not wait for a disk that takes nothing.
        let more = !taken.closed || (failure.is_none() && self.is_stuck());
        if failure.is_some() || !(self.is_stuck() || self.is_unsure) {
            self.spool.tell(failure);
        }
        more
    }

    fn is_stuck(&self) -> bool {
        LANES.iter().any(|lane| self.pending.of(*lane).is_some())
    }

    fn patience(&self) -> Duration {
        let sync = self.unsynced.map(|since| self.spool.settings.sync.saturating_sub(since.elapsed()));
        let patience = if self.is_stuck() { RETRY } else { LOOK };
        sync.unwrap_or(patience).min(patience)
    }

    /// All but writing.
    fn care(&mut self) -> io::Result<()> {
        if self.unsynced.is_some_and(|since| since.elapsed() >= self.spool.settings.sync) {
            self.sync()?;
        }
        LANES.into_iter().try_for_each(|lane| self.keep_within_limits(lane))?;
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            LANES.into_iter().for_each(|lane| self.look_after(lane));
            let saved = self.spool.save();
            if !saved.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::StorageFull) {
                return saved;
            }
            self.make_room(Lane::Process)?;
            self.spool.save()?;
        }
        Ok(())
    }

    /// Writes a batch, whatever has to go for it.
    pub fn write(&mut self, lane: Lane, batch: &Batch) -> io::Result<()> {
        loop {
            let written = self.try_to_write(lane, batch);
            let is_full = written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::StorageFull);
            if !is_full || self.spool.settings.when_full == WhenFull::Block || !self.make_room(lane)? {
                return written;
            }
        }
    }

    fn try_to_write(&mut self, lane: Lane, batch: &Batch) -> io::Result<()> {
        let head = batch.record.head(batch.bytes);
        let parts: Vec<&[u8]> =
            std::iter::once(head.as_slice()).chain(batch.runs.iter().map(|run| &run[..])).collect();
        let bytes = (head.len() + batch.bytes) as u64;
        if !self.has_room(lane, bytes) {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "it is full of what a consumer has not acknowledged; raise its limit or see to the consumer",
            ));
        }
        let segment_bytes = self.spool.settings.limit(lane) / SEGMENTS;
        let fits =
            |open: &Open<D>| open.appender.length() == 0 || open.appender.length() + bytes <= segment_bytes;
        if !self.open.of(lane).as_ref().is_some_and(fits) {
            self.seal(lane)?;
            *self.open.of_mut(lane) = Some(self.begin(lane, batch.record.first)?);
        }
        let Some(open) = self.open.of_mut(lane) else { return Ok(()) };
        if let Err(error) = open.appender.append(&parts) {
            // Whatever is wrong with this file, the next one begins anew.
            self.give_up(lane);
            return Err(error);
        }
        (open.last, open.is_dirty) = (batch.record.last, true);
        self.is_unsure = false;
        let length = open.appender.length();
        self.unsynced.get_or_insert_with(Instant::now);
        if self.spool.settings.sync.is_zero() {
            self.sync()?;
        }
        self.spool.grew(lane, length, batch);
        Ok(())
    }

    /// Whether a lane may take so many bytes: always, unless it must not lose any.
    fn has_room(&self, lane: Lane, bytes: u64) -> bool {
        let settings = &self.spool.settings;
        let state = self.spool.locked();
        let index = state.index.of(lane);
        if settings.when_full == WhenFull::Oldest || index.bytes() + bytes <= settings.limit(lane) {
            return true;
        }
        // What everybody has goes as soon as this is written.
        index.second().is_some_and(|second| {
            let end = Place { epoch: second.segment.epoch, sequence: second.segment.first - 1 };
            state.consumers.all_have(lane).is_none_or(|has| has >= end)
        })
    }

    fn begin(&self, lane: Lane, first: u64) -> io::Result<Open<D>> {
        let segment = Segment::new(self.spool.epoch, first, now())?;
        let path = self.spool.path(lane, segment);
        let appender = Appender::create(self.spool.disk(), &path, segment.frames())?;
        self.spool.locked().index.of_mut(lane).add(segment);
        Ok(Open { appender, segment, last: first.saturating_sub(1), is_dirty: true })
    }

    /// A file that is not there any more, since somebody removed it or mounted something over
    /// it, nobody will read: what comes goes into the next one.
    fn look_after(&mut self, lane: Lane) {
        let Some(open) = self.open.of(lane) else { return };
        let path = self.spool.path(lane, open.segment);
        if self.spool.disk().open(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            tracing::error!("{} is not there any more; what was in it is lost", path.display());
            *self.open.of_mut(lane) = None;
        }
    }

    /// Nothing more goes into the open segment.
    fn seal(&mut self, lane: Lane) -> io::Result<()> {
        let Some(open) = self.open.of_mut(lane).take() else { return Ok(()) };
        open.appender.sync().inspect_err(|_| self.is_unsure = true)
    }

    /// The same after a failure; one in which nothing is was begun in vain.
    fn give_up(&mut self, lane: Lane) {
        let Some(open) = self.open.of_mut(lane).take() else { return };
        if self.spool.locked().index.of(lane).written(open.segment) == Some(0) {
            let _ = self.spool.disk().remove(&self.spool.path(lane, open.segment));
            self.spool.locked().index.of_mut(lane).drop_last();
        }
    }

    /// Makes everything durable, names too. A file that refuses is left as it is, and the
    /// next one begun: once it has refused, its word that all is durable is worth nothing.
    pub fn sync(&mut self) -> io::Result<()> {
        let mut failure = None;
        for lane in LANES {
            let Some(open) = self.open.of_mut(lane).as_mut().filter(|open| open.is_dirty) else { continue };
            open.is_dirty = false;
            let synced = open.appender.sync();
            let synced = synced.and_then(|()| self.spool.disk().sync_directory(&self.spool.directory(lane)));
            if let Err(error) = synced {
                self.give_up(lane);
                self.is_unsure = true;
                failure = Some(error);
            }
        }
        self.unsynced = None;
        failure.map_or(Ok(()), Err)
    }

    /// Removes the oldest where there is too much, or it is too old.
    fn keep_within_limits(&mut self, lane: Lane) -> io::Result<()> {
        let settings = &self.spool.settings;
        let limit = settings.limit(lane);
        if self.spool.locked().index.of(lane).bytes() > limit {
            // More than needed at once: what is written down before is for all of it.
            let least = limit - limit / SEGMENTS;
            self.remove(lane, |spool| spool.locked().index.of(lane).bytes() > least)?;
        }
        let oldest = self.steady.at_most(now()).saturating_sub(settings.max_age.as_secs());
        // It ends where the one behind it begins.
        let is_old = |spool: &Spool<D>| {
            spool.locked().index.of(lane).second().is_some_and(|second| second.segment.begun < oldest)
        };
        if is_old(&self.spool) { self.remove(lane, is_old) } else { Ok(()) }
    }

    /// The disk is full: gives up the oldest there is, for what comes in this lane. Files
    /// never push out anything else.
    fn make_room(&mut self, coming: Lane) -> io::Result<bool> {
        for lane in [Lane::File, Lane::Process] {
            let mut is_done = false;
            let before = self.spool.locked().index.of(lane).bytes();
            self.remove(lane, |_| !std::mem::replace(&mut is_done, true))?;
            if self.spool.locked().index.of(lane).bytes() < before || self.remove_last(lane)? {
                return Ok(true);
            }
            if lane == coming {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Gives up the only segment of a lane, though it is the one that is written to.
    fn remove_last(&mut self, lane: Lane) -> io::Result<bool> {
        let (only, last, all_have) = {
            let state = self.spool.locked();
            let index = state.index.of(lane);
            (index.first().filter(|_| index.bytes() > 0), index.last, state.consumers.all_have(lane))
        };
        let Some(only) = only else { return Ok(false) };
        *self.open.of_mut(lane) = None;
        let is_missed = all_have.is_some_and(|has| has < last);
        self.remove_first(lane, only.segment, all_have.filter(|_| is_missed))?;
        Ok(true)
    }

    /// Removes the oldest segments of a lane while `more` says so, never the last one.
    fn remove(&self, lane: Lane, mut more: impl FnMut(&Spool<D>) -> bool) -> io::Result<()> {
        while more(&self.spool) {
            let (first, second, all_have) = {
                let state = self.spool.locked();
                let index = state.index.of(lane);
                (index.first(), index.second(), state.consumers.all_have(lane))
            };
            let (Some(first), Some(second)) = (first, second) else { return Ok(()) };
            let end =
                if first.segment.epoch == second.segment.epoch { second.segment.first - 1 } else { u64::MAX };
            let end = Place { epoch: first.segment.epoch, sequence: end };
            let is_missed = all_have.is_some_and(|has| has < end);
            if is_missed && self.spool.settings.when_full == WhenFull::Block {
                return Ok(());
            }
            self.remove_first(lane, first.segment, all_have.filter(|_| is_missed))?;
        }
        Ok(())
    }

    /// Removes a segment; what not everybody has is noted.
    pub fn remove_first(&self, lane: Lane, segment: Segment, all_have: Option<Place>) -> io::Result<()> {
        let directory = self.spool.directory(lane);
        let records = records(self.spool.disk(), &directory, segment).unwrap_or_default();
        if let Some(has) = all_have {
            let place = |record: &Record| Place { epoch: segment.epoch, sequence: record.last };
            let mut state = self.spool.locked();
            for record in records.iter().filter(|record| place(record) > has && !record.ended) {
                state.consumers.remove(lane, segment.epoch, record);
            }
        }
        match self.spool.disk().remove(&directory.join(segment.to_string())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.spool.removed(lane, &records);
        // Written down at once, if the disk lets it: else what a kill leaves is the
        // numbers alone.
        let _ = self.spool.save();
        Ok(())
    }

    /// Says that the run ended in order, and makes all of it durable.
    fn end(mut self) {
        for lane in LANES {
            let Some(last) = self.open.of(lane).as_ref().map(|open| open.last) else { continue };
            let record = Record { first: last + 1, last, ended: true, ..Record::default() };
            if let Err(error) = self.write(lane, &Batch { record, ..Batch::default() }) {
                tracing::warn!(%error, "the spool's end is not written");
            }
        }
        let unwritten: u64 = LANES
            .iter()
            .filter_map(|lane| self.pending.of(*lane).as_ref())
            .map(|(batch, _)| batch.count())
            .sum();
        if unwritten > 0 {
            tracing::error!(
                events = unwritten,
                "the spool's disk did not take the last events, and they are lost"
            );
        }
        if let Err(error) = self.sync().and_then(|()| self.spool.save()) {
            tracing::warn!(%error, "the end of the spool may not be durable");
        }
    }
}
