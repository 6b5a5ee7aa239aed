//! What was heard of sensors, taken from what events say of themselves.

use activity_proto::v1::{EventId, Lane};

/// What of a heartbeat matters here.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Beat {
    #[prost(uint32, tag = "2")]
    pub interval_seconds: u32,
    #[prost(bool, tag = "3")]
    pub stopping: bool,
}

/// What came over one connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Which.
    pub connection: u64,
    /// Whose it is: sensor, boot and epoch.
    pub id: EventId,
    /// Its machine.
    pub host: String,
    /// The last number of the lanes, 0 where there was none.
    pub last: [u64; 2],
    /// Seconds between its heartbeats, where there was one.
    pub interval: Option<u32>,
    /// Whether the last that came says that it ends.
    pub stopping: bool,
}

/// What was heard since it was asked for last.
#[derive(Debug, Default)]
pub struct Ear(Vec<Heard>);

impl Ear {
    /// An event came, a double too. Connection 0 is the log, which another run heard.
    pub fn note(&mut self, connection: u64, id: &EventId, host: &str, beat: Option<Beat>) {
        if connection == 0 {
            return;
        }
        if self.0.last().is_none_or(|last| last.connection != connection || !is_same(&last.id, id)) {
            let (id, host) = (EventId { lane: 0, sequence: 0, ..id.clone() }, host.to_owned());
            self.0.push(Heard { connection, id, host, last: [0; 2], interval: None, stopping: false });
        }
        let Some(heard) = self.0.last_mut() else { return };
        if let Some(last) = place(id.lane).and_then(|place| heard.last.get_mut(place)) {
            *last = (*last).max(id.sequence);
        }
        if let Some(beat) = beat {
            (heard.interval, heard.stopping) = (Some(beat.interval_seconds), beat.stopping);
        } else if id.sequence > 0 {
            // What has no number may come after the last, told for this subscriber alone.
            heard.stopping = false;
        }
    }

    /// Takes what was heard.
    pub fn take(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.0)
    }
}

/// Whether both are of one run of a sensor.
pub fn is_same(one: &EventId, other: &EventId) -> bool {
    (one.epoch, &one.sensor_id, &one.boot_id) == (other.epoch, &other.sensor_id, &other.boot_id)
}

/// Where the number of a lane is kept.
fn place(lane: i32) -> Option<usize> {
    LANES.iter().position(|known| i32::from(*known) == lane)
}

/// The lanes there are, in the order in which their numbers are kept.
pub const LANES: [Lane; 2] = [Lane::Process, Lane::File];

#[cfg(test)]
mod tests {
    use super::*;

    fn id(epoch: u64, lane: Lane, sequence: u64) -> EventId {
        EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch, lane: lane.into(), sequence }
    }

    #[test]
    fn the_last_of_each_run_is_kept() {
        let mut ear = Ear::default();
        ear.note(1, &id(1, Lane::File, 7), "web", None);
        ear.note(1, &id(1, Lane::Process, 3), "web", Some(Beat { interval_seconds: 5, stopping: true }));
        // A gap for this subscriber alone.
        ear.note(1, &id(1, Lane::File, 0), "web", None);
        ear.note(2, &id(2, Lane::Process, 1), "web", None);
        let heard = ear.take();
        assert_eq!(heard.len(), 2);
        assert_eq!((heard[0].last, heard[0].interval, heard[0].stopping), ([3, 7], Some(5), true));
        assert_eq!((heard[1].connection, heard[1].id.epoch, heard[1].stopping), (2, 2, false));
        assert!(ear.take().is_empty());
        ear.note(0, &id(2, Lane::Process, 1), "web", None);
        assert!(ear.take().is_empty(), "what is read from the log is not heard");
    }

    #[test]
    fn what_comes_after_the_end_takes_it_back() {
        let mut ear = Ear::default();
        ear.note(1, &id(1, Lane::Process, 3), "", Some(Beat { interval_seconds: 5, stopping: true }));
        ear.note(1, &id(1, Lane::Process, 4), "", None);
        assert!(!ear.take()[0].stopping);
    }
}
