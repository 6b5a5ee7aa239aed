//! Hooks that outlive the sensor: what happens while it is away is told by the next run,
//! and what a killed one had in its hands is told exactly.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use activity_proto::v1::{
    ConsumeStart, Event, EventType, Gap, GapReason, Lane, consume_start::From, event::Payload,
};
use activity_tests::{
    Consumer, EACH_OPEN, Machine, Person, Sensor, deadline, eventually, here, sensor_program,
};
use aya::{
    maps::{Array, Map, MapData},
    programs::loaded_programs,
};
use rustix::{
    mount::{MountFlags, UnmountFlags, mount, unmount},
    process::Signal,
};

use crate::numbered::Files;

/// A bpf file system, until this is dropped: what is pinned in it goes then.
struct BpfFs(tempfile::TempDir);

impl BpfFs {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        mount("bpf", directory.path(), "bpf", MountFlags::empty(), None).unwrap();
        Self(directory)
    }

    fn pins(&self) -> PathBuf {
        self.0.path().join("activity")
    }

    /// A configuration that pins here.
    fn config(&self, more: &str) -> String {
        format!("{more}{EACH_OPEN}pin = \"{}\"\n", self.pins().display())
    }

    /// The directories of what is pinned.
    fn generations(&self) -> Vec<PathBuf> {
        let list = |path: &Path| -> Vec<PathBuf> {
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
        };
        list(&self.pins()).iter().flat_map(|sensor| list(sensor)).collect()
    }
}

impl Drop for BpfFs {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

fn stop(sensor: &mut Sensor) {
    sensor.program.signal(Signal::TERM);
    sensor.program.wait();
}

fn gaps(events: &[Event]) -> Vec<&Gap> {
    let gap = |event| match event {
        &Event { payload: Some(Payload::Gap(ref gap)), .. } => Some(gap),
        _ => None,
    };
    events.iter().filter_map(gap).collect()
}

/// How many opens a gap is about.
fn opens_in(gap: &Gap) -> u64 {
    let counted = gap.counts.iter().filter(|count| count.r#type() == EventType::Open);
    let numbered = (gap.to_sequence + 1).saturating_sub(gap.from_sequence);
    let numbered = if gap.lane() == Lane::File { numbered } else { 0 };
    counted.map(|count| count.count).sum::<u64>() + numbered
}

fn everything(sensor: &Sensor) -> Consumer {
    let start =
        ConsumeStart { consumer: "all".to_owned(), window_bytes: None, from: Some(From::Earliest(true)) };
    Consumer::start(&sensor.socket(), start)
}

/// Reads until it is enough, and acknowledges: it may be more than a window.
fn read(consumer: &mut Consumer, what: &str, mut enough: impl FnMut(&[Event]) -> bool) {
    let begun = Instant::now();
    while !enough(&consumer.seen) {
        assert!(begun.elapsed() < deadline(), "in vain: {what}; {:?}", gaps(&consumer.seen));
        consumer.next(deadline()).unwrap();
        consumer.acknowledge();
    }
}

/// Each file came once, in order. Only those are not there that the kernel passed the hooks
/// over for: at most so many as the heartbeats say, the next of which may have to come.
fn each_once(consumer: &mut Consumer, files: &Files, opened: u64) {
    read(consumer, "the rest, or that hooks were passed over", |events| {
        let told = files.of(events);
        assert!(told.is_sorted_by(|one, next| one < next), "{told:?}");
        let skipped = events.iter().filter_map(|event| match &event.payload {
            Some(Payload::Heartbeat(heartbeat)) => heartbeat.skipped,
            _ => None,
        });
        opened - told.len() as u64 <= skipped.max().unwrap_or(0)
    });
}

fn unload(sensor: &Sensor) -> (i32, String, String) {
    let mut command = Command::new(sensor_program());
    command.arg("unload").arg("--config").arg(sensor.path("config.toml"));
    let output = command.arg("--state").arg(sensor.path("state")).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_happens_between_two_runs_is_told_by_the_second() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let (bpf, files, person) = (BpfFs::new(), Files::new(), Person::new());
    let mut sensor = Sensor::start(&bpf.config(""), &[]);
    let programs = sensor.kernel_programs();
    let status = sensor.status().status.unwrap();
    files.open(person, 0..100);
    stop(&mut sensor);
    files.open(person, 100..300);
    sensor.start_again();
    files.open(person, 300..400);
    let mut consumer = everything(&sensor);
    consumer.read_until("all files", |events| files.of(events).len() >= 400);
    assert_eq!(files.of(&consumer.seen), (0..400).collect::<Vec<_>>());
    assert!(gaps(&consumer.seen).is_empty(), "{:?}", gaps(&consumer.seen));
    // They are the same programs, and as much is known of them.
    let again = sensor.kernel_programs();
    assert!(!again.is_empty() && again.iter().all(|program| programs.contains(program)), "{again:?}");
    let hooks = |status: &activity_proto::v1::Status| -> Vec<(String, String, bool)> {
        status.hooks.iter().map(|hook| (hook.name.clone(), hook.attached_to.clone(), hook.live)).collect()
    };
    let status_again = sensor.status().status.unwrap();
    assert_eq!((hooks(&status_again), &status_again.plan), (hooks(&status), &status.plan));
    consumer.read_until("a heartbeat in which everything is accounted for", |events| {
        let heartbeat = |event: &Event| match &event.payload {
            Some(Payload::Heartbeat(heartbeat)) => {
                Some(!heartbeat.stopping && heartbeat.conservation_error() == 0 && heartbeat.in_flight == 0)
            }
            _ => None,
        };
        events.iter().rev().find_map(heartbeat) == Some(true)
    });
    assert_eq!(bpf.generations().len(), 1);
}

#[test]
fn what_has_no_room_while_the_sensor_is_away_is_counted_exactly() {
    const OPENS: u64 = 5000;
    let Some(_machine) = Machine::alone(here!()) else { return };
    let (bpf, files, person) = (BpfFs::new(), Files::new(), Person::new());
    let config = format!("{}file_ring_bytes = 65536\n", bpf.config(""));
    let mut sensor = Sensor::start(&config, &[]);
    stop(&mut sensor);
    files.open(person, 0..OPENS);
    sensor.start_again();
    let mut consumer = everything(&sensor);
    consumer.read_until("each file, or that it is missing", |events| {
        let told: u64 = gaps(events).into_iter().map(opens_in).sum();
        files.of(events).len() as u64 + told >= OPENS
    });
    let told: u64 = gaps(&consumer.seen).into_iter().map(opens_in).sum();
    assert_eq!(files.of(&consumer.seen).len() as u64 + told, OPENS);
    assert!(told > OPENS / 2, "{told} did not fit");
    assert!(gaps(&consumer.seen).iter().all(|gap| gap.reason() == GapReason::RingFull));
}

#[test]
fn what_a_killed_sensor_had_in_its_hands_is_told_exactly() {
    // All of it has to fit into the spool.
    let (kills, round) =
        if std::env::var_os("ACTIVITY_TEST_LONG").is_some() { (500, 1000) } else { (6, 10_000) };
    let Some(_machine) = Machine::alone(here!()) else { return };
    let (bpf, files) = (BpfFs::new(), Files::new());
    let mut sensor = Sensor::start(&bpf.config(""), &[]);
    for number in 0..kills {
        let first = files.directory().join((number * round).to_string());
        thread::scope(|scope| {
            scope.spawn(|| files.open(Person::new(), number * round..(number + 1) * round));
            eventually("the files are being opened", || first.exists().then_some(()));
            // When to kill, not a wait for anything.
            thread::sleep(Duration::from_millis(5 + number * 7919 % 60));
            sensor.program.signal(Signal::KILL);
            sensor.program.wait();
        });
        sensor.start_again();
    }
    let opened = kills * round;
    let mut consumer = everything(&sensor);
    let (mut read_before, mut left) = (0, opened);
    read(&mut consumer, "each file, or that it is missing", |events| {
        let new = &events[read_before..];
        let told: u64 = gaps(new).into_iter().map(opens_in).sum();
        left = left.saturating_sub(files.of(new).len() as u64 + told);
        read_before = events.len();
        left == 0
    });
    let mut came = files.of(&consumer.seen);
    let in_all = came.len() as u64;
    came.sort_unstable();
    came.dedup();
    let told = |reason| -> u64 {
        let gaps = gaps(&consumer.seen).into_iter().filter(|gap| gap.reason() == reason);
        gaps.map(opens_in).sum()
    };
    let (hands, full) = (told(GapReason::UncleanEnd), told(GapReason::RingFull));
    println!(
        "{kills} kills, {opened} files opened: {in_all} came, {hands} were in the sensor's hands, {full} had no room"
    );
    assert_eq!(came.len() as u64, in_all, "none came twice");
    // One for each kill may be told although it came: that is said in docs/delivery.md.
    let sum = in_all + hands + full;
    assert!((opened..=opened + kills).contains(&sum), "each came or was told: {sum} of {opened}");
    let ends = gaps(&consumer.seen).iter().filter(|gap| gap.reason() == GapReason::UncleanEnd).count();
    assert!(ends as u64 >= kills, "{ends}");
}

#[test]
fn other_hooks_go_on_where_those_before_are() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let (bpf, files, person) = (BpfFs::new(), Files::new(), Person::new());
    let config = bpf.config("");
    let mut sensor = Sensor::start(&config, &[]);
    let before = bpf.generations();
    let is_over = AtomicBool::new(false);
    let opened = thread::scope(|scope| {
        let opener = scope.spawn(|| {
            let mut number = 0;
            while !is_over.load(Ordering::Acquire) {
                files.open(person, number..number + 1);
                number += 1;
                // Each is a process of its own: the ring has to hold them until the second run
                // reads, which an emulated machine starts in a quarter of a minute.
                thread::sleep(Duration::from_millis(5));
            }
            number
        });
        stop(&mut sensor);
        // Programs of another size of ring: as after an upgrade, all is loaded anew.
        sensor.configure(&format!("{config}file_ring_bytes = 4194304\n"));
        sensor.start_again();
        is_over.store(true, Ordering::Release);
        opener.join().unwrap()
    });
    let mut consumer = everything(&sensor);
    read(&mut consumer, "the last file", |events| files.of(events).last() == Some(&(opened - 1)));
    each_once(&mut consumer, &files, opened);
    assert!(gaps(&consumer.seen).is_empty(), "{:?}", gaps(&consumer.seen));
    let after = bpf.generations();
    assert!(after.len() == 1 && after != before, "{before:?}, then {after:?}");
    // Without pins, those that are there are read out and go as well.
    stop(&mut sensor);
    files.open(person, opened..opened + 10);
    sensor.configure(EACH_OPEN);
    sensor.start_again();
    consumer = everything(&sensor);
    read(&mut consumer, "ten more", |events| files.of(events).last() == Some(&(opened + 9)));
    each_once(&mut consumer, &files, opened + 10);
    assert!(bpf.generations().is_empty());
}

#[test]
fn unload_takes_the_hooks_out_of_the_kernel() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let (bpf, files, person) = (BpfFs::new(), Files::new(), Person::new());
    let mut sensor = Sensor::start(&bpf.config(""), &[]);
    let programs = sensor.kernel_programs();
    let (code, _, error) = unload(&sensor);
    assert!(code == 69 && error.contains("another sensor runs"), "{code}: {error}");
    sensor.program.signal(Signal::KILL);
    sensor.program.wait();
    // Nobody's process id is the sensor's now.
    let own = bpf.generations()[0].join("maps/OWN");
    let own: Array<_, u32> = Map::from_map_data(MapData::from_pin(own).unwrap()).unwrap().try_into().unwrap();
    assert_eq!(own.get(&0, 0).unwrap(), 0);
    drop(own);
    files.open(person, 0..10);
    let (code, said, error) = unload(&sensor);
    assert_eq!((code, error.as_str()), (0, ""));
    let unread: u64 = said.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    assert!(unread >= 10, "{said}");
    assert!(bpf.generations().is_empty());
    eventually("the programs are gone", || {
        let loaded: Vec<u32> = loaded_programs().flatten().map(|program| program.id()).collect();
        programs.iter().all(|program| !loaded.contains(program)).then_some(())
    });
    assert_eq!(unload(&sensor).1, "no hooks are pinned\n");
}

#[test]
fn a_place_that_takes_no_pins_is_refused_with_the_mend() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.toml");
    fs::write(&config, format!("[hooks]\npin = \"{}\"\n", directory.path().display())).unwrap();
    let mut command = Command::new(sensor_program());
    command.arg("run").arg("--config").arg(&config).arg("--state").arg(directory.path().join("state"));
    let output = command.arg("--socket").arg(directory.path().join("socket")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{error}");
    assert!(error.contains("is not in a bpf file system; mount one with"), "{error}");
}
