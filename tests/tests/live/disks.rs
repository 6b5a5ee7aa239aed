//! Disks that fail: a small ext4 in a file, which is shut down, so that every call ends with
//! an input/output error, or becomes read only, as the kernel makes one that is damaged.

use std::{
    fs::{self, File},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    process::Command,
};

use activity_proto::v1::{
    ConsumeStart, EventType, Filter, GapReason, Heartbeat, Lane, SpoolLane, SpoolStatus, event::Payload,
};
use activity_tests::{
    Consumer, EACH_OPEN, EventExt as _, Machine, Person, Sensor, Subscription, eventually, here, run, skip,
};
use rustix::{
    mount::{MountFlags, UnmountFlags, mount_remount, unmount},
    process::Signal,
};

use crate::{
    collectors::Way,
    numbered::{Files, accounted},
};

/// `EXT4_IOC_SHUTDOWN`, `_IOR('X', 125, __u32)`: from then on there is nothing but errors.
const SHUT_DOWN: libc::Ioctl = 0x8004_587d;
/// What was not made durable is lost, as with a loss of power.
const WITHOUT_LOG: u32 = 2;
/// More events than wait in memory, by their size.
const MANY: u64 = 60_000;
/// Those before the failure.
const BEFORE: u64 = 2000;
const CONFIG: &str = "[sensor]\nheartbeat = 1\n";

/// How a disk fails.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Every call ends with EIO, and what was not made durable is lost.
    InputOutput,
    /// The file system finds itself damaged and lets itself only be read: EROFS.
    ReadOnly,
}

/// A disk, until this is dropped.
struct Disk {
    image: tempfile::TempDir,
    at: PathBuf,
}

impl Disk {
    /// One at this path; `None`: there can be none here, and the test was reported as
    /// skipped.
    fn at(test: &str, path: PathBuf) -> Option<Self> {
        // Empty, so that nothing can be written below the disk while it is not there.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        let disk = Self { image: tempfile::tempdir().unwrap(), at: path };
        File::create(disk.image()).unwrap().set_len(256 << 20).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk.image()).output();
        if !made.is_ok_and(|output| output.status.success()) || !disk.mount() {
            skip(test, "needs mkfs.ext4 and a loop device, for a disk that fails");
            return None;
        }
        Some(disk)
    }

    fn image(&self) -> PathBuf {
        self.image.path().join("image")
    }

    fn mount(&self) -> bool {
        let mut mount = Command::new("mount");
        run(mount.args(["-o", "loop,errors=remount-ro"]).arg(self.image()).arg(&self.at)).code == Some(0)
    }

    fn fail(&self, fault: Fault) {
        match fault {
            Fault::InputOutput => {
                let root = File::open(&self.at).unwrap();
                let flags = WITHOUT_LOG;
                // SAFETY: this call reads a number of 32 bits, which is there.
                let done = unsafe { libc::ioctl(root.as_raw_fd(), SHUT_DOWN, &raw const flags) };
                assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
            }
            Fault::ReadOnly => {
                let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
                let is_here = |line: &&str| line.split(' ').nth(1) == self.at.to_str();
                let device = mounts.lines().find(is_here).unwrap().split(' ').next().unwrap();
                let name = Path::new(device).file_name().unwrap();
                fs::write(Path::new("/sys/fs/ext4").join(name).join("trigger_fs_error"), "test").unwrap();
            }
        }
    }

    /// Is there again, with what had become durable.
    fn mend(&self) {
        eventually("nobody uses the disk that failed", || unmount(&self.at, UnmountFlags::empty()).ok());
        assert!(self.mount());
    }

    fn only_read(&self, is_so: bool) {
        let flags = if is_so { MountFlags::RDONLY } else { MountFlags::empty() };
        mount_remount(&self.at, flags, "").unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = unmount(&self.at, UnmountFlags::DETACH);
    }
}

fn spool(sensor: &Sensor) -> SpoolStatus {
    sensor.status().spool.unwrap()
}

fn file_lane(sensor: &Sensor) -> SpoolLane {
    spool(sensor).lanes.into_iter().find(|lane| lane.lane() == Lane::File).unwrap()
}

/// Whatever was opened is told as it happens, disk or none.
fn is_live(sensor: &Sensor, files: &Files) {
    let person = Person::new();
    let mut live = sensor.follow(&person);
    let path = files.directory().join("live");
    person.act(|| drop(File::create(&path).unwrap()));
    live.find("an open while the disk fails", |event| event.path() == path.as_os_str().as_encoded_bytes());
}

fn next_heartbeat(beats: &mut Subscription) -> Heartbeat {
    beats.read_until("a heartbeat", |event| event.heartbeat().is_some());
    beats.seen.last().unwrap().heartbeat().unwrap().clone()
}

/// Of one processor, between two heartbeats.
fn share_of_processor(beats: &mut Subscription) -> f64 {
    beats.read_what_is_there();
    let (one, other) = (next_heartbeat(beats), next_heartbeat(beats));
    (other.cpu_ns - one.cpu_ns) as f64 / (other.uptime_ns - one.uptime_ns) as f64
}

/// With everything acknowledged by nobody, so that all of it comes.
fn consumer(sensor: &Sensor) -> Consumer {
    let consumer = "siem".to_owned();
    Consumer::start(&sensor.socket(), ConsumeStart { consumer, from: None, window_bytes: Some(256 << 20) })
}

/// A sensor with its spool on the disk, ended.
fn with_spool_on(test: &str) -> Option<(Sensor, Disk)> {
    let mut sensor = Sensor::start(&format!("{CONFIG}{EACH_OPEN}"), &[]);
    sensor.program.signal(Signal::TERM);
    sensor.program.wait();
    let disk = Disk::at(test, sensor.path("state/spool"))?;
    Some((sensor, disk))
}

/// A disk fails while files are opened, and is mended.
fn fails_under_a_sensor(test: &str, fault: Fault, says: &str) {
    let Some((mut sensor, disk)) = with_spool_on(test) else { return };
    sensor.start_again();
    let (person, files) = (Person::new(), Files::new());
    // Known from the beginning, so that what it misses is counted by type.
    drop(Consumer::open(&sensor.socket(), "siem"));
    let only_beats = Filter { types: vec![EventType::Heartbeat.into()], ..Filter::default() };
    let mut beats = Subscription::open(&sensor.socket(), only_beats);
    let healthy = share_of_processor(&mut beats);
    files.open(person, 0..BEFORE);
    disk.fail(fault);
    files.open(person, BEFORE..MANY);
    eventually("events are missed", || (file_lane(&sensor).missed > 0).then_some(()));
    let status = spool(&sensor);
    assert!(status.error.contains(says), "{:?}", status.error);
    let written = file_lane(&sensor).last.unwrap().sequence;
    is_live(&sensor, &files);
    eventually("a heartbeat tells of it", || {
        next_heartbeat(&mut beats).spool.unwrap().error.contains(says).then_some(())
    });
    // Who cannot write does not burn the processor meanwhile.
    let share = share_of_processor(&mut beats);
    assert!(share < 0.5, "{share} of a processor while the disk fails");
    let said = sensor.program.stderr();
    let lines: Vec<_> = said.lines().filter(|line| line.contains("cannot be written")).collect();
    assert!(lines.len() == 1 && lines[0].contains(says), "said once, and clearly: {lines:?}");

    disk.mend();
    eventually("the spool is written again", || {
        let status = spool(&sensor);
        (status.error.is_empty() && status.lanes.iter().all(|lane| lane.waiting == 0)).then_some(())
    });
    files.open(person, MANY..MANY + 10);
    let (epoch, mut consumer) = (sensor.status().epoch, consumer(&sensor));
    consumer.read_until("the last file", |events| files.has_come(MANY + 9, events));
    let missed = file_lane(&sensor).missed;
    let (came, told) = accounted(&consumer.seen, Lane::File, epoch);
    println!(
        "{fault:?}: of {} opens {came} events came, {told:?} were told as lost, 0 else; {:.0} % of a processor, {:.0} % before",
        MANY + 10,
        share * 100.0,
        healthy * 100.0
    );
    assert_eq!(told.get(&GapReason::SpoolWrite), Some(&missed), "what did not fit into memory, to the event");
    let damaged = told.get(&GapReason::SpoolDamaged).copied().unwrap_or(0);
    assert_eq!(told.values().sum::<u64>(), missed + damaged, "{told:?}");
    // Written before, and not durable yet: as after a loss of power.
    let gaps = consumer.seen.iter().filter_map(|event| match &event.payload {
        Some(Payload::Gap(gap)) if gap.reason() == GapReason::SpoolDamaged => Some(gap),
        _ => None,
    });
    for gap in gaps.filter(|gap| gap.lane() == Lane::File) {
        assert!(gap.to_sequence <= written, "{gap:?}, of {written} that were written");
    }
    drop(consumer);
    sensor.program.signal(Signal::TERM);
    assert!(sensor.program.wait().success());
    beats.read_to_end();
    let last = beats.seen.iter().rev().find_map(|event| event.heartbeat()).unwrap();
    assert_eq!((last.stopping, last.in_flight, last.conservation_error()), (true, 0, 0));
    for (lane, kept) in last.lanes.iter().zip(&last.spool.as_ref().unwrap().lanes) {
        assert_eq!(lane.last_sequence, kept.written + kept.missed + kept.waiting, "{kept:?}");
    }
}

#[test]
fn a_sensor_whose_disk_gives_errors_goes_on_and_tells_what_that_costs_to_the_event() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    fails_under_a_sensor(here!(), Fault::InputOutput, "Input/output error");
}

#[test]
fn a_sensor_whose_disk_becomes_read_only_goes_on_and_tells_what_that_costs_to_the_event() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    fails_under_a_sensor(here!(), Fault::ReadOnly, "Read-only file system");
}

#[test]
fn a_sensor_that_starts_with_its_spool_on_a_read_only_disk_records_and_writes_when_it_may() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let Some((mut sensor, disk)) = with_spool_on(here!()) else { return };
    sensor.start_again();
    let (person, files) = (Person::new(), Files::new());
    files.open(person, 0..100);
    drop(Consumer::open(&sensor.socket(), "siem"));
    eventually("all is written", || (file_lane(&sensor).waiting == 0).then_some(()));
    sensor.program.signal(Signal::TERM);
    sensor.program.wait();
    disk.only_read(true);
    sensor.start_again();
    files.open(person, 100..200);
    eventually("it is told", || spool(&sensor).error.contains("Read-only file system").then_some(()));
    is_live(&sensor, &files);
    // What is there is delivered meanwhile.
    let mut consumer = consumer(&sensor);
    consumer.read_until("what is on the disk", |events| files.of(events).last() == Some(&99));
    disk.only_read(false);
    consumer.read_until("the rest", |events| files.of(events).last() == Some(&199));
    assert_eq!(files.of(&consumer.seen), (0..200).collect::<Vec<_>>());
    let gaps = consumer.seen.iter().filter(|event| event.event_type() == EventType::Gap).count();
    assert_eq!((gaps, spool(&sensor).error.as_str()), (0, ""));
    let said = sensor.program.stderr();
    assert_eq!(said.matches("cannot be written").count(), 1, "{said}");
    assert_eq!(said.matches("is written again").count(), 1, "{said}");
}

#[test]
fn a_sensor_whose_state_cannot_be_written_does_not_start_and_says_what_to_do() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::at(here!(), directory.path().join("state")) else { return };
    disk.only_read(true);
    let mut sensor = Command::new(activity_tests::sensor_program());
    sensor.arg("run").arg("--state").arg(&disk.at).arg("--socket").arg(directory.path().join("socket"));
    let output = run(&mut sensor);
    let last = output.stderr.lines().last().unwrap_or_default();
    assert!(
        output.code == Some(69) && last.contains("Read-only file system") && last.contains("--state"),
        "{output:?}"
    );
}

#[test]
fn a_collector_whose_disk_gives_errors_ends_and_gets_again_what_it_did_not_acknowledge() {
    const ROUNDS: u64 = 5;
    let Some(_machine) = Machine::alone(here!()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::at(here!(), directory.path().join("store")) else { return };
    let way = Way::unix(directory.path());
    let sensor = Sensor::start(&way.push(EACH_OPEN), &[]);
    let (person, files) = (Person::new(), Files::new());
    let mut opened = 0;
    for _ in 0..ROUNDS {
        let mut listening = way.listen(&disk.at);
        files.open(person, opened..opened + 1000);
        opened += 1000;
        // Some of it is durable, some is under way.
        eventually("something is stored", || {
            listening.query("SELECT 1 FROM events LIMIT 1").first().cloned()
        });
        disk.fail(Fault::InputOutput);
        files.open(person, opened..opened + 1000);
        opened += 1000;
        let status = listening.program.wait();
        let said = listening.program.stderr();
        let last = said.lines().last().unwrap_or_default();
        assert!(!status.success() && last.contains("Input/output error"), "{status}: {said}");
        assert!(!said.contains("panicked"), "{said}");
        disk.mend();
    }
    let listening = way.listen(&disk.at);
    files.await_stored(0..opened, |sql| listening.query(sql));
    assert!(listening.query("SELECT 1 FROM events WHERE type = 'gap'").is_empty());
    println!("{ROUNDS} failures of the collector's disk, {opened} files opened: 0 missing, 0 doubled");
    listening.end();
    drop(sensor);
}
