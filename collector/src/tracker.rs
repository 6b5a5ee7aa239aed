//! What has been received: drops doubles and finds what is missing.

use std::collections::HashMap;

use activity_proto::v1::{Event, EventId, Gap, GapReason, event::Payload};
use bytes::Bytes;
use jiff::Timestamp;
use prost::Message as _;

use crate::{
    silence::{Beat, Ear},
    store::{Cursor, Record, Replay},
};

/// Lanes of runs of sensors that are remembered. Beyond it the one that was
/// quiet longest is forgotten: its next event counts as a first contact.
const MAX_LANES: usize = 4096;

/// The part of an event that says which it is; the rest is not decoded.
#[derive(Clone, PartialEq, prost::Message)]
struct Header {
    #[prost(message, tag = "1")]
    id: Option<EventId>,
    #[prost(string, tag = "2")]
    host: String,
    #[prost(message, tag = "24")]
    gap: Option<Gap>,
    #[prost(message, tag = "48")]
    heartbeat: Option<Beat>,
}

/// A lane of a run of a sensor: where sequences have no holes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Lane {
    sensor_id: String,
    boot_id: String,
    epoch: u64,
    lane: i32,
}

#[derive(Debug)]
struct Position {
    /// The last sequence received, or accounted for by a gap.
    last: u64,
    /// The connection it came over.
    connection: u64,
    /// When, in events.
    touched: u64,
}

/// What has been received of each sensor.
#[derive(Debug, Default)]
pub struct Tracker {
    lanes: HashMap<Lane, Position>,
    clock: u64,
    /// Who was heard.
    pub ear: Ear,
    /// Events that had been received before.
    pub duplicates: u64,
    /// Messages that are no event.
    pub malformed: u64,
    /// Events of another sensor than the one that sent them.
    pub foreign: u64,
}

impl Tracker {
    /// Takes an event and puts into `out` what is to be stored: nothing for a
    /// double, or for another sensor's than `of`, a gap before it where sequences are
    /// missing. Connections are numbered from 1.
    pub fn receive(&mut self, connection: u64, of: Option<&str>, event: Bytes, out: &mut Vec<Bytes>) {
        let Ok(header) = Header::decode(event.clone()) else {
            self.malformed += 1;
            return;
        };
        let id = header.id.unwrap_or_default();
        if of.is_some_and(|sensor_id| sensor_id != id.sensor_id) {
            self.foreign += 1;
            return;
        }
        self.ear.note(connection, &id, &header.host, header.heartbeat);
        let lane_of =
            |epoch, lane| Lane { sensor_id: id.sensor_id.clone(), boot_id: id.boot_id.clone(), epoch, lane };
        let lane = |lane| lane_of(id.epoch, lane);
        // A gap that is for this subscriber alone has no sequence of its own.
        let own = (id.sequence > 0).then(|| lane(id.lane));
        let last = own.as_ref().and_then(|own| self.lanes.get(own)).map(|position| position.last);
        if last.is_some_and(|last| id.sequence <= last) {
            self.duplicates += 1;
            return;
        }
        let missing = header.gap.filter(|gap| gap.from_sequence > 0 && gap.from_sequence <= gap.to_sequence);
        let told = missing.map(|gap| {
            let lane = lane_of(gap.epoch.unwrap_or(id.epoch), gap.lane);
            (lane, gap.from_sequence, gap.to_sequence)
        });
        let spans = told.into_iter().chain(own.map(|own| (own, id.sequence, id.sequence)));
        for (lane, from, to) in spans {
            if let Some(gap) = self.advance(connection, lane, from, to, &header.host) {
                out.push(gap.encode_to_vec().into());
            }
        }
        out.push(event);
    }

    /// Moves on to `to`. Gives the gap there is between the last and `from`.
    fn advance(&mut self, connection: u64, lane: Lane, from: u64, to: u64, host: &str) -> Option<Event> {
        self.clock += 1;
        let Some(position) = self.lanes.get_mut(&lane) else {
            self.insert(lane, Position { last: to, connection, touched: self.clock });
            return None;
        };
        let next = position.last.saturating_add(1);
        let reason = if position.connection == connection {
            // Neither a reconnection nor the sensor itself explains it.
            GapReason::Unspecified
        } else {
            GapReason::NotConnected
        };
        *position = Position { last: position.last.max(to), connection, touched: self.clock };
        (from > next).then(|| gap_event(lane, next, from - 1, reason, host))
    }

    fn insert(&mut self, lane: Lane, position: Position) {
        if self.lanes.len() >= MAX_LANES {
            let quiet = self.lanes.iter().min_by_key(|(_, position)| position.touched);
            if let Some(quiet) = quiet.map(|(lane, _)| lane.clone()) {
                self.lanes.remove(&quiet);
            }
        }
        self.lanes.insert(lane, position);
    }
}

/// A gap that the collector found. Like one for a single subscriber it has no
/// sequence of its own: the sensor numbers.
fn gap_event(lane: Lane, from: u64, to: u64, reason: GapReason, host: &str) -> Event {
    let gap = Gap {
        lane: lane.lane,
        from_sequence: from,
        to_sequence: to,
        reason: reason.into(),
        counts: Vec::new(),
        epoch: None,
    };
    Event {
        id: Some(EventId {
            sensor_id: lane.sensor_id,
            boot_id: lane.boot_id,
            epoch: lane.epoch,
            lane: lane.lane,
            sequence: 0,
        }),
        host: host.to_owned(),
        time: Some(now()),
        payload: Some(Payload::Gap(gap)),
        ..Event::default()
    }
}

fn now() -> prost_types::Timestamp {
    let now = Timestamp::now();
    prost_types::Timestamp { seconds: now.as_second(), nanos: now.subsec_nanosecond() }
}

impl Replay for Tracker {
    fn record(&mut self, record: Record) {
        for Cursor { sensor_id, boot_id, epoch, lane, last } in record.cursors {
            self.advance(0, Lane { sensor_id, boot_id, epoch, lane }, 0, last, "");
        }
        // The gaps that were found are in the record.
        let mut stored = Vec::new();
        record.events.into_iter().for_each(|event| self.receive(0, None, event, &mut stored));
    }

    fn cursors(&self) -> Vec<Cursor> {
        // In the order of use, so that a replay forgets the right ones.
        let mut lanes: Vec<_> = self.lanes.iter().collect();
        lanes.sort_unstable_by_key(|(_, position)| position.touched);
        let cursor = |(lane, position): (&Lane, &Position)| Cursor {
            sensor_id: lane.sensor_id.clone(),
            boot_id: lane.boot_id.clone(),
            epoch: lane.epoch,
            lane: lane.lane,
            last: position.last,
        };
        lanes.into_iter().map(cursor).collect()
    }
}

#[cfg(test)]
mod tests {
    use activity_proto::v1;
    use proptest::prelude::*;

    use super::*;

    fn id(sequence: u64) -> Option<EventId> {
        let lane = v1::Lane::File.into();
        Some(EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch: 1, lane, sequence })
    }

    fn event(sequence: u64) -> Event {
        Event { id: id(sequence), host: "web".into(), ..Event::default() }
    }

    fn told_gap(sequence: u64, from_sequence: u64, to_sequence: u64) -> Event {
        let lane = v1::Lane::File.into();
        let reason = GapReason::SlowSubscriber.into();
        let gap = Gap { lane, from_sequence, to_sequence, reason, counts: vec![], epoch: None };
        Event { id: id(sequence), payload: Some(Payload::Gap(gap)), ..Event::default() }
    }

    /// What is stored, as (sequence, gap found or told with its reason).
    fn received(tracker: &mut Tracker, connection: u64, events: &[Event]) -> Vec<String> {
        let mut out = Vec::new();
        for event in events {
            tracker.receive(connection, None, event.encode_to_vec().into(), &mut out);
        }
        let show = |event: Bytes| {
            let event = Event::decode(event).unwrap();
            match event.payload {
                Some(Payload::Gap(gap)) => {
                    let reason = GapReason::try_from(gap.reason).unwrap().short_name();
                    format!("{reason} {}-{}", gap.from_sequence, gap.to_sequence)
                }
                _ => event.id.unwrap().sequence.to_string(),
            }
        };
        out.into_iter().map(show).collect()
    }

    #[test]
    fn a_double_is_dropped() {
        let mut tracker = Tracker::default();
        assert_eq!(received(&mut tracker, 1, &[event(1), event(2), event(2), event(1)]), ["1", "2"]);
        assert_eq!(received(&mut tracker, 2, &[event(2), event(3)]), ["3"]);
        assert_eq!(tracker.duplicates, 3);
    }

    #[test]
    fn the_first_contact_claims_no_gap() {
        assert_eq!(received(&mut Tracker::default(), 1, &[event(1000), event(1001)]), ["1000", "1001"]);
    }

    #[test]
    fn what_is_missing_after_a_reconnection_is_a_gap() {
        let mut tracker = Tracker::default();
        received(&mut tracker, 1, &[event(5)]);
        assert_eq!(received(&mut tracker, 2, &[event(9), event(10)]), ["not_connected 6-8", "9", "10"]);
    }

    #[test]
    fn the_gap_says_whose_it_is() {
        let mut tracker = Tracker::default();
        let mut out = Vec::new();
        tracker.receive(1, None, event(1).encode_to_vec().into(), &mut out);
        tracker.receive(2, None, event(3).encode_to_vec().into(), &mut out);
        let gap = Event::decode(out[1].clone()).unwrap();
        assert_eq!(gap.id, id(0));
        assert_eq!(gap.host, "web");
        assert!(gap.time.is_some());
    }

    #[test]
    fn a_jump_that_nobody_explains_is_a_gap_without_a_reason() {
        let mut tracker = Tracker::default();
        assert_eq!(received(&mut tracker, 1, &[event(1), event(3)]), ["1", " 2-2", "3"]);
    }

    #[test]
    fn a_gap_the_sensor_told_accounts_for_its_jump() {
        let mut tracker = Tracker::default();
        let events = [event(1), told_gap(0, 2, 4), event(5), told_gap(0, 6, 6), told_gap(0, 7, 7), event(8)];
        let stored = ["1", "slow_subscriber 2-4", "5", "slow_subscriber 6-6", "slow_subscriber 7-7", "8"];
        assert_eq!(received(&mut tracker, 1, &events), stored);
        assert_eq!(tracker.duplicates, 0);
    }

    #[test]
    fn a_told_gap_after_a_reconnection_accounts_for_no_more_than_it_says() {
        let mut tracker = Tracker::default();
        received(&mut tracker, 1, &[event(1)]);
        let stored = received(&mut tracker, 2, &[told_gap(0, 5, 6), event(7)]);
        assert_eq!(stored, ["not_connected 2-4", "slow_subscriber 5-6", "7"]);
    }

    #[test]
    fn a_gap_before_any_number_is_stored_and_moves_nothing() {
        let mut tracker = Tracker::default();
        let stored = received(&mut tracker, 1, &[event(1), told_gap(2, 3, 2), event(3)]);
        assert_eq!(stored, ["1", "slow_subscriber 3-2", "3"]);
    }

    #[test]
    fn another_epoch_is_another_first_contact() {
        let mut tracker = Tracker::default();
        received(&mut tracker, 1, &[event(5)]);
        let mut next = event(2);
        next.id.as_mut().unwrap().epoch = 2;
        assert_eq!(received(&mut tracker, 2, &[next]), ["2"]);
    }

    #[test]
    fn bytes_that_are_no_event_are_counted() {
        let mut tracker = Tracker::default();
        let mut out = Vec::new();
        tracker.receive(1, None, Bytes::from_static(&[0x0a, 0xff]), &mut out);
        assert!(out.is_empty());
        assert_eq!(tracker.malformed, 1);
    }

    #[test]
    fn no_sensor_speaks_for_another() {
        let (mut tracker, mut out) = (Tracker::default(), Vec::new());
        tracker.receive(1, Some("s"), event(1).encode_to_vec().into(), &mut out);
        tracker.receive(1, Some("another"), event(2).encode_to_vec().into(), &mut out);
        assert_eq!((out.len(), tracker.foreign), (1, 1));
        assert_eq!(received(&mut tracker, 1, &[event(2)]), ["2"], "it took no number from it");
    }

    #[test]
    fn a_replay_knows_what_the_one_before_knew() {
        let mut first = Tracker::default();
        let mut events = Vec::new();
        for sequence in [1, 2, 5] {
            first.receive(1, None, event(sequence).encode_to_vec().into(), &mut events);
        }
        for record in
            [Record { events, cursors: vec![] }, Record { events: vec![], cursors: first.cursors() }]
        {
            let mut second = Tracker::default();
            second.record(record);
            assert_eq!(second.cursors(), first.cursors());
            assert_eq!(received(&mut second, 1, &[event(5), event(8)]), ["not_connected 6-7", "8"]);
        }
    }

    #[test]
    fn the_lane_that_was_quiet_longest_is_forgotten_first() {
        let mut tracker = Tracker::default();
        let of = |epoch: u64, sequence| {
            let mut event = event(sequence);
            event.id.as_mut().unwrap().epoch = epoch;
            event
        };
        for epoch in 0..MAX_LANES as u64 {
            received(&mut tracker, 1, &[of(epoch, 1)]);
        }
        received(&mut tracker, 1, &[of(0, 2), of(MAX_LANES as u64, 1)]);
        assert_eq!(tracker.lanes.len(), MAX_LANES);
        assert_eq!(received(&mut tracker, 1, &[of(0, 2)]), Vec::<String>::new());
        assert_eq!(received(&mut tracker, 1, &[of(1, 1)]), ["1"]);
    }

    proptest! {
        /// However a stream is cut and repeated, each number is accounted for once.
        #[test]
        fn every_number_is_stored_or_in_a_gap_exactly_once(
            connections in prop::collection::vec((0u64..20, 1u64..10), 1..20),
        ) {
            let mut tracker = Tracker::default();
            let mut covered = Vec::new();
            let mut highest = 0;
            received(&mut tracker, 1, &[event(1)]);
            for (number, (ahead, count)) in connections.into_iter().enumerate() {
                // Up to ten behind what was received, up to nine ahead.
                let start = (highest + ahead).saturating_sub(10).max(1);
                highest = highest.max(start + count - 1);
                let events: Vec<_> = (start..start + count).map(event).collect();
                for stored in received(&mut tracker, number as u64 + 2, &events) {
                    match stored.strip_prefix("not_connected ").and_then(|span| span.split_once('-')) {
                        Some((from, to)) => covered.extend(from.parse::<u64>()?..=to.parse()?),
                        None => covered.push(stored.parse()?),
                    }
                }
            }
            let expected: Vec<u64> = (2..=highest.max(1)).collect();
            prop_assert_eq!(covered, expected);
        }

        #[test]
        fn any_bytes_are_taken_without_a_panic(bytes: Vec<u8>) {
            Tracker::default().receive(1, None, Bytes::from(bytes), &mut Vec::new());
        }
    }
}
