//! Reads a lane of the spool from a place on, and says what is missing.

use std::{io, sync::Arc};

use activity_proto::{
    EncodedEvents,
    v1::{Gap, GapReason, Lane, TypeCount},
};
use activity_segments::{Disk, DiskFile, HEADER, Machine};
use bytes::{Buf as _, Bytes};
use prost::Message as _;

use super::{
    Spool,
    lanes::Place,
    record::{Record, Segment},
};

/// Reads a lane.
#[derive(Debug)]
pub struct Reader<D: Disk = Machine> {
    spool: Arc<Spool<D>>,
    lane: Lane,
    /// Behind this everything is still to come.
    place: Place,
    reading: Option<Reading<D::File>>,
    /// Where it goes on, between two calls.
    mark: Option<Mark>,
}

/// A segment that is read.
#[derive(Debug)]
struct Reading<F> {
    mark: Mark,
    file: F,
}

/// How far a segment was read.
#[derive(Clone, Copy, Debug)]
struct Mark {
    segment: Segment,
    offset: u64,
    /// It was the oldest when it was opened: what is missing before it was removed.
    was_first: bool,
    /// Something in it could not be read, and nothing told yet how much.
    is_damaged: bool,
}

/// What comes next.
#[derive(Debug)]
pub struct Chunk {
    pub events: EncodedEvents,
    /// How many there are; 0 of a gap.
    pub count: u64,
    /// How many events it says are missing.
    pub missed: u64,
    /// Behind them.
    pub place: Place,
}

enum Read {
    Record(Record, u64),
    End,
}

impl<D: Disk> Reader<D> {
    /// Everything behind a place.
    pub fn new(spool: Arc<Spool<D>>, lane: Lane, place: Place) -> Self {
        Self { spool, lane, place, reading: None, mark: None }
    }

    /// The next events, or the next gap; `None` when there is nothing yet. No file stays
    /// open: who does not ask for more must not keep the room of one that was removed.
    ///
    /// # Errors
    /// When the disk does not let it be read.
    pub fn next(&mut self) -> io::Result<Option<Chunk>> {
        let chunk = self.find();
        self.mark = self.reading.take().map(|reading| reading.mark);
        chunk
    }

    fn find(&mut self) -> io::Result<Option<Chunk>> {
        loop {
            if self.reading.is_none() && !self.open()? {
                return Ok(None);
            }
            if let Some(gap) = self.removed_run() {
                return Ok(Some(gap));
            }
            let Some(reading) = &mut self.reading else { continue };
            let written = self.spool.locked().index.of(self.lane).written(reading.mark.segment);
            match reading.next(written)? {
                Read::Record(record, end) => {
                    if let Some(chunk) = self.record(record, end) {
                        return Ok(Some(chunk));
                    }
                }
                Read::End => match self.go_on()? {
                    GoneOn::Nothing => return Ok(None),
                    GoneOn::Told(chunk) => return Ok(Some(*chunk)),
                    GoneOn::Further => {}
                },
            }
        }
    }

    /// Opens the segment that has what comes next.
    fn open(&mut self) -> io::Result<bool> {
        if let Some(mark) = self.mark.take() {
            self.reading = self.read_from(mark)?;
        }
        if self.reading.is_none() {
            let next = {
                let state = self.spool.locked();
                let index = state.index.of(self.lane);
                index.behind(self.place).map(|segment| (segment, index.is_first(segment)))
            };
            self.reading = self.first_there(next)?;
        }
        Ok(self.reading.is_some())
    }

    /// Opens this segment, or the first one behind it that is there. One that is not was
    /// removed just now, or by somebody else; the numbers in the next one tell what is
    /// missing.
    fn first_there(&self, mut next: Option<(Segment, bool)>) -> io::Result<Option<Reading<D::File>>> {
        while let Some((segment, was_first)) = next {
            let reading = self.read_from(Mark::beginning(segment, was_first))?;
            if reading.is_some() {
                return Ok(reading);
            }
            let state = self.spool.locked();
            let index = state.index.of(self.lane);
            // Who removes for want of room forgets it as well.
            let was_first = was_first && index.written(segment).is_none();
            next = index.after(segment).map(|segment| (segment, was_first));
        }
        Ok(None)
    }

    /// `None` when the segment is not there.
    fn read_from(&self, mark: Mark) -> io::Result<Option<Reading<D::File>>> {
        match self.spool.disk().open(&self.spool.path(self.lane, mark.segment)) {
            Ok(file) => Ok(Some(Reading { mark, file })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What was removed of runs before the one that is read now.
    fn removed_run(&mut self) -> Option<Chunk> {
        let now = self.reading.as_ref()?.mark.segment.epoch;
        if self.place.epoch >= now {
            return None;
        }
        let state = self.spool.locked();
        let Some(end) = state.consumers.end_behind(self.lane, self.place).filter(|end| end.epoch < now)
        else {
            drop(state);
            self.place = Place { epoch: now, sequence: 0 };
            return None;
        };
        let before = if end.epoch == self.place.epoch { self.place.sequence } else { 0 };
        let removed = state.consumers.removed(self.lane, end.epoch, before + 1, end.sequence);
        let is_there = state.index.of(self.lane).has_run(end.epoch);
        drop(state);
        let is_damaged = removed.is_none() && is_there;
        let reason = if is_damaged { GapReason::SpoolDamaged } else { GapReason::SpoolFull };
        let counts = removed.map(|(_, counts)| counts).unwrap_or_default();
        Some(self.gap(Place { sequence: before, ..end }, end.sequence, reason, counts))
    }

    /// A record, cut to what was not read yet; first of all what is missing before it.
    fn record(&mut self, record: Record, end: u64) -> Option<Chunk> {
        let reading = &mut self.reading.as_mut()?.mark;
        let next = self.place.sequence + 1;
        if record.first > next {
            // The record itself is read again after this.
            let was_removed = reading.was_first && reading.offset == 0 && !reading.is_damaged;
            return Some(self.missing(next, record.first - 1, was_removed));
        }
        reading.offset = end;
        reading.is_damaged = false;
        if record.last < next {
            return None;
        }
        if record.lost != 0 {
            let from = Place { sequence: record.first - 1, ..self.place };
            let reason = GapReason::try_from(record.lost).unwrap_or_default();
            return Some(self.gap(from, record.last, reason, record.counts));
        }
        let events = EncodedEvents::from_bytes(record.events).without_first(next - record.first);
        self.place.sequence = record.last;
        Some(Chunk { events, count: record.last - next + 1, missed: 0, place: self.place })
    }

    fn missing(&mut self, from: u64, to: u64, was_removed: bool) -> Chunk {
        let epoch = self.place.epoch;
        let removed = self.spool.locked().consumers.removed(self.lane, epoch, from, to);
        let is_removed = was_removed || removed.as_ref().is_some_and(|(last, _)| *last == to);
        let reason = if is_removed { GapReason::SpoolFull } else { GapReason::SpoolDamaged };
        let counts = removed.map(|(_, counts)| counts).unwrap_or_default();
        self.gap(Place { epoch, sequence: from - 1 }, to, reason, counts)
    }

    /// Tells that everything behind `before` up to `to` is missing, and goes there.
    fn gap(&mut self, before: Place, to: u64, reason: GapReason, counts: Vec<TypeCount>) -> Chunk {
        self.place = Place { epoch: before.epoch, sequence: to };
        let gap = Gap {
            lane: self.lane.into(),
            from_sequence: before.sequence + 1,
            to_sequence: to,
            reason: reason.into(),
            counts,
            epoch: Some(before.epoch),
        };
        let (events, missed) = (self.spool.encoded_gap(gap), to - before.sequence);
        Chunk { events, count: 0, missed, place: self.place }
    }

    /// The segment has ended, or nothing more was written yet.
    fn go_on(&mut self) -> io::Result<GoneOn> {
        let Some(reading) = &self.reading else { return Ok(GoneOn::Further) };
        let Mark { segment, is_damaged, .. } = reading.mark;
        let (next, end) = {
            let state = self.spool.locked();
            (state.index.of(self.lane).after(segment), state.consumers.end_behind(self.lane, self.place))
        };
        let next = self.first_there(next.map(|segment| (segment, false)))?;
        let Some(next) = next else { return Ok(GoneOn::Nothing) };
        // The end of a run that could not be read, and nobody knows how much it was.
        let is_known = end.is_some_and(|end| end.epoch == segment.epoch);
        if is_damaged && next.mark.segment.epoch != segment.epoch && !is_known {
            if let Some(reading) = &mut self.reading {
                reading.mark.is_damaged = false;
            }
            let chunk = self.gap(self.place, self.place.sequence, GapReason::SpoolDamaged, Vec::new());
            return Ok(GoneOn::Told(Box::new(chunk)));
        }
        self.reading = Some(next);
        Ok(GoneOn::Further)
    }
}

enum GoneOn {
    Further,
    Nothing,
    Told(Box<Chunk>),
}

impl Mark {
    fn beginning(segment: Segment, was_first: bool) -> Self {
        Self { segment, offset: 0, was_first, is_damaged: false }
    }
}

impl<F: DiskFile> Reading<F> {
    /// The next whole record with where it ends, of what was written; all of it when
    /// the segment was removed meanwhile and only this reader still has it.
    fn next(&mut self, written: Option<u64>) -> io::Result<Read> {
        let written = match written {
            Some(written) => written,
            None => self.file.length()?,
        };
        if self.mark.offset >= written {
            return Ok(Read::End);
        }
        let mut header = [0; HEADER];
        let read = self.file.read_at(&mut header, self.mark.offset)?;
        let length = self.mark.segment.frames().length(&header).filter(|_| read == HEADER);
        if let Some(length) = length.filter(|length| self.mark.offset + *length as u64 <= written) {
            let mut bytes = self.bytes(self.mark.offset, length)?;
            if let Some(record) = self.take(&mut bytes) {
                return Ok(Read::Record(record, self.mark.offset + length as u64));
            }
        }
        self.find(written)
    }

    /// Something is not as it was written: looks for the next whole record.
    fn find(&mut self, written: u64) -> io::Result<Read> {
        self.mark.is_damaged = true;
        let rest = usize::try_from(written - self.mark.offset).map_err(io::Error::other)?;
        let mut bytes = self.bytes(self.mark.offset, rest)?;
        let length = bytes.len();
        while let Some(skip) = self.mark.segment.frames().find(&bytes) {
            bytes.advance(skip);
            if let Some(record) = self.take(&mut bytes) {
                let end = self.mark.offset + (length - bytes.len()) as u64;
                return Ok(Read::Record(record, end));
            }
        }
        self.mark.offset = written;
        Ok(Read::End)
    }

    fn take(&self, bytes: &mut Bytes) -> Option<Record> {
        Record::decode(self.mark.segment.frames().take(bytes)?).ok().filter(|record| record.first > 0)
    }

    fn bytes(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        let read = self.file.read_at(&mut bytes, offset)?;
        bytes.truncate(read);
        Ok(bytes.into())
    }
}
