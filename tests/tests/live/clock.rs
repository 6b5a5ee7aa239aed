//! The wall clock is set, by a day each way. Only in guests: it is the clock of everybody.

use std::time::Duration;

use activity_proto::v1::{Event, EventType, Lane};
use activity_tests::{Consumer, EACH_OPEN, EventExt as _, Machine, Person, Sensor, here, patience, skip};
use rustix::{
    process::Signal,
    time::{ClockId, Timespec, clock_gettime, clock_settime},
};

use crate::numbered::{Files, accounted};

const DAY: i64 = 24 * 3600;

/// What the wall clock is ahead of where it belongs, until this is dropped.
struct Ahead(i64);

impl Ahead {
    fn set(&mut self, seconds: i64) {
        let now = clock_gettime(ClockId::Realtime);
        let tv_sec = now.tv_sec + seconds - self.0;
        clock_settime(ClockId::Realtime, Timespec { tv_sec, ..now }).expect("root may set the clock");
        self.0 = seconds;
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.set(0);
    }
}

fn seconds(event: &Event) -> i64 {
    event.time.expect("every event has a time").seconds
}

#[test]
fn a_clock_that_is_set_a_day_forward_and_back_costs_nothing_and_keeps_the_order() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    if std::env::var_os("ACTIVITY_TEST_GUEST").is_none() {
        return skip(here!(), "sets the machine's clock; only in guests of `cargo xtask vm`");
    }
    // What a day makes too old, if it is believed.
    let config =
        format!("[sensor]\nheartbeat = 1\n[spool]\nmax_age_hours = 1\nfile_bytes = 4194304\n{EACH_OPEN}");
    let mut sensor = Sensor::start(&config, &[]);
    let (person, files, mut ahead) = (Person::new(), Files::new(), Ahead(0));
    let mut beats = sensor.subscribe_to(EventType::Heartbeat);
    let mut consumer = Consumer::open(&sensor.socket(), "siem");
    let mut opened = 0;
    for days in [0, 1, 0, -1, 0] {
        ahead.set(days * DAY);
        let before = clock_gettime(ClockId::Realtime).tv_sec;
        files.open(person, opened..opened + 1000);
        opened += 1000;
        consumer.read_until("all files", |events| files.of(events).last() == Some(&(opened - 1)));
        let last = consumer.seen.iter().rfind(|event| !files.of(std::slice::from_ref(*event)).is_empty());
        let told = seconds(last.expect("it was read"));
        assert!(
            (told - before).unsigned_abs() < patience(Duration::from_secs(10)).as_secs(),
            "{told} {before}"
        );
        beats.read_until("a heartbeat", |event| event.heartbeat().is_some());
        beats.read_until("another", |event| event.heartbeat().is_some());
    }
    let between: Vec<_> = beats.seen.windows(2).map(|two| two[1].boottime_ns - two[0].boottime_ns).collect();
    let most = Duration::from_nanos(between.iter().copied().max().expect("there were some"));
    assert!(most < patience(Duration::from_secs(5)), "heartbeats do not wait for a clock: {most:?}");
    let epoch = sensor.status().epoch;
    // What a reader gets that begins anew: nothing was too old.
    sensor.program.signal(Signal::TERM);
    sensor.program.wait();
    sensor.start_again();
    let mut again = Consumer::open(&sensor.socket(), "again");
    again.read_until("all files once more", |events| files.of(events).last() == Some(&(opened - 1)));
    for seen in [&consumer.seen, &again.seen] {
        assert_eq!(files.of(seen), (0..opened).collect::<Vec<_>>(), "in order");
        for lane in [Lane::Process, Lane::File] {
            let (came, told) = accounted(seen, lane, epoch);
            assert!(told.is_empty(), "{came} {told:?}");
        }
        let of_files = seen.iter().filter(|event| !files.of(std::slice::from_ref(*event)).is_empty());
        assert!(of_files.is_sorted_by_key(|event| event.boottime_ns), "by boottime");
    }
    println!(
        "the clock was set a day forward and back twice: {opened} of {opened} files in order, no gap; heartbeats {most:?} apart at most"
    );
}
