//! A hundred thousand opens, counted against the one who made them.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
};

use activity_proto::v1::GapReason;
use activity_tests::{EventExt as _, Machine, Person, Sensor, Subscription, eventually, here};
use tempfile::TempDir;

const COUNT: usize = 100_000;

/// Every name, also those that do not exist, of everybody who logged in.
const NO_NAME_IS_NOISE: &str = "[policy]\nnoise = false\nmissing = true\n";

/// A directory in memory rather than on a disk, so that the sensor gets no time
/// to breathe.
struct Names(TempDir);

impl Names {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Self(tempfile::Builder::new().prefix("activity-opens-").tempdir_in(place).unwrap())
    }

    fn path(&self, name: impl std::fmt::Display) -> PathBuf {
        self.0.path().join(format!("name-{name}"))
    }

    /// Opens `COUNT` files as fast as it goes; each second one is not there.
    fn open_all(&self) {
        for number in 0..COUNT {
            match number % 2 {
                0 => drop(OpenOptions::new().write(true).create_new(true).open(self.path(number)).unwrap()),
                _ => assert!(File::open(self.path(number)).is_err()),
            }
        }
    }

    /// How often each of the names was seen.
    fn times_seen(&self, stream: &Subscription) -> Vec<u32> {
        let prefix = self.path("").into_os_string().into_encoded_bytes();
        let mut times = vec![0; COUNT];
        for event in &stream.seen {
            let number =
                event.path().strip_prefix(&prefix[..]).and_then(|name| std::str::from_utf8(name).ok());
            let Some(number) = number.and_then(|name| name.parse::<usize>().ok()) else { continue };
            assert_eq!(event.success(), Some(number % 2 == 0), "{event:?}");
            times[number] += 1;
        }
        times
    }
}

#[test]
fn a_hundred_thousand_opens_are_that_many_events_each_once() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let sensor = Sensor::start(NO_NAME_IS_NOISE, &[]);
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let names = Names::new();
    let last = names.path("last");
    person.act(|| {
        names.open_all();
        fs::write(&last, "").unwrap();
    });

    stream.find("the last open", |event| event.path() == last.as_os_str().as_encoded_bytes());
    let times = names.times_seen(&stream);
    let seen = |wanted| times.iter().filter(|&&times| times == wanted).count();
    assert_eq!((seen(0), seen(1)), (0, COUNT), "(lost, seen once) {:?}", stream.gaps());
    assert!(stream.gaps().is_empty(), "{:?}", stream.gaps());
}

#[test]
fn of_more_opens_than_the_default_has_room_for_none_is_lost_untold() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let sensor = Sensor::start(NO_NAME_IS_NOISE, &[]);
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let names = Names::new();
    person.act(|| names.open_all());

    let told = |stream: &Subscription| -> u64 {
        let gaps = stream.gaps().into_iter();
        let gaps = gaps.filter(|gap| matches!(gap.reason(), GapReason::RingFull | GapReason::SlowSubscriber));
        gaps.flat_map(|gap| &gap.counts).map(|count| count.count).sum()
    };
    let times = eventually("every open is received or told as lost", || {
        stream.read_what_is_there();
        let times = names.times_seen(&stream);
        let received: u32 = times.iter().sum();
        (u64::from(received) + told(&stream) >= COUNT as u64).then_some(times)
    });
    assert!(times.iter().all(|&times| times <= 1), "doubled");
    let received: u32 = times.iter().sum();
    assert_eq!(u64::from(received) + told(&stream), COUNT as u64, "{:?}", stream.gaps());
    println!("{received} of {COUNT} received, {} told as lost", told(&stream));
}
