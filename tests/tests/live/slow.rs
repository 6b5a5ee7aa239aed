//! What cannot be delivered or recorded is counted exactly.

use std::{
    fs::{self, File},
    process::Command,
};

use activity_proto::v1::{EventType, Filter, Gap, GapReason, Lane, event::Payload};
use activity_tests::{EventExt as _, Machine, Person, Sensor, Subscription, here};
use rustix::process::Signal;

/// How many of a type these gaps say are missing.
fn missing(gaps: &[&Gap], reason: GapReason, event_type: EventType) -> u64 {
    let of_reason = gaps.iter().filter(|gap| gap.reason() == reason);
    of_reason
        .flat_map(|gap| &gap.counts)
        .filter(|count| count.r#type() == event_type)
        .map(|count| count.count)
        .sum()
}

/// Files that people open, at once in a row.
fn open_files(person: Person, count: usize) {
    person.act(|| (0..count).for_each(|_| drop(File::open("/etc/hostname").unwrap())));
}

/// Every number of the file lane that was received.
fn received(stream: &Subscription) -> Vec<u64> {
    let ids = stream.seen.iter().filter_map(|event| event.id.as_ref());
    ids.filter(|id| id.lane() == Lane::File && id.sequence > 0).map(|id| id.sequence).collect()
}

#[test]
fn a_slow_subscriber_is_told_what_it_missed_and_others_miss_nothing() {
    const COUNT: usize = 200_000;
    const PORTIONS: usize = 20;
    let Some(_machine) = Machine::alone(here!()) else { return };
    let room =
        "[stream]\nsubscriber_queue_bytes = 16777216\n[hooks]\nfold = false\nfile_ring_bytes = 268435456\n";
    let sensor = Sensor::start(room, &[]);
    let mut slow = Subscription::open_unread(&sensor.socket(), Filter::default());
    let mut fast = sensor.subscribe();
    let person = Person::new();
    // In portions, so that the fast one can be fast on a busy machine.
    let marks = tempfile::tempdir().unwrap();
    for portion in 0..PORTIONS {
        let mark = marks.path().join(format!("mark-{portion}"));
        open_files(person, COUNT / PORTIONS);
        person.act(|| fs::write(&mark, "").unwrap());
        fast.find("the mark", |event| event.path() == mark.as_os_str().as_encoded_bytes());
    }
    person.act(|| drop(File::open("/etc/shadow").unwrap()));

    let end =
        fast.find("the end", |event| event.login().0 == Some(person.auid) && event.path() == b"/etc/shadow");
    let last = end.id.unwrap().sequence;
    assert!(fast.gaps().is_empty(), "{:?}", fast.gaps());
    let of_fast = received(&fast);
    assert_eq!(of_fast, (of_fast[0]..=last).collect::<Vec<_>>());
    assert!(of_fast.len() > COUNT);

    slow.read();
    slow.read_until("the end, or that it is missed", |event| match &event.payload {
        Some(Payload::Gap(gap)) => gap.lane() == Lane::File && gap.to_sequence >= last,
        _ => event.id.as_ref().is_some_and(|id| id.lane() == Lane::File && id.sequence >= last),
    });
    let gaps: Vec<_> = slow.gaps().into_iter().filter(|gap| gap.lane() == Lane::File).collect();
    let missed = gaps.iter().flat_map(|gap| gap.from_sequence..=gap.to_sequence);
    let mut all: Vec<u64> = received(&slow).into_iter().chain(missed).collect();
    all.sort_unstable();
    assert_eq!(all, (of_fast[0]..=*all.last().unwrap()).collect::<Vec<_>>(), "each received or missed, once");
    let told = missing(&gaps, GapReason::SlowSubscriber, EventType::Open);
    assert_eq!(told as usize + received(&slow).len(), all.len());
    assert!(told > COUNT as u64 / 2, "{told} missed");
}

#[test]
fn a_full_ring_is_counted_and_costs_the_other_lane_nothing() {
    const OPENS: usize = 20_000;
    const STARTS: usize = 50;
    let Some(_machine) = Machine::alone(here!()) else { return };
    let sensor = Sensor::start("[hooks]\nfold = false\nfile_ring_bytes = 1048576\n", &[]);
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    sensor.program.stop();
    open_files(person, OPENS);
    person.act(|| {
        (0..STARTS).for_each(|number| drop(Command::new("/bin/true").arg(number.to_string()).status()))
    });
    sensor.program.signal(Signal::CONT);

    let last = (STARTS - 1).to_string();
    stream.find("the last start", |event| event.argv().last() == Some(&last.as_bytes()));
    stream.find("the gap", |event| event.event_type() == EventType::Gap);
    // Whatever is left to tell is told before this.
    person.act(|| drop(File::open("/etc/shadow")));
    stream.find("the end", |event| event.path() == b"/etc/shadow");

    assert_eq!(stream.of_type(EventType::Exec).count(), STARTS);
    let received = stream.seen.iter().filter(|event| event.path() == b"/etc/hostname").count() as u64;
    let gaps = stream.gaps();
    let lost = missing(&gaps, GapReason::RingFull, EventType::Open);
    // Starting a program opens files as well, which found the ring full too.
    let of_starts = lost + received - OPENS as u64;
    assert!(lost > 0 && received > 0, "{received} received, {gaps:?}");
    assert_eq!(of_starts % STARTS as u64, 0, "{received} received, {gaps:?}");
    let ring_full: u64 = sensor.status().lanes.iter().map(|lane| lane.ring_full).sum();
    assert_eq!(ring_full, lost, "{gaps:?}");
}
