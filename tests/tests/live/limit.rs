//! A limit of processor time: what it costs is told to the last.

use std::{
    fs::{self, File},
    process::Command,
};

use activity_proto::v1::{Event, EventType, Gap, GapReason, event::Payload};
use activity_tests::{EACH_OPEN, EventExt as _, Machine, Person, Sensor, eventually, here};

const OPENS: usize = 60_000;
const PROGRAMS: usize = 50;

fn shed(event: &Event) -> Option<&Gap> {
    match &event.payload {
        Some(Payload::Gap(gap)) if gap.reason() == GapReason::CpuLimit => Some(gap),
        _ => None,
    }
}

fn opens_in(gap: &Gap) -> u64 {
    gap.counts.iter().filter(|count| count.r#type() == EventType::Open).map(|count| count.count).sum()
}

#[test]
fn over_the_limit_only_files_are_left_unread_and_each_is_counted() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let sensor = Sensor::start(&format!("[sensor]\ncpu_limit = 1\n{EACH_OPEN}"), &[]);
    let person = Person::new();
    let mut stream = sensor.subscribe();
    let files: Vec<_> = (0..100).map(|number| sensor.path(&format!("file-{number}"))).collect();
    files.iter().for_each(|file| fs::write(file, "").unwrap());
    person.act(|| {
        for round in 0..PROGRAMS {
            for open in 0..OPENS / PROGRAMS {
                drop(File::open(&files[(round + open) % files.len()]).unwrap());
            }
            assert!(Command::new("/bin/true").arg(round.to_string()).status().unwrap().success());
        }
    });
    let is_of_test = |event: &Event| {
        event.open().is_some()
            && event.path().starts_with(sensor.path("file-").as_os_str().as_encoded_bytes())
    };
    let mut left = OPENS as u64;
    stream.read_until("every open, or a gap in its place", |event| {
        let told = shed(event).map_or(is_of_test(event).into(), opens_in);
        left = left.saturating_sub(told);
        left == 0
    });
    let programs = |event: &&Event| {
        event.exec().is_some() && event.who().argv.first().is_some_and(|name| name == "/bin/true")
    };
    eventually("all programs", || {
        stream.read_what_is_there();
        (stream.of_type(EventType::Exec).filter(programs).count() == PROGRAMS).then_some(())
    });
    // What was left unread is told once a second, and the rest of the machine opens files
    // as well: the counter may be ahead of the stream, but not for long.
    let shed = eventually("a gap for every record that was left unread", || {
        let shed = sensor.status().pipeline.unwrap().shed;
        stream.read_what_is_there();
        let in_gaps: u64 = stream.seen.iter().filter_map(self::shed).map(opens_in).sum();
        (in_gaps == shed).then_some(shed)
    });
    assert!(shed > OPENS as u64 / 4, "{shed} were left unread");
}
