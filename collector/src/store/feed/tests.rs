//! What an export gets to read, however often it looks and whatever becomes of the files.

mod world;

use activity_proto::v1::{EventId, Gap, GapReason, Lane, event::Payload};
use bytes::Bytes;
use world::World;

use super::*;

fn id(epoch: u64, sequence: u64) -> Option<EventId> {
    let lane = Lane::File.into();
    Some(EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch, lane, sequence })
}

fn event(sequence: u64) -> Bytes {
    Event { id: id(1, sequence), ..Event::default() }.encode_to_vec().into()
}

fn found_gap(from_sequence: u64, to_sequence: u64) -> Bytes {
    let (lane, reason) = (Lane::File.into(), GapReason::NotConnected.into());
    let gap = Gap { lane, from_sequence, to_sequence, reason, ..Gap::default() };
    Event { id: id(1, 0), payload: Some(Payload::Gap(gap)), ..Event::default() }.encode_to_vec().into()
}

/// Sequences, of a gap its first as a negative number.
fn read(feed: &mut Feed) -> Vec<i64> {
    let mut all = Vec::new();
    loop {
        let events = feed.next(7).unwrap();
        if events.is_empty() {
            return all;
        }
        all.extend(events.iter().map(|event| match &event.payload {
            Some(Payload::Gap(gap)) => -(gap.from_sequence as i64),
            _ => event.id.as_ref().unwrap().sequence as i64,
        }));
    }
}

fn feed(world: &World, position: Position) -> Feed {
    Feed::new(world.layout.clone(), position, Span::default())
}

#[test]
fn the_log_is_read_as_it_grows_each_event_once() {
    let mut world = World::new();
    let mut feed = feed(&world, Position::default());
    assert_eq!(read(&mut feed), [0; 0]);
    let mut sequence = 0;
    for count in [1, 5, 30] {
        world.append((sequence + 1..=sequence + count).map(event).collect());
        let expected: Vec<i64> = (sequence as i64 + 1..=(sequence + count) as i64).collect();
        assert_eq!(read(&mut feed), expected);
        assert_eq!(read(&mut feed), [0; 0]);
        sequence += count;
    }
}

#[test]
fn a_segment_that_is_rolled_while_it_is_read_is_read_once() {
    for taken in [0, 3, 10] {
        let mut world = World::new();
        world.append((1..=9).map(event).chain([found_gap(10, 12)]).collect());
        let mut reading = feed(&world, Position::default());
        let first = reading.next(taken).unwrap();
        assert_eq!(first.len(), taken);
        let position = reading.position().clone();
        world.begin_segment();
        world.roll(1);
        let expected: Vec<i64> = (1..=9).chain([-10]).skip(taken).collect();
        let mut other = feed(&world, position);
        for (who, feed) in [("the one who was reading", &mut reading), ("one who begins there", &mut other)] {
            let mut rest = read(feed);
            rest.sort_unstable_by_key(|sequence| sequence.abs());
            assert_eq!(rest, expected, "{who}");
        }
        assert_eq!((reading.missed, reading.unreadable, other.missed), (0, 0, 0));
    }
}

#[test]
fn what_retention_removed_before_it_was_read_is_counted() {
    let mut world = World::new();
    let mut reading = feed(&world, Position::default());
    world.append((1..=3).map(event).collect());
    assert_eq!(reading.next(3).unwrap().len(), 3);
    for sequences in [4..=8, 9..=9] {
        world.begin_segment();
        world.append(sequences.map(event).collect());
    }
    world.begin_segment();
    world.roll(3);
    std::fs::remove_file(&world.layout.files().unwrap()[1].path).unwrap();
    assert_eq!(read(&mut reading), [9]);
    assert_eq!(reading.missed, 5);
}

#[test]
fn a_file_without_events_of_the_span_is_passed_over_and_nothing_is_missed() {
    let mut world = World::new();
    let dated = |sequence: u64, seconds: i64| {
        let time = Some(prost_types::Timestamp { seconds, nanos: 0 });
        Bytes::from(Event { id: id(1, sequence), time, ..Event::default() }.encode_to_vec())
    };
    world.append(vec![
        dated(1, world::NEW_YEAR),
        dated(2, world::NEW_YEAR + 90_000),
        dated(3, world::NEW_YEAR + 5),
    ]);
    world.begin_segment();
    world.roll(1);
    world.append(vec![dated(4, world::NEW_YEAR + 90_001)]);
    let since = Some((world::NEW_YEAR + 80_000) * 1_000_000_000);
    let mut feed = Feed::new(world.layout.clone(), Position::default(), Span { since, until: None });
    assert_eq!((read(&mut feed), feed.missed), (vec![2, 4], 0));
}

#[test]
fn a_gap_that_is_told_is_nothing_missed() {
    let mut position = Position::default();
    let mut pass = |bytes: Bytes| position.pass(&Event::decode(bytes).unwrap());
    assert_eq!(pass(event(1)), Verdict::New { missed: 0 });
    assert_eq!(pass(found_gap(2, 5)), Verdict::New { missed: 0 });
    assert_eq!(pass(found_gap(2, 5)), Verdict::Known);
    assert_eq!(pass(event(6)), Verdict::New { missed: 0 });
    assert_eq!(pass(event(6)), Verdict::Known);
    assert_eq!(pass(event(9)), Verdict::New { missed: 2 });
}

#[test]
fn what_is_no_event_is_counted_and_passed_over() {
    let mut world = World::new();
    world.append(vec![Bytes::from_static(b"\xff\xff"), event(1)]);
    let mut feed = feed(&world, Position::default());
    assert_eq!(read(&mut feed), [1]);
    assert_eq!(feed.unreadable, 1);
}
