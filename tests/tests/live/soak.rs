//! A long steady load, and memory that stays as it is.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use activity_tests::{EACH_OPEN, Machine, Person, Program, Sensor, collector, eventually, here};
use rustix::process::Signal;

use crate::collectors::{Listening, query};

/// Between two opens, and how many of them a program is started after.
const PACE: Duration = Duration::from_millis(1);
const PROGRAM_EVERY: u64 = 50;
/// How often the log is rolled in that time: many times also in the first third.
const ROLLS: u64 = 60;
/// Names are used again, so that the load itself needs no more and more room.
const NAMES: u64 = 500;
/// By how much the most of the last third may be above the most of the first, MiB; a minute
/// is not enough to warm up.
fn margin() -> u64 {
    if is_long() { 16 } else { 64 }
}

fn is_long() -> bool {
    std::env::var_os("ACTIVITY_TEST_LONG").is_some()
}

/// Ten minutes, or one that shows that the test itself is right.
fn time() -> Duration {
    Duration::from_secs(if is_long() { 600 } else { 60 })
}

/// Opens, and starts, until it is told to stop. Gives how many opens.
fn load(directory: &Path, stop: &AtomicBool) -> u64 {
    Person::new().act(|| {
        let mut opened = 0;
        while !stop.load(Ordering::Acquire) {
            drop(File::create(directory.join((opened % NAMES).to_string())).unwrap());
            opened += 1;
            if opened % PROGRAM_EVERY == 0 {
                assert!(Command::new("true").status().unwrap().success());
            }
            thread::sleep(PACE);
        }
        opened
    })
}

/// The memory that a process has, KiB.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The most in the first third, and in the last.
fn thirds(samples: &[u64]) -> (u64, u64) {
    let third = samples.len() / 3;
    let most = |part: &[u64]| part.iter().copied().max().unwrap();
    (most(&samples[..third]), most(&samples[samples.len() - third..]))
}

#[test]
fn under_a_steady_load_the_memory_of_sensor_and_collector_stays_as_it_is() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let work = tempfile::tempdir().unwrap();
    let (address, store) =
        (format!("unix:{}", work.path().join("socket").display()), work.path().join("store"));
    let config = work.path().join("collector.toml");
    fs::write(&config, format!("[roll]\nseconds = {}\n", time().as_secs() / ROLLS)).unwrap();
    let mut command = Command::new(collector());
    command.arg("run").arg("--config").arg(&config).args(["--listen", &address, "--store"]).arg(&store);
    let receiver = Listening::new(Program::start(&mut command), store.clone());
    let mut sensor = Sensor::start(&format!("[stream]\npush = [\"{address}\"]\n{EACH_OPEN}"), &[]);
    let files = tempfile::tempdir().unwrap();
    let (stop, begun) = (AtomicBool::new(false), Instant::now());
    let (mut of_sensor, mut of_collector) = (Vec::new(), Vec::new());
    let opened = thread::scope(|scope| {
        let load = scope.spawn(|| load(files.path(), &stop));
        while begun.elapsed() < time() {
            of_sensor.push(resident(sensor.program.pid()));
            of_collector.push(resident(receiver.program.pid()));
            // The pace of looking, not a wait for anything.
            thread::sleep(Duration::from_millis(500));
        }
        stop.store(true, Ordering::Release);
        load.join().unwrap()
    });
    println!("{opened} opens in {:?}; memory, the most of the first and of the last third:", begun.elapsed());
    for (who, samples) in [("sensor", &of_sensor), ("collector", &of_collector)] {
        let (first, last) = thirds(samples);
        let course = samples.iter().step_by(samples.len() / 12).map(|sample| sample / 1024);
        println!("{who}, MiB: {:?}", course.collect::<Vec<_>>());
        println!("{who}: {:.1} and {:.1} MiB", first as f64 / 1024.0, last as f64 / 1024.0);
        assert!(last <= first + margin() * 1024, "{who} grows: {first} KiB, then {last} KiB");
    }
    let prefix = files.path().display();
    let sql = format!(
        "SELECT sum(coalesce(count, 1)) AS n FROM events WHERE type = 'open' AND path LIKE '{prefix}/%'"
    );
    eventually("all is stored", || {
        let rows = query(&store, &sql);
        let stored = rows.first()?["n"].as_u64()?;
        assert!(stored <= opened, "{stored} of {opened}");
        if stored < opened {
            println!("{stored} of {opened} are stored so far");
        }
        (stored == opened).then_some(())
    });
    assert!(query(&store, "SELECT 1 FROM events WHERE type = 'gap'").is_empty());
    println!("all stored once, 0 gaps, after {:?}", begun.elapsed());
    sensor.program.signal(Signal::TERM);
    assert!(sensor.program.wait().success());
    receiver.end();
}
