//! Very many attempts to have an open reported as another file.

use std::{
    env, fs,
    process::Command,
    time::{Duration, Instant},
};

use activity_proto::v1::{Event, EventType, PathSource};
use activity_tests::{EventExt as _, Machine, Person, Program, Sensor, Subscription, deadline, evade, here};

use crate::{
    report::Report,
    stage::{EVERY_OPEN, await_mark},
};

/// A count for every run, or the one for long runs.
pub fn count(short: usize, long: usize) -> usize {
    if env::var_os("ACTIVITY_TEST_LONG").is_some_and(|value| value == "1") { long } else { short }
}

/// Plays an act to its end while the stream is read, and returns what the act
/// said. `take` is given what was received, again and again, until it says
/// that it was all: after the act's end it is given more only if more comes.
pub fn play(
    act: &str,
    count: usize,
    sensor: &Sensor,
    person: Person,
    mut take: impl FnMut(Vec<Event>),
) -> Report {
    let directory = sensor.path(act);
    fs::create_dir(&directory).unwrap();
    let mut stream: Subscription = sensor.follow(&person);
    let mut command = Command::new(evade());
    command.arg(act).arg(&directory).arg(count.to_string());
    // An emulated machine does little in a second.
    let seconds = self::count(20, 3_600);
    command.arg(seconds.to_string());
    let mut program = person.act(|| Program::start(&mut command));
    let mut received = |stream: &mut Subscription| {
        stream.read_what_is_there();
        take(std::mem::take(&mut stream.seen));
    };
    // It ends by itself after those seconds.
    let latest = Instant::now() + Duration::from_secs(seconds as u64) + deadline();
    let status = loop {
        received(&mut stream);
        match program.ended() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
        assert!(Instant::now() < latest, "{act} does not end: {}", program.stderr());
    };
    assert!(status.success(), "{act}: {status}: {}", program.stderr());
    // What a pipe holds is read a moment later; each act says most at its end.
    let said = program.stdout_until("the act says what it did", |said| {
        let said = String::from_utf8_lossy(said);
        said.contains("\"done\"").then(|| said.into_owned())
    });
    // Two marks, one after the other: each lane keeps its order.
    for marks in ["first-end-", "second-end-"] {
        let marks = directory.join(marks);
        await_mark(&person, &marks, || {
            stream.read_what_is_there();
            let name = marks.as_os_str().as_encoded_bytes();
            let arrived = stream.seen.iter().any(|event| event.path().starts_with(name));
            take(std::mem::take(&mut stream.seen));
            arrived
        });
    }
    Report::of(&said)
}

/// What the events of two files' opens say.
#[derive(Debug, Default)]
struct Tally {
    /// By path and by inode.
    opens: [[u64; 2]; 2],
    /// A path of neither with an inode of one.
    strange: u64,
    /// Opens told as lost.
    lost: u64,
    /// Where the paths come from.
    source: Option<PathSource>,
    /// How often the kernel did not run a program of the sensor's because it
    /// was running on that processor already.
    skipped_by_the_kernel: u64,
}

impl Tally {
    fn take(&mut self, event: &Event, names: &[Vec<u8>; 2], inodes: &[Object; 2]) {
        if let Some(activity_proto::v1::event::Payload::Gap(gap)) = &event.payload {
            let opens = gap.counts.iter().filter(|count| count.r#type() == EventType::Open);
            self.lost += opens.map(|count| count.count).sum::<u64>();
        }
        let Some(open) = event.open() else { return };
        let object = open.device.zip(open.inode).map(|(device, inode)| (device.major, device.minor, inode));
        let inode = inodes.iter().position(|known| object == Some(*known));
        let path = names.iter().position(|name| open.path == name[..]);
        let times = event.count.unwrap_or(1);
        match (path, inode) {
            (Some(path), Some(inode)) => self.opens[path][inode] += times,
            (None, Some(_)) => self.strange += times,
            (Some(_), None) if event.success() == Some(true) => self.strange += times,
            _ => return,
        }
        self.source = Some(open.path_source());
    }

    /// Every open has its event, or is told: in a gap, or among those that the
    /// kernel passed over, which are no more than it counts.
    fn is_whole(&self, recorded: u64, attempts: u64) {
        let told = recorded + self.lost;
        assert!(told <= attempts, "more than there were: {self:?}");
        assert!(attempts - told <= self.skipped_by_the_kernel, "lost untold: {self:?}");
    }

    fn total(&self) -> u64 {
        self.opens.as_flattened().iter().sum()
    }
}

/// Plays one of the races; the tally, and how often which file was opened.
fn race(act: &str, files: [&str; 2], count: usize) -> (Tally, Vec<u64>) {
    let sensor = Sensor::start(EVERY_OPEN, &[]);
    let person = Person::new();
    let names = files.map(|name| sensor.path(act).join(name).into_os_string().into_encoded_bytes());
    // Judged when the act has said which inodes they have.
    let mut opens: Vec<Event> = Vec::new();
    let mut tally = Tally::default();
    let mut inodes = None;
    let report = play(act, count, &sensor, person, |events| {
        opens.extend(events.into_iter().filter(|event| event.process.is_none() || event.open().is_some()));
        let found = inodes.or_else(|| inodes_of(&names));
        inodes = found;
        if let Some(inodes) = &found {
            opens.drain(..).for_each(|event| tally.take(&event, &names, inodes));
        }
    });
    tally.skipped_by_the_kernel = skipped_by_the_kernel(&sensor);
    (tally, report.expected.iter().filter_map(|expected| expected.times).collect())
}

fn skipped_by_the_kernel(sensor: &Sensor) -> u64 {
    let descriptors = format!("/proc/{}/fdinfo", sensor.program.pid());
    let infos = fs::read_dir(descriptors).unwrap().flatten();
    let infos = infos.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let misses = |info: String| {
        info.lines().find_map(|line| line.strip_prefix("recursion_misses:")?.trim().parse::<u64>().ok())
    };
    infos.filter_map(misses).sum()
}

/// A device, major and minor, and an inode on it.
type Object = (u32, u32, u64);

fn inodes_of(names: &[Vec<u8>; 2]) -> Option<[Object; 2]> {
    use std::os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _};
    let inode = |name: &[u8]| {
        let file = fs::metadata(std::ffi::OsStr::from_bytes(name)).ok()?;
        Some((libc::major(file.dev()), libc::minor(file.dev()), file.ino()))
    };
    Some([inode(&names[0])?, inode(&names[1])?])
}

#[test]
fn a_path_rewritten_during_the_open_is_never_reported_with_the_other_file() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let (tally, truth) = race("rewrite", ["a", "b"], count(20_000, 1_000_000));
    let attempts: u64 = truth.iter().sum();
    let wrong = tally.opens[0][1] + tally.opens[1][0] + tally.strange;
    println!("{attempts} rewritten paths: {wrong} wrong, {truth:?} opened, {tally:?}");
    assert_eq!(wrong, 0, "{tally:?}");
    // Each file was written once before.
    let [a, b] = [tally.opens[0][0] - 1, tally.opens[1][1] - 1];
    assert!(a <= truth[0] && b <= truth[1], "more than there were: {truth:?} {tally:?}");
    tally.is_whole(a + b, attempts);
}

#[test]
fn a_descriptor_replaced_during_the_open_does_not_change_what_the_kernel_opened() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let (tally, truth) = race("replace", ["opened", "decoy"], count(20_000, 1_000_000));
    let attempts: u64 = truth.iter().sum();
    // Before the race, both were written and both were opened once.
    let decoys = tally.opens[1][1] - 2;
    println!("{attempts} replaced descriptors: {decoys} reported as the other file, {tally:?}");
    assert_eq!(tally.opens[0][1] + tally.opens[1][0] + tally.strange, 0, "{tally:?}");
    tally.is_whole(tally.total() - 4, attempts);
    // A path from the descriptor is said to be that, and can be the other's.
    assert!(decoys == 0 || tally.source == Some(PathSource::Fd), "{tally:?}");
}
