//! Events on their way out.

mod driving;
mod syslog;
mod targets;

use std::{path::Path, time::Duration};

use activity_proto::v1::{Event, EventId, Exec, Lane, Outcome, event::Payload};
use bytes::Bytes;
use prost::Message as _;

use super::*;
use crate::{
    store::{Layout, Retention, RollSettings, Store},
    tracker::Tracker,
};

fn store(directory: &Path) -> (Layout, Store) {
    let layout = Layout::new(directory.to_str().unwrap()).unwrap();
    let never = RollSettings { bytes: u64::MAX, age: Duration::MAX };
    let store =
        Store::open(layout.clone(), never, Retention::default(), None, &mut Tracker::default()).unwrap();
    (layout, store)
}

fn event(sequence: u64) -> Bytes {
    let lane = Lane::Process.into();
    let id = EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch: 1, lane, sequence };
    let event = Event {
        id: Some(id),
        host: "web-1".into(),
        time: Some(prost_types::Timestamp { seconds: 1_767_225_600 + sequence as i64, nanos: 0 }),
        outcome: Some(Outcome { success: true, errno: None }),
        payload: Some(Payload::Exec(Exec::default())),
        ..Event::default()
    };
    event.encode_to_vec().into()
}

fn events(sequences: std::ops::RangeInclusive<u64>) -> Vec<Bytes> {
    sequences.map(event).collect()
}
