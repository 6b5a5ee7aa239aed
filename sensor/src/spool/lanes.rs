//! One thing for each lane.

use activity_proto::v1::{Lane, Position};
use serde::{Deserialize, Serialize};

/// The lanes, in the order in which they are served.
pub const LANES: [Lane; 2] = [Lane::Process, Lane::File];

/// A thing for each lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerLane<T> {
    pub process: T,
    pub file: T,
}

impl<T> PerLane<T> {
    /// Makes the thing of each lane.
    pub fn with(mut make: impl FnMut(Lane) -> T) -> Self {
        Self { process: make(Lane::Process), file: make(Lane::File) }
    }

    /// That of a lane.
    pub fn of(&self, lane: Lane) -> &T {
        match lane {
            Lane::File => &self.file,
            Lane::Process | Lane::Unspecified => &self.process,
        }
    }

    /// That of a lane, to be changed.
    pub fn of_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::File => &mut self.file,
            Lane::Process | Lane::Unspecified => &mut self.process,
        }
    }
}

/// A place in a lane: behind the event with this number. That of no event is before
/// all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub epoch: u64,
    pub sequence: u64,
}

impl Place {
    /// As it is told.
    pub fn position(self, lane: Lane) -> Position {
        Position { lane: lane.into(), epoch: self.epoch, sequence: self.sequence }
    }
}
