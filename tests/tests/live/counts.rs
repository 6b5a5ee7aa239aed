//! A hundred thousand opens, counted against the one who made them.

use std::{
    fs::{self, File, OpenOptions},
    path::Path,
};

use activity_tests::{EventExt as _, Machine, Person, Sensor, here};

const COUNT: usize = 100_000;

/// Every name, also those that do not exist, of everybody who logged in.
const NO_NAME_IS_NOISE: &str = "[policy]\nnoise = false\nmissing = true\n";

#[test]
fn a_hundred_thousand_opens_are_that_many_events_each_once() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let sensor = Sensor::start(NO_NAME_IS_NOISE, &[]);
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    // Memory rather than a disk, so that the sensor gets no time to breathe.
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let directory = tempfile::Builder::new().prefix("activity-opens-").tempdir_in(place).unwrap();
    let name = |number: usize| directory.path().join(format!("name-{number}"));

    person.act(|| {
        for number in 0..COUNT {
            match number % 2 {
                0 => drop(OpenOptions::new().write(true).create_new(true).open(name(number)).unwrap()),
                _ => assert!(File::open(name(number)).is_err()),
            }
        }
        fs::write(directory.path().join("last"), "").unwrap();
    });

    let prefix = name(0).into_os_string().into_encoded_bytes();
    let prefix = prefix.strip_suffix(b"0").unwrap();
    let last = directory.path().join("last").into_os_string().into_encoded_bytes();
    stream.find("the last open", |event| event.path() == last);
    let mut times = vec![0; COUNT];
    for event in &stream.seen {
        let Some(number) = event.path().strip_prefix(prefix) else { continue };
        let number: usize = std::str::from_utf8(number).unwrap().parse().unwrap();
        times[number] += 1;
        assert_eq!(event.success(), Some(number % 2 == 0), "{event:?}");
    }
    let of = |wanted| times.iter().filter(|&&count| count == wanted).count();
    assert!(stream.gaps().is_empty(), "{} seen once, {:?}", of(1), stream.gaps());
    assert_eq!((of(0), of(1)), (0, COUNT), "(lost, seen once)");
}
