//! Gives every event its identity: without holes per epoch and lane.

use activity_proto::v1::{Event, EventId, EventType, Lane};

/// The lane of an event type: files apart, so that their number never stands
/// in the way of the others.
pub fn lane_of(event_type: EventType) -> Lane {
    match event_type {
        EventType::Open => Lane::File,
        EventType::Exec
        | EventType::Exit
        | EventType::Connect
        | EventType::Gap
        | EventType::Status
        | EventType::Unspecified => Lane::Process,
    }
}

/// Numbers events. What the ids of one epoch share is added where events are
/// encoded.
#[derive(Default)]
pub struct Sequencer {
    process: u64,
    file: u64,
}

impl Sequencer {
    /// Gives the event the next number of the lane.
    pub fn number(&mut self, event: &mut Event, lane: Lane) {
        let last = match lane {
            Lane::File => &mut self.file,
            Lane::Process | Lane::Unspecified => &mut self.process,
        };
        *last += 1;
        event.id = Some(EventId { lane: lane.into(), sequence: *last, ..EventId::default() });
    }

    /// The last number given out in the lane.
    pub fn last(&self, lane: Lane) -> u64 {
        match lane {
            Lane::File => self.file,
            Lane::Process | Lane::Unspecified => self.process,
        }
    }
}
