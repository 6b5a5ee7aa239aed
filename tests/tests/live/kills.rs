//! Sensor and collector are killed again and again while files are opened all the time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use activity_tests::{EACH_OPEN, Machine, Person, Program, Sensor, collector, eventually, here};
use rustix::process::Signal;

use crate::{
    collectors::{Way, query},
    numbered::Files,
};

/// How many kills: few in an ordinary run.
fn kills() -> u64 {
    if std::env::var_os("ACTIVITY_TEST_LONG").is_some() { 500 } else { 8 }
}

/// Opens a file with a new name every millisecond while `work` runs. Gives how many.
fn while_files_are_opened<T: Send>(files: &Files, work: impl FnOnce() -> T + Send) -> (u64, T) {
    let (stop, opened) = (AtomicBool::new(false), AtomicU64::new(0));
    let done = std::thread::scope(|scope| {
        scope.spawn(|| {
            Person::new().act(|| {
                while !stop.load(Ordering::Acquire) {
                    let number = opened.load(Ordering::Relaxed);
                    drop(File::create(files.directory().join(number.to_string())).unwrap());
                    opened.store(number + 1, Ordering::Release);
                    // The pace, not a wait for anything.
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        });
        let done = work();
        stop.store(true, Ordering::Release);
        done
    });
    (opened.into_inner(), done)
}

/// Waits until the last file is stored.
fn wait_for(last: u64, store: &Path, files: &Files) -> BTreeMap<u64, u64> {
    eventually("the last file is stored", || {
        let stored = files.stored(|sql| query(store, sql));
        stored.contains_key(&last).then_some(stored)
    })
}

fn start_collector(sensor: &Sensor, store: &Path) -> Program {
    let address = format!("unix:{}", sensor.socket().display());
    Program::start(Command::new(collector()).args(["run", "--sensor", &address, "--store"]).arg(store))
}

/// A little while, another one each time.
fn pause(number: u64) {
    // When to kill, not a wait for anything.
    std::thread::sleep(Duration::from_millis(50 + number.wrapping_mul(7919) % 400));
}

/// Kills the collector again and again; nothing is missing and nothing doubled.
fn collector_is_killed(way: &str, sensor: &Sensor, start: impl Fn(&Path) -> Program + Sync) {
    let (store, files) = (sensor.path("store"), Files::new());
    let begun = Instant::now();
    let (opened, mut receiver) = while_files_are_opened(&files, || {
        let mut receiver = start(&store);
        await_consumer(sensor);
        for number in 0..kills() {
            pause(number);
            receiver.signal(Signal::KILL);
            receiver.wait();
            receiver = start(&store);
        }
        await_consumer(sensor);
        receiver
    });
    let stored = wait_for(opened - 1, &store, &files);
    let (missing, doubled) = (0..opened).fold((0, 0), |(missing, doubled), number| {
        let times = stored.get(&number).copied().unwrap_or(0);
        (missing + u64::from(times == 0), doubled + u64::from(times > 1))
    });
    println!(
        "{} kills of the collector, {way}, in {:?}, {opened} files opened: {missing} missing, {doubled} doubled",
        kills(),
        begun.elapsed()
    );
    assert_eq!((missing, doubled), (0, 0));
    assert!(query(&store, "SELECT 1 FROM events WHERE type = 'gap'").is_empty(), "nothing was lost");
    receiver.signal(Signal::TERM);
    receiver.wait();
}

/// Waits until a collector is connected, whichever end made the connection.
fn await_consumer(sensor: &Sensor) {
    eventually("a collector consumes", || {
        let consumers = sensor.status().spool.unwrap().consumers;
        consumers.iter().any(|consumer| consumer.connected).then_some(())
    });
}

#[test]
fn a_collector_that_is_killed_again_and_again_stores_every_event_once() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let sensor = Sensor::start(EACH_OPEN, &[]);
    collector_is_killed("which dials", &sensor, |store| start_collector(&sensor, store));
}

#[test]
fn a_collector_that_sensors_dial_out_to_is_killed_again_and_again_and_stores_every_event_once() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let way = Way::unix(directory.path());
    let sensor = Sensor::start(&way.push(EACH_OPEN), &[]);
    collector_is_killed("which listens", &sensor, |store| way.listen(store).program);
}

#[test]
fn a_sensor_that_is_killed_again_and_again_loses_nothing_that_it_sent_and_tells_each_kill() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let mut sensor = Sensor::start(EACH_OPEN, &[]);
    let (store, files) = (sensor.path("store"), Files::new());
    let begun = Instant::now();
    let mut receiver = start_collector(&sensor, &store);
    let (opened, ()) = while_files_are_opened(&files, || {
        for number in 0..kills() {
            pause(number);
            sensor.program.signal(Signal::KILL);
            sensor.program.wait();
            // Its spool opens each time, or it would not answer.
            sensor.start_again();
        }
        sensor.await_subscriber(receiver.pid());
        // Whatever is opened from here on is recorded.
        pause(0);
    });
    let stored = wait_for(opened - 1, &store, &files);
    let doubled = stored.values().filter(|times| **times > 1).count();
    // Every number of every run and lane is there once, from the first on.
    let sql = "SELECT epoch, lane, count(*) AS n, count(DISTINCT sequence) AS numbers, max(sequence) AS last \
               FROM events WHERE sequence > 0 GROUP BY epoch, lane";
    let mut runs = BTreeSet::new();
    for row in query(&store, sql) {
        let number = |key: &str| row[key].as_u64().unwrap();
        assert_eq!((number("n"), number("numbers")), (number("last"), number("last")), "{row}");
        runs.insert(number("epoch"));
    }
    assert_eq!(runs, (1..=kills() + 1).collect());
    let unclean =
        query(&store, "SELECT 1 FROM events WHERE type = 'gap' AND gap_reason = 'unclean_end'").len();
    let others = query(&store, "SELECT 1 FROM events WHERE type = 'gap' AND gap_reason <> 'unclean_end'");
    println!(
        "{} kills of the sensor in {:?}, {opened} files opened, {} stored, {doubled} doubled, {unclean} ends told",
        kills(),
        begun.elapsed(),
        stored.len()
    );
    assert_eq!((doubled, others.len()), (0, 0));
    // A lane in which there was nothing yet has no end to tell.
    assert!(unclean as u64 >= kills() && unclean as u64 <= 2 * kills(), "{unclean}");
    receiver.signal(Signal::TERM);
    receiver.wait();
}
