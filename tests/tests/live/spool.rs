//! What the sensor keeps on its disk, for consumers that acknowledge.

use std::{collections::BTreeSet, fs::File, time::Duration};

use activity_proto::v1::{ConsumeStart, Event, GapReason, Lane, consume_start::From, event::Payload};
use activity_tests::{Consumer, EACH_OPEN, Machine, Person, Sensor, here};
use rustix::process::Signal;

use crate::numbered::Files;

fn gaps(events: &[Event]) -> Vec<(Lane, GapReason, u64)> {
    let gap = |event: &Event| match &event.payload {
        Some(Payload::Gap(gap)) => Some((gap.lane(), gap.reason(), gap.epoch.unwrap_or_default())),
        _ => None,
    };
    events.iter().filter_map(gap).collect()
}

#[test]
fn a_consumer_that_was_away_gets_all_and_again_what_it_had_not_acknowledged() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::start(EACH_OPEN, &[]);
    let (person, files) = (Person::new(), Files::new());
    // Before anybody comes.
    files.open(person, 0..50);
    let mut first = Consumer::open(&sensor.socket(), "siem");
    first.read_until("fifty files", |events| files.of(events).len() == 50);
    drop(first);
    files.open(person, 50..100);
    let mut again = Consumer::open(&sensor.socket(), "siem");
    again.read_until("all hundred, as nothing was acknowledged", |events| files.of(events).len() == 100);
    assert_eq!(files.of(&again.seen), (0..100).collect::<Vec<_>>());
    again.acknowledge();
    activity_tests::eventually("the sensor knows", || {
        let spool = sensor.status().spool.unwrap();
        let acknowledged = spool.consumers[0].acknowledged.clone().unwrap();
        let is_known = |position| acknowledged.positions.contains(position);
        again.cursor().positions.iter().all(is_known).then_some(())
    });
    drop(again);
    files.open(person, 100..120);
    let mut third = Consumer::open(&sensor.socket(), "siem");
    third.read_until("what is new", |events| files.of(events).last() == Some(&119));
    assert_eq!(files.of(&third.seen), (100..120).collect::<Vec<_>>());
    assert!(gaps(&third.seen).is_empty());
}

#[test]
fn a_consumer_begins_where_it_wants() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::start(EACH_OPEN, &[]);
    let (person, files) = (Person::new(), Files::new());
    files.open(person, 0..20);
    let mut all = Consumer::from(&sensor.socket(), "all", From::Earliest(true));
    all.read_until("twenty files", |events| files.of(events).len() == 20);
    let mut latest = Consumer::from(&sensor.socket(), "latest", From::Latest(true));
    let mut behind = Consumer::from(&sensor.socket(), "behind", From::Cursor(all.cursor()));
    files.open(person, 20..40);
    for consumer in [&mut latest, &mut behind] {
        consumer.read_until("twenty more", |events| files.of(events).last() == Some(&39));
        assert_eq!(files.of(&consumer.seen), (20..40).collect::<Vec<_>>());
    }
    let tenth = all.seen.iter().find(|event| files.of(std::slice::from_ref(event)) == [10]).unwrap();
    let mut then = Consumer::from(&sensor.socket(), "then", From::Time(tenth.time.unwrap()));
    then.read_until("the last", |events| files.of(events).last() == Some(&39));
    let seen: BTreeSet<_> = files.of(&then.seen).into_iter().collect();
    assert!((10..40).all(|number| seen.contains(&number)), "{seen:?}");
}

#[test]
fn what_was_written_survives_a_kill_and_the_kill_is_told() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let mut sensor = Sensor::start(EACH_OPEN, &[]);
    let (person, files) = (Person::new(), Files::new());
    files.open(person, 0..100);
    let mut consumer = Consumer::open(&sensor.socket(), "siem");
    consumer.read_until("hundred files", |events| files.of(events).len() == 100);
    let epoch = sensor.status().epoch;
    sensor.program.signal(Signal::KILL);
    sensor.program.wait();
    sensor.start_again();
    files.open(person, 100..120);
    let mut consumer = Consumer::open(&sensor.socket(), "siem");
    consumer.read_until("the last file and both ends", |events| {
        files.of(events).last() == Some(&119) && gaps(events).len() == 2
    });
    assert_eq!(files.of(&consumer.seen), (0..120).collect::<Vec<_>>());
    let mut told = gaps(&consumer.seen);
    told.sort_unstable();
    let unclean = |lane| (lane, GapReason::UncleanEnd, epoch);
    assert_eq!(told, [unclean(Lane::Process), unclean(Lane::File)]);
    // An end in order is not.
    sensor.program.signal(Signal::TERM);
    sensor.program.wait();
    sensor.start_again();
    let behind = From::Cursor(consumer.cursor());
    let mut consumer = Consumer::from(&sensor.socket(), "siem", behind);
    files.open(person, 120..121);
    consumer.read_until("one more file", |events| files.of(events).last() == Some(&120));
    assert!(gaps(&consumer.seen).is_empty(), "{:?}", gaps(&consumer.seen));
}

#[test]
fn a_consumer_that_acknowledges_nothing_gets_a_window_and_holds_nobody_up() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::start(EACH_OPEN, &[]);
    let (person, files) = (Person::new(), Files::new());
    let window_bytes = Some(64 * 1024);
    let start = |name: &str| ConsumeStart { consumer: name.to_owned(), window_bytes, from: None };
    let mut slow = Consumer::start(&sensor.socket(), start("slow"));
    let mut fast = Consumer::start(&sensor.socket(), start("fast"));
    for portion in 0..10 {
        files.open(person, portion * 200..portion * 200 + 200);
        while (files.of(&fast.seen).len() as u64) < portion * 200 + 200 {
            assert!(fast.next(activity_tests::deadline()).unwrap().is_some(), "the fast one waits");
            fast.acknowledge();
        }
    }
    assert_eq!(files.of(&fast.seen), (0..2000).collect::<Vec<_>>());
    while slow.next(Duration::from_millis(500)).unwrap().is_some() {}
    let got = files.of(&slow.seen).len();
    assert!(got < 1000, "{got} of 2000 events went out unacknowledged");
    slow.acknowledge();
    assert!(slow.next(activity_tests::deadline()).unwrap().is_some(), "it goes on");
}

#[test]
fn one_name_is_one_consumer_and_wrong_ones_are_refused() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut first = Consumer::open(&sensor.socket(), "siem");
    let mut second = Consumer::open(&sensor.socket(), "siem");
    let begun = std::time::Instant::now();
    let status = loop {
        assert!(begun.elapsed() < activity_tests::deadline(), "the first connection goes on");
        person.act(|| drop(File::open("/etc/shadow").unwrap()));
        match first.next(Duration::from_millis(50)) {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert!(status.message().contains("another connection"), "{status}");
    assert!(second.next(activity_tests::deadline()).unwrap().is_some());
    let start = ConsumeStart { consumer: "No Name".to_owned(), ..ConsumeStart::default() };
    let refused = Consumer::try_to_start(&sensor.socket(), start).err().unwrap();
    assert!(refused.message().contains("a-z"), "{refused}");
    let without = Sensor::start("[spool]\nenabled = false\n", &[]);
    let start = ConsumeStart { consumer: "siem".to_owned(), ..ConsumeStart::default() };
    let refused = Consumer::try_to_start(&without.socket(), start).err().unwrap();
    assert!(refused.message().contains("spool.enabled"), "{refused}");
}
