//! Which sequences of whom are in a file.

use std::{collections::BTreeMap, io};

use activity_proto::v1::{Event, EventId, event::Payload};

use super::{
    entry::{Lane, Sensor},
    hex::Digest,
};

/// The sequences of every lane of every run of every sensor.
#[derive(Debug, Default)]
pub struct Ranges(BTreeMap<String, BTreeMap<(String, u64, i32), Lane>>);

impl Ranges {
    /// Takes an event into account.
    pub fn note(&mut self, event: &Event) {
        let Some(id) = &event.id else { return };
        if id.sequence > 0 {
            let lane = self.lane(id, id.epoch, id.lane);
            lane.first = if lane.count == 0 { id.sequence } else { lane.first.min(id.sequence) };
            lane.last = lane.last.max(id.sequence);
            lane.count += 1;
        }
        let Some(Payload::Gap(gap)) = &event.payload else { return };
        if gap.from_sequence > 0 && gap.from_sequence <= gap.to_sequence {
            let lane = self.lane(id, gap.epoch.unwrap_or(id.epoch), gap.lane);
            lane.gaps.push((gap.from_sequence, gap.to_sequence));
        }
    }

    fn lane(&mut self, id: &EventId, epoch: u64, lane: i32) -> &mut Lane {
        let new = || Lane { boot: id.boot_id.clone(), epoch, lane, ..Lane::default() };
        let lanes = self.0.entry(id.sensor_id.clone()).or_default();
        lanes.entry((id.boot_id.clone(), epoch, lane)).or_insert_with(new)
    }

    /// What an entry says of them; `chains` has the value of each sensor's chain.
    pub fn seal(self, chains: &BTreeMap<String, Digest>, file: Digest) -> io::Result<Vec<Sensor>> {
        let sealed = |(sensor, lanes): (String, BTreeMap<_, Lane>)| {
            let previous = chains.get(&sensor).copied().unwrap_or_default();
            let lanes: Vec<Lane> = lanes.into_values().map(with_merged_gaps).collect();
            let chain = Sensor::link(previous, file, &lanes);
            chain.map(|chain| Sensor { sensor, chain, lanes })
        };
        self.0.into_iter().map(sealed).collect()
    }
}

fn with_merged_gaps(mut lane: Lane) -> Lane {
    lane.gaps = merged(lane.gaps);
    lane
}

/// The same numbers in as few spans as there can be, in order.
pub fn merged(mut spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    spans.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (from, to) in spans {
        match merged.last_mut() {
            Some((_, end)) if from <= end.saturating_add(1) => *end = to.max(*end),
            _ => merged.push((from, to)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use activity_proto::v1::Gap;

    use super::*;

    fn event(epoch: u64, sequence: u64, payload: Option<Payload>) -> Event {
        let id = EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch, lane: 1, sequence };
        Event { id: Some(id), payload, ..Event::default() }
    }

    fn gap(epoch: Option<u64>, from_sequence: u64, to_sequence: u64) -> Option<Payload> {
        Some(Payload::Gap(Gap { lane: 1, epoch, from_sequence, to_sequence, ..Gap::default() }))
    }

    #[test]
    fn a_lane_has_its_ends_its_count_and_what_gaps_account_for() {
        let mut ranges = Ranges::default();
        for event in [
            event(1, 5, None),
            event(1, 0, gap(None, 6, 7)),
            event(1, 9, gap(None, 8, 8)),
            event(1, 3, None),
            // Of nothing that had a number, and of another run.
            event(1, 10, gap(None, 4, 3)),
            event(1, 0, gap(Some(7), 1, 2)),
            Event::default(),
        ] {
            ranges.note(&event);
        }
        let sealed = ranges.seal(&BTreeMap::new(), Digest::default()).unwrap();
        assert_eq!(sealed.len(), 1);
        let lane = Lane { boot: "b".into(), epoch: 1, lane: 1, ..Lane::default() };
        let first = Lane { first: 3, last: 10, count: 4, gaps: vec![(6, 8)], ..lane.clone() };
        assert_eq!(sealed[0].lanes, [first, Lane { epoch: 7, gaps: vec![(1, 2)], ..lane }]);
    }

    #[test]
    fn a_sensors_chain_goes_on_from_where_it_was() {
        let mut ranges = Ranges::default();
        ranges.note(&event(1, 1, None));
        let file = Digest::from(blake3::hash(b"file"));
        let sealed = ranges.seal(&BTreeMap::from([("s".to_owned(), file)]), file).unwrap();
        assert!(sealed[0].follows(&mut BTreeMap::from([("s".to_owned(), file)]), file));
        let mut other = BTreeMap::new();
        assert!(!sealed[0].follows(&mut other, file));
        assert_eq!(other["s"], sealed[0].chain);
    }

    #[test]
    fn spans_that_touch_are_one() {
        assert_eq!(
            merged(vec![(5, 6), (1, 2), (3, 3), (9, u64::MAX), (10, 11)]),
            [(1, 3), (5, 6), (9, u64::MAX)]
        );
    }
}
