//! What somebody missed: exact, by lane and type.

use std::collections::BTreeMap;

use activity_proto::v1::{Gap, GapReason, TypeCount};

use super::outgoing::Part;

/// Events of one lane that follow one another and were missed.
#[derive(Clone, Debug, Default)]
pub struct Missed {
    from: u64,
    to: u64,
    by_type: BTreeMap<i32, u64>,
}

impl Missed {
    /// Notes an event.
    pub fn note(&mut self, part: &Part) {
        if self.is_empty() {
            (self.from, self.to) = (part.sequence, part.sequence);
        }
        self.from = self.from.min(part.sequence);
        self.to = self.to.max(part.sequence);
        *self.by_type.entry(part.event_type).or_default() += 1;
    }

    /// Whether nothing was missed.
    pub fn is_empty(&self) -> bool {
        self.by_type.is_empty()
    }

    /// As it is told.
    pub fn gap(self, lane: i32, reason: GapReason) -> Gap {
        let count = |(event_type, count)| TypeCount { r#type: event_type, count };
        Gap {
            lane,
            from_sequence: self.from,
            to_sequence: self.to,
            reason: reason.into(),
            counts: self.by_type.into_iter().map(count).collect(),
            ..Gap::default()
        }
    }
}
