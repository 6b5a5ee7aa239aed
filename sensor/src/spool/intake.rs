//! What waits to be written. The pipeline puts events here and never waits for the
//! disk, unless it was told to.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use activity_proto::v1::{GapReason, Lane, TypeCount};
use bytes::Bytes;

use super::{
    lanes::{LANES, PerLane},
    record::Record,
};
use crate::stream::{Encoded, Missed};

/// Bytes of events that go into one frame, more or less.
const FRAME_BYTES: usize = 256 * 1024;
/// Bytes of events that may wait, of each lane.
const WAITING: PerLane<usize> = PerLane { process: 4 << 20, file: 12 << 20 };

/// Events of a lane that follow one another.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What is said of them.
    pub record: Record,
    /// They themselves, encoded, one piece of memory behind another.
    pub runs: Vec<Bytes>,
    pub bytes: usize,
}

/// The queues.
#[derive(Debug, Default)]
pub struct Intake {
    queues: Mutex<PerLane<Queue>>,
    /// Something was put in, or the end has come.
    filled: Condvar,
    /// Something was taken out.
    emptied: Condvar,
    /// Rather wait than lose any.
    waits: bool,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Batch>,
    bytes: usize,
    missed: Missed,
    /// Events taken over, and events missed, in all.
    accepted: u64,
    missed_ever: u64,
    closed: bool,
}

/// What is to be written.
#[derive(Debug)]
pub struct Taken {
    pub lanes: PerLane<Option<Batch>>,
    /// Nothing more will come.
    pub closed: bool,
}

impl Intake {
    /// One that waits for room, or drops what there is none for and says so.
    pub fn new(waits: bool) -> Self {
        Self { waits, ..Self::default() }
    }

    /// Takes over the events of both lanes. Their memory is shared.
    pub fn offer(&self, encoded: &Encoded) {
        let mut queues = locked(&self.queues);
        for lane in LANES {
            let Some(batch) = Batch::of(encoded, lane) else { continue };
            let limit = *WAITING.of(lane);
            while self.waits && !queues.of(lane).has_room(&batch, limit) && !queues.of(lane).closed {
                queues = self.emptied.wait(queues).unwrap_or_else(PoisonError::into_inner);
            }
            queues.of_mut(lane).offer(batch, encoded, lane, limit);
        }
        self.filled.notify_one();
    }

    /// Takes what waits of the lanes that are asked for, when something does; nothing
    /// after `patience`.
    pub fn take(&self, wanted: PerLane<bool>, patience: Duration) -> Taken {
        let nothing = |queues: &mut PerLane<Queue>| {
            LANES.iter().all(|lane| !*wanted.of(*lane) || queues.of(*lane).is_empty())
                && !queues.process.closed
        };
        let waited = self.filled.wait_timeout_while(locked(&self.queues), patience, nothing);
        let (mut queues, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let lanes =
            PerLane::with(|lane| if *wanted.of(lane) { queues.of_mut(lane).take(lane) } else { None });
        let closed = queues.process.closed && LANES.iter().all(|lane| queues.of(*lane).is_empty());
        self.emptied.notify_all();
        Taken { lanes, closed }
    }

    /// Nothing more will come.
    pub fn close(&self) {
        let mut queues = locked(&self.queues);
        LANES.iter().for_each(|lane| queues.of_mut(*lane).closed = true);
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    /// Events of a lane that were taken over, and those that were missed.
    pub fn counts(&self, lane: Lane) -> (u64, u64) {
        let queues = locked(&self.queues);
        let queue = queues.of(lane);
        (queue.accepted, queue.missed_ever)
    }
}

impl Queue {
    fn has_room(&self, batch: &Batch, limit: usize) -> bool {
        self.batches.is_empty() || self.bytes + batch.bytes <= limit
    }

    /// Once something was missed nothing is taken until half of the room is free:
    /// rather one long gap than a rain of short ones.
    fn offer(&mut self, batch: Batch, encoded: &Encoded, lane: Lane, limit: usize) {
        let limit = if self.missed.is_empty() { limit } else { limit / 2 };
        if !self.has_room(&batch, limit) {
            let missed = encoded.parts.iter().filter(|part| part.lane == i32::from(lane));
            missed.for_each(|part| self.missed.note(part));
            self.missed_ever += batch.count();
            return;
        }
        self.tell_missed(lane);
        self.bytes += batch.bytes;
        self.accepted += batch.count();
        self.batches.push_back(batch);
    }

    fn tell_missed(&mut self, lane: Lane) {
        if !self.missed.is_empty() {
            self.batches.push_back(Batch::lost(std::mem::take(&mut self.missed), lane));
        }
    }

    fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.missed.is_empty()
    }

    fn take(&mut self, lane: Lane) -> Option<Batch> {
        if self.batches.is_empty() {
            self.tell_missed(lane);
        }
        let mut taken = self.batches.pop_front()?;
        while taken.bytes < FRAME_BYTES
            && let Some(next) = self.batches.pop_front_if(|next| taken.goes_on_with(next))
        {
            taken.join(next);
        }
        self.bytes -= taken.bytes;
        Some(taken)
    }
}

impl Batch {
    /// The events of a lane; `None` when there is none.
    fn of(encoded: &Encoded, lane: Lane) -> Option<Self> {
        let mut parts = encoded.parts.iter().filter(|part| part.lane == i32::from(lane));
        let first = parts.next()?;
        let mut run = first.range.clone();
        let mut batch = Self::default();
        let mut counts = BTreeMap::from([(first.event_type, 1)]);
        let mut last = first.sequence;
        for part in parts {
            if part.range.start == run.end {
                run.end = part.range.end;
            } else {
                batch.add(encoded.bytes.slice(std::mem::replace(&mut run, part.range.clone())));
            }
            last = part.sequence;
            *counts.entry(part.event_type).or_default() += 1;
        }
        batch.add(encoded.bytes.slice(run));
        let counts = counts.into_iter().map(|(event_type, count)| TypeCount { r#type: event_type, count });
        let (first, time_ns, counts) = (first.sequence, encoded.time_ns, counts.collect());
        batch.record = Record { first, last, time_ns, counts, ..Record::default() };
        Some(batch)
    }

    fn lost(missed: Missed, lane: Lane) -> Self {
        let gap = missed.gap(lane.into(), GapReason::SpoolWrite);
        let (first, last, counts) = (gap.from_sequence, gap.to_sequence, gap.counts);
        Self {
            record: Record { first, last, counts, lost: gap.reason, ..Record::default() },
            ..Self::default()
        }
    }

    fn add(&mut self, run: Bytes) {
        self.bytes += run.len();
        self.runs.push(run);
    }

    /// How many events it is about.
    pub fn count(&self) -> u64 {
        self.record.counts.iter().map(|counted| counted.count).sum()
    }

    fn goes_on_with(&self, next: &Self) -> bool {
        let whole = self.record.lost == 0 && next.record.lost == 0;
        whole && next.record.first == self.record.last + 1
    }

    fn join(&mut self, next: Self) {
        self.record.last = next.record.last;
        add_counts(&mut self.record.counts, &next.record.counts);
        self.runs.extend(next.runs);
        self.bytes += next.bytes;
    }
}

/// Adds counts to counts.
pub fn add_counts(counts: &mut Vec<TypeCount>, more: &[TypeCount]) {
    for counted in more {
        match counts.iter_mut().find(|known| known.r#type == counted.r#type) {
            Some(known) => known.count += counted.count,
            None => counts.push(*counted),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
