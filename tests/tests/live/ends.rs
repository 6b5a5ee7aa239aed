//! How the programs end, and that nothing stays behind.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use activity_proto::v1::EventType;
use activity_tests::{
    EventExt as _, Machine, Person, Program, Sensor, Watch, eventually, here, patience, run, sensor_program,
};
use aya::programs::loaded_programs;
use rustix::process::Signal;

/// How long an end may take.
const AT_ONCE: Duration = Duration::from_secs(1);

fn ends_orderly_and_at_once(program: &mut Program, signal: Signal) {
    program.await_handler(signal);
    let begun = Instant::now();
    program.signal(signal);
    let status = program.wait();
    assert_eq!(status.code(), Some(0), "{status:?} {}", program.stderr());
    assert!(begun.elapsed() < patience(AT_ONCE), "it took {:?}", begun.elapsed());
}

/// How many of these programs the kernel still has.
fn still_there(ids: &[u32]) -> usize {
    loaded_programs().flatten().filter(|program| ids.contains(&program.id())).count()
}

#[test]
fn a_signal_ends_the_sensor_at_once_and_takes_its_hooks_away() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    for signal in [Signal::INT, Signal::TERM] {
        let mut sensor = Sensor::people();
        let mut idle = sensor.subscribe();
        let ids = sensor.kernel_programs();
        assert_eq!(still_there(&ids), ids.len());
        assert!(ids.len() >= 4, "{ids:?}");
        ends_orderly_and_at_once(&mut sensor.program, signal);
        idle.read_to_end();
        assert!(!sensor.socket().exists());
        eventually("the hooks are gone", || (still_there(&ids) == 0).then_some(()));
    }
}

#[test]
fn what_was_recorded_before_the_end_is_sent() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let mut sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    person
        .act(|| (0..20).for_each(|number| drop(Command::new("/bin/true").arg(number.to_string()).status())));
    ends_orderly_and_at_once(&mut sensor.program, Signal::TERM);
    stream.read_to_end();
    let starts = stream.of_type(EventType::Exec).count();
    assert_eq!((starts, stream.of_type(EventType::Exit).count()), (20, 20));
}

#[test]
fn a_subscriber_that_does_not_read_does_not_hold_up_the_end() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let mut sensor = Sensor::everything();
    let _stuck =
        activity_tests::Subscription::open_unread(&sensor.socket(), activity_proto::v1::Filter::default());
    Person::new().act(|| (0..20_000).for_each(|_| drop(std::fs::File::open("/dev/null"))));
    ends_orderly_and_at_once(&mut sensor.program, Signal::INT);
}

#[test]
fn a_killed_sensor_leaves_no_hooks_behind_and_the_next_one_starts() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let mut sensor = Sensor::people();
    let ids = sensor.kernel_programs();
    let epoch = sensor.status().epoch;
    sensor.program.signal(Signal::KILL);
    sensor.program.wait();
    eventually("the hooks are gone", || (still_there(&ids) == 0).then_some(()));

    let mut again = Command::new(sensor_program());
    again.arg("run").arg("--state").arg(sensor.path("state")).arg("--socket").arg(sensor.socket());
    let _again = Program::start(&mut again);
    let status = eventually("the next one answers", || {
        std::os::unix::net::UnixStream::connect(sensor.socket()).is_ok().then(|| sensor.status())
    });
    assert_eq!(status.epoch, epoch + 1, "a number is never used twice");
}

#[test]
fn a_signal_ends_watch_at_once() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    for signal in [Signal::INT, Signal::TERM] {
        for arguments in [&["--format", "json"][..], &[]] {
            let mut watch = Watch::start(&sensor, arguments);
            ends_orderly_and_at_once(&mut watch.program, signal);
        }
    }
}

#[test]
fn watch_without_a_daemon_uses_hooks_of_its_own_and_takes_them_away() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.toml");
    std::fs::write(&config, format!("[stream]\nsocket = {:?}\n", directory.path().join("socket"))).unwrap();
    let mut watch = Command::new(sensor_program());
    let mut watch = Program::start(watch.args(["watch", "--format", "json", "--config"]).arg(&config));
    // The status is the first event, once the hooks are attached.
    watch.stdout_until("the status", |text| text.contains(&b'\n').then_some(()));
    let person = Person::new();
    let mark = format!("seen by watch {}", person.auid);
    person.act(|| Command::new("/bin/true").arg(&mark).status().unwrap());
    watch.stdout_until("the exec", |text| {
        text.windows(mark.len()).any(|part| part == mark.as_bytes()).then_some(())
    });
    ends_orderly_and_at_once(&mut watch, Signal::INT);
}

#[test]
fn a_closed_pipe_ends_watch_without_complaint() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::everything();
    for format in ["text", "json"] {
        let script = format!(
            "\"$0\" watch --all --socket \"$1\" --format {format} | head -n 3 >/dev/null; exit ${{PIPESTATUS[0]}}"
        );
        let mut pipe = Command::new("bash");
        pipe.args(["-c", &script]).arg(sensor_program()).arg(sensor.socket());
        let pipe = std::thread::spawn(move || run(&mut pipe));
        eventually("the pipe closes", || {
            Command::new("/bin/true").stdout(Stdio::null()).status().unwrap();
            pipe.is_finished().then_some(())
        });
        let output = pipe.join().unwrap();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn the_sensor_never_reports_itself() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::everything();
    let mut stream = sensor.subscribe();
    let watch = Watch::start(&sensor, &["--all"]);
    let person = Person::new();
    // The daemon answers and looks up names while others act.
    for number in 0..50 {
        let _ = sensor.status();
        person.act(|| Command::new("/bin/true").arg(number.to_string()).status().unwrap());
    }
    stream.find("the last", |event| {
        event.login().0 == Some(person.auid) && event.argv().last() == Some(&&b"49"[..])
    });
    drop(watch);
    let own = stream.seen.iter().find(|event| event.who().pid == sensor.program.pid());
    assert_eq!(own, None);
}
