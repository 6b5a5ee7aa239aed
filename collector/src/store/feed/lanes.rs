//! Lanes of runs of sensors, and how far each was read.

use std::collections::HashMap;

use activity_proto::v1::{Event, EventId, event::Payload};
use serde::{Deserialize, Serialize};

/// Lanes that are remembered; beyond it those go that were quiet longest.
const MAX_LANES: usize = 4096;

/// A lane of a run of a sensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lane {
    sensor_id: String,
    boot_id: String,
    epoch: u64,
    lane: i32,
}

/// What was read of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The first sequence.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// How many there were, or were told to be lost.
    pub count: u64,
    touched: u64,
}

impl Read {
    /// How many between the first and the last were neither read nor told to be lost.
    pub fn missed(&self) -> u64 {
        (self.last - self.first).saturating_add(1).saturating_sub(self.count)
    }
}

/// A stretch of a lane that an event stands for.
pub struct Stretch {
    pub lane: Lane,
    pub from: u64,
    pub to: u64,
}

impl Stretch {
    /// The event's own place; `None` of one that has none.
    pub fn of(event: &Event) -> Option<Self> {
        let id = event.id.as_ref().filter(|id| id.sequence > 0)?;
        Some(Self { lane: lane(id, id.epoch, id.lane), from: id.sequence, to: id.sequence })
    }

    /// What a gap tells to be lost.
    pub fn lost(event: &Event) -> Option<Self> {
        let (id, payload) = (event.id.as_ref()?, event.payload.as_ref()?);
        let Payload::Gap(gap) = payload else { return None };
        let (from, to) = (gap.from_sequence, gap.to_sequence);
        let lane = lane(id, gap.epoch.unwrap_or(id.epoch), gap.lane);
        (from > 0 && from <= to).then_some(Self { lane, from, to })
    }
}

fn lane(id: &EventId, epoch: u64, lane: i32) -> Lane {
    Lane { sensor_id: id.sensor_id.clone(), boot_id: id.boot_id.clone(), epoch, lane }
}

/// How far each was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(Lane, Read)>", into = "Vec<(Lane, Read)>")]
pub struct Lanes {
    lanes: HashMap<Lane, Read>,
    clock: u64,
}

impl Lanes {
    /// The last sequence that was read of a lane.
    pub fn last(&self, lane: &Lane) -> Option<u64> {
        self.lanes.get(lane).map(|read| read.last)
    }

    /// Notes that a stretch was read; gives what there is of its lane now.
    pub fn note(&mut self, Stretch { lane, from, to }: Stretch) -> Read {
        let read = Read { first: from, last: to, count: to - from + 1, touched: 0 };
        self.join(lane, read)
    }

    /// What is remembered of each.
    pub fn iter(&self) -> impl Iterator<Item = (&Lane, &Read)> {
        self.lanes.iter()
    }

    /// Forgets what was missed of a lane up to its last sequence; where that is not sure to
    /// be the last there was, also what seems to be missed behind it.
    pub fn settle(&mut self, lane: &Lane, is_sure: bool) {
        if let Some(read) = self.lanes.get_mut(lane) {
            (read.first, read.count) = (read.last, if is_sure { 1 } else { u64::MAX });
        }
    }

    /// Adds what was read of a lane.
    pub fn join(&mut self, lane: Lane, more: Read) -> Read {
        self.clock += 1;
        let touched = self.clock;
        if let Some(read) = self.lanes.get_mut(&lane) {
            let (first, last) = (read.first.min(more.first), read.last.max(more.last));
            *read = Read { first, last, count: read.count.saturating_add(more.count), touched };
            return *read;
        }
        if self.lanes.len() >= MAX_LANES {
            let quiet = self.lanes.iter().min_by_key(|(_, read)| read.touched);
            if let Some(quiet) = quiet.map(|(lane, _)| lane.clone()) {
                self.lanes.remove(&quiet);
            }
        }
        let read = Read { touched, ..more };
        self.lanes.insert(lane, read);
        read
    }
}

impl From<Vec<(Lane, Read)>> for Lanes {
    fn from(lanes: Vec<(Lane, Read)>) -> Self {
        let clock = lanes.iter().map(|(_, read)| read.touched).max().unwrap_or_default();
        // What is not a stretch is none: it comes from a file.
        let lanes = lanes.into_iter().filter(|(_, read)| read.first <= read.last);
        Self { lanes: lanes.collect(), clock }
    }
}

impl From<Lanes> for Vec<(Lane, Read)> {
    fn from(lanes: Lanes) -> Self {
        let mut lanes: Self = lanes.lanes.into_iter().collect();
        lanes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        lanes
    }
}
