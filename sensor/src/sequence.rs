//! Gives every event its identity: without holes per epoch and lane.

use activity_proto::v1::{Event, EventId, EventType, Lane};

use crate::state::State;

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

/// Numbers events.
pub struct Sequencer {
    id: EventId,
    process: u64,
    file: u64,
}

impl Sequencer {
    /// Begins an epoch.
    pub fn new(state: &State) -> Self {
        let id = EventId {
            sensor_id: state.sensor_id.clone(),
            boot_id: state.boot_id.clone(),
            epoch: state.epoch,
            ..EventId::default()
        };
        Self { id, process: 0, file: 0 }
    }

    /// Gives the event the next number of the lane.
    pub fn number(&mut self, event: &mut Event, lane: Lane) {
        let last = match lane {
            Lane::File => &mut self.file,
            Lane::Process | Lane::Unspecified => &mut self.process,
        };
        *last += 1;
        event.id = Some(EventId { lane: lane.into(), sequence: *last, ..self.id.clone() });
    }

    /// The last number given out in the lane.
    pub fn last(&self, lane: Lane) -> u64 {
        match lane {
            Lane::File => self.file,
            Lane::Process | Lane::Unspecified => self.process,
        }
    }
}
