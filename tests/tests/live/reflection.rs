//! A client that is not ours and knows nothing of our files.

use std::{fs::File, process::Command};

use activity_tests::{EACH_OPEN, Machine, Person, Program, Sensor, here, skip};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/reflect.py");

#[test]
fn pythons_grpcio_reads_a_thousand_events_with_reflection_alone() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let Some(python) = std::env::var_os("ACTIVITY_TEST_PYTHON") else {
        return skip(
            here!(),
            "needs ACTIVITY_TEST_PYTHON, an interpreter with grpcio; `cargo xtask test` makes one",
        );
    };
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
