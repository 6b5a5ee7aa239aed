//! Heartbeats come in time, and what they tell adds up.

use std::{fs::File, time::Duration};

use activity_proto::v1::{EventType, Heartbeat, TypeTerms};
use activity_tests::{EventExt as _, Machine, Person, Sensor, Subscription, eventually, here, patience};
use rustix::process::Signal;

const EVERY_SECOND: &str = "[sensor]\nheartbeat = 1\n";
const COUNT: u64 = 20_000;

fn heartbeats(stream: &Subscription) -> Vec<&Heartbeat> {
    stream.seen.iter().filter_map(|event| event.heartbeat()).collect()
}

fn opens(heartbeat: &Heartbeat) -> TypeTerms {
    heartbeat.types.iter().find(|terms| terms.r#type() == EventType::Open).copied().unwrap_or_default()
}

#[test]
fn heartbeats_come_at_their_interval_and_soon_after_somebody_came() {
    const BEATS: usize = 5;
    let Some(_machine) = Machine::alone(here!()) else { return };
    let sensor = Sensor::start(EVERY_SECOND, &[]);
    let mut stream = sensor.subscribe_to(EventType::Heartbeat);
    for _ in 0..=BEATS {
        stream.read_until("a heartbeat", |event| event.heartbeat().is_some());
    }
    let times: Vec<u64> = stream.of_type(EventType::Heartbeat).map(|event| event.boottime_ns).collect();
    let between = times.windows(2).map(|pair| Duration::from_nanos(pair[1] - pair[0]));
    let between: Vec<Duration> = between.collect();
    println!("between two heartbeats: {between:?}");
    // The first is for who has subscribed, or the regular one.
    for between in &between[1..] {
        assert!(*between > Duration::from_millis(500) && *between < patience(Duration::from_secs(2)));
    }
    let heartbeat = heartbeats(&stream).into_iter().next_back().unwrap();
    assert_eq!((heartbeat.interval_seconds, heartbeat.stopping), (1, false));
    assert!(heartbeat.uptime_ns > 1_000_000_000 && heartbeat.cpu_ns > 0);
    assert!(heartbeat.rss_bytes.is_some_and(|bytes| bytes > 1_000_000));
    let status = sensor.status().status.unwrap();
    assert_eq!(heartbeat.object_sha256, status.object_sha256);
    assert_eq!(heartbeat.policy_version, status.policy_version);

    let sensor = Sensor::start("[sensor]\nheartbeat = 60\n", &[]);
    let begun = std::time::Instant::now();
    sensor.subscribe_to(EventType::Heartbeat).read_until("the first", |event| event.heartbeat().is_some());
    println!("the first heartbeat came {:?} after the subscription", begun.elapsed());
    assert!(begun.elapsed() < patience(Duration::from_secs(5)));
}

/// Opens a file so many times, and holds what heartbeats tell against that.
fn what_is_told_adds_up(name: &str, arguments: &[&str]) {
    let mut sensor = Sensor::start(EVERY_SECOND, arguments);
    let (mut stream, person) = (sensor.subscribe_to(EventType::Heartbeat), Person::new());
    stream.read_until("a heartbeat", |event| event.heartbeat().is_some());
    let before = opens(heartbeats(&stream)[0]);
    let mut hers = sensor.follow(&person);
    person.act(|| {
        (0..COUNT).for_each(|_| drop(File::open("/etc/hostname").unwrap()));
        drop(File::open("/etc/shadow").unwrap());
    });

    let told = |hers: &Subscription| -> u64 {
        let opens = hers.seen.iter().filter(|event| event.path() == b"/etc/hostname");
        opens.map(|event| event.count.unwrap_or(1)).sum()
    };
    eventually("all of her opens are told", || {
        hers.read_what_is_there();
        (told(&hers) >= COUNT).then_some(())
    });
    assert_eq!(told(&hers), COUNT, "{:?}", hers.gaps());
    let quiet = eventually("a quiet moment", || {
        stream.read_what_is_there();
        let mut last = heartbeats(&stream).into_iter().rev();
        last.find(|heartbeat| {
            opens(heartbeat).hits >= before.hits + COUNT && heartbeat.conservation_error() == 0
        })
        .cloned()
    });
    assert!(quiet.in_flight > 0 || quiet.types.iter().all(|terms| terms.conservation_error() == 0));

    // The machine is never quiet for certain. At the end nothing is under way.
    sensor.program.signal(Signal::TERM);
    sensor.program.wait();
    stream.read_to_end();
    let all = heartbeats(&stream);
    let errors: Vec<i64> = all.iter().map(|heartbeat| heartbeat.conservation_error()).collect();
    assert!(errors.iter().all(|&error| error >= 0), "{errors:?}");
    let last = all.last().unwrap();
    assert!(last.stopping && all.iter().filter(|heartbeat| heartbeat.stopping).count() == 1);
    for terms in &last.types {
        assert_eq!((terms.kernel_error(), terms.pipeline_error()), (0, 0), "{terms:?}");
    }
    assert_eq!((last.in_flight, last.conservation_error()), (0, 0));
    let spool = last.spool.as_ref().unwrap();
    for (lane, kept) in last.lanes.iter().zip(&spool.lanes) {
        assert_eq!((lane.lane, lane.last_sequence), (kept.lane, kept.written + kept.missed + kept.waiting));
    }
    let of_opens = opens(last);
    assert!(of_opens.hits >= before.hits + COUNT);
    println!(
        "{name}: {COUNT} opens, {} told; errors of {} heartbeats {errors:?}; at the end 0 of {} hits, of opens {of_opens:?}",
        told(&hers),
        all.len(),
        last.total(|terms| terms.hits),
    );
}

#[test]
fn with_everything_recorded_what_heartbeats_tell_adds_up() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    what_is_told_adds_up("everything", &["--all"]);
}

#[test]
fn with_the_default_policy_what_heartbeats_tell_adds_up() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    what_is_told_adds_up("default policy", &[]);
}

#[test]
fn watch_shows_heartbeats_only_when_they_are_asked_for() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::start(EVERY_SECOND, &[]);
    let quiet = activity_tests::Watch::start(&sensor, &[]);
    let asked = activity_tests::Watch::start(&sensor, &["--type", "heartbeat"]);
    let all = activity_tests::Watch::start(&sensor, &["--all"]);
    for _ in 0..2 {
        asked.until_line(&["heartbeat: up "]);
    }
    all.until_line(&["heartbeat: up "]);
    let person = Person::new();
    person.act(|| drop(File::open("/etc/shadow")));
    assert!(!quiet.until_line(&["/etc/shadow"]).contains("heartbeat: up "));
}
