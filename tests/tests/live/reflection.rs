//! A client that is not ours and knows nothing of our files.

use std::{
    ffi::OsString,
    fs::{self, File},
    process::Command,
};

use activity_tests::{EACH_OPEN, Machine, Person, Program, Sensor, here, skip};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/reflect.py");
const CONSUMER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/consume.py");

/// An interpreter with grpcio.
fn python(test: &str) -> Option<OsString> {
    let python = std::env::var_os("ACTIVITY_TEST_PYTHON");
    if python.is_none() {
        skip(test, "needs ACTIVITY_TEST_PYTHON, an interpreter with grpcio; `cargo xtask test` makes one");
    }
    python
}

#[test]
fn pythons_grpcio_reads_a_thousand_events_with_reflection_alone() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let Some(python) = python(here!()) else { return };
    let sensor = Sensor::start(EACH_OPEN, &[]);
    let mut client = Command::new(python);
    let mut client = Program::start(client.arg(SCRIPT).arg(sensor.socket()).arg("1000"));
    client.stdout_until("it subscribes", |text| text.ends_with(b"subscribed\n").then_some(()));
    let person = Person::new();
    person.act(|| (0..1000).for_each(|_| drop(File::open("/etc/hostname").unwrap())));
    let status = client.wait();
    assert_eq!(status.code(), Some(0), "{}", client.stderr());
    client.stdout_until("its count", |text| {
        let text = std::str::from_utf8(text).unwrap();
        text.contains(&format!("opens of /etc/hostname by {}: 1000\n", person.auid)).then_some(())
    });
}

#[test]
fn a_collector_of_sixty_lines_of_python_misses_and_doubles_nothing_over_its_restarts() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let Some(python) = python(here!()) else { return };
    let sensor = Sensor::start(EACH_OPEN, &[]);
    let (person, output) = (Person::new(), sensor.path("events.txt"));
    let directory = tempfile::tempdir().unwrap();
    for run in 0..3 {
        let paths: Vec<_> = (0..100).map(|file| directory.path().join(format!("{run}-{file}"))).collect();
        person.act(|| paths.iter().for_each(|path| drop(File::create(path).unwrap())));
        let mut client = Command::new(&python);
        client.arg(CONSUMER).arg(sensor.socket()).arg("small").arg(&output).arg(paths.last().unwrap());
        let mut client = Program::start(&mut client);
        let status = client.wait();
        assert_eq!(status.code(), Some(0), "{}", client.stderr());
    }
    let text = fs::read_to_string(&output).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all, "nothing comes twice");
    let wanted = format!("'{}/", directory.path().display());
    assert_eq!(lines.iter().filter(|line| line.contains(&wanted)).count(), 300);
}
