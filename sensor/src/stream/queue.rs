//! What waits for one subscriber: bounded, and exact about what it missed.

use std::collections::{BTreeMap, VecDeque};

use activity_proto::{
    EncodedEvents,
    v1::{Gap, GapReason, Lane},
};

use super::{missed::Missed, outgoing::Part};

/// A body and the number of events in it.
pub type Body = (EncodedEvents, u64);

/// The queue of one subscriber.
#[derive(Debug, Default)]
pub struct Queue {
    bodies: VecDeque<Body>,
    bytes: usize,
    missed: BTreeMap<i32, Missed>,
    /// Nothing more will come.
    pub closed: bool,
}

impl Queue {
    /// Adds a body if it fits into `limit` bytes.
    pub fn offer(&mut self, body: &Body, limit: usize) -> bool {
        let fits = self.bytes + body.0.len() <= limit;
        if fits {
            self.push(body.clone());
        }
        fits
    }

    /// Notes an event that did not fit.
    pub fn miss(&mut self, part: &Part) {
        self.missed.entry(part.lane).or_default().note(part);
    }

    /// What was missed since the last call, one gap for each lane. To be put
    /// into the queue before the next body.
    pub fn take_gaps(&mut self) -> Vec<Gap> {
        let missed = std::mem::take(&mut self.missed);
        missed.into_iter().map(|(lane, missed)| missed.gap(lane, GapReason::SlowSubscriber)).collect()
    }

    /// The same for one lane.
    pub fn take_gap(&mut self, lane: Lane) -> Option<Gap> {
        let lane = i32::from(lane);
        self.missed.remove(&lane).map(|missed| missed.gap(lane, GapReason::SlowSubscriber))
    }

    /// Whether there is something to tell that is not in a body yet.
    pub fn has_missed(&self) -> bool {
        !self.missed.is_empty()
    }

    /// Adds a body whatever the limit: gaps, which are few and small.
    pub fn push(&mut self, body: Body) {
        self.bytes += body.0.len();
        self.bodies.push_back(body);
    }

    /// The next body.
    pub fn pop(&mut self) -> Option<Body> {
        let body = self.bodies.pop_front()?;
        self.bytes -= body.0.len();
        Some(body)
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
