//! What the policy leaves out again and again: the kernel programs leave it out by
//! themselves, and only that.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
};

use activity_proto::v1::EventType;
use activity_tests::{EventExt as _, Machine, Person, Sensor, Subscription, eventually, here};

use crate::rules::{count, files, rule, told};

const TIMES: u64 = 400;

fn open_often(path: &Path) {
    (0..TIMES).for_each(|_| drop(File::open(path).unwrap()));
}

/// Waits until so many acts are counted as decided by a rule.
fn await_count(sensor: &Sensor, name: &str, decided: u64) {
    let mut last = 0;
    let all = || {
        last = count(sensor, name).decided;
        (last >= decided).then_some(())
    };
    eventually("all are counted for the rule", all);
    assert_eq!(last, decided, "{name}");
}

/// How many events the daemon itself left out.
fn by_the_daemon(sensor: &Sensor) -> u64 {
    sensor.status().pipeline.unwrap().filtered
}

/// Opens until one of them does not come to the daemon any more; tells how often.
fn open_until_left_out(sensor: &Sensor, name: &str, path: &Path, person: &Person) -> u64 {
    let mut opens = 0;
    eventually("the kernel programs leave it out", || {
        let before = by_the_daemon(sensor);
        person.act(|| open_often(path));
        opens += TIMES;
        await_count(sensor, name, opens);
        (by_the_daemon(sensor) < before + TIMES / 2).then_some(opens)
    })
}

fn is_told(stream: &Subscription, path: &Path) -> bool {
    stream.of_type(EventType::Open).any(|event| event.path() == path.as_os_str().as_encoded_bytes())
}

/// Each open by itself: folding would leave nothing to be left out.
const ALONE: &str = "[hooks]\nfold = false\n";

#[test]
fn a_file_that_is_left_out_is_counted_exactly_until_it_has_another_name_or_policy() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let directory = files(&["noise", "kept"]);
    let (noise, renamed) = (directory.path().join("noise"), directory.path().join("renamed"));
    let deny = rule("quiet", "deny", &format!("path = [\"{}\"]", noise.display()));
    let sensor = Sensor::start(&format!("{deny}{ALONE}"), &[]);
    let (person, other) = (Person::new(), Person::new());
    let mut stream = sensor.subscribe();
    let mut opens = open_until_left_out(&sensor, "quiet", &noise, &person);

    let before = by_the_daemon(&sensor);
    other.act(|| open_often(&noise));
    opens += TIMES;
    await_count(&sensor, "quiet", opens);
    assert!(by_the_daemon(&sensor) < before + TIMES / 2, "whoever opens it");

    person.act(|| {
        drop(File::options().append(true).open(&noise).unwrap());
        fs::rename(&noise, &renamed).unwrap();
        drop(File::open(&renamed).unwrap());
    });
    stream.find("under its new name", |event| event.path() == renamed.as_os_str().as_encoded_bytes());
    await_count(&sensor, "quiet", opens + 1);
    assert!(!is_told(&stream, &noise));

    fs::rename(&renamed, &noise).unwrap();
    sensor.configure(ALONE);
    told(&mut stream, "another policy", |status| !status.policy_version.is_empty());
    person.act(|| drop(File::open(&noise).unwrap()));
    stream.find("under the new policy", |event| event.path() == noise.as_os_str().as_encoded_bytes());
}

#[test]
fn a_program_that_is_left_out_reads_unseen_and_nobody_else_does() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    const FILES: usize = 300;
    let names: Vec<_> = (0..FILES).map(|number| number.to_string()).collect();
    let directory = files(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let reader = directory.path().join("reader");
    fs::copy(fs::canonicalize("/bin/cat").unwrap(), &reader).unwrap();
    let deny = rule("reader", "deny", &format!("exe = [\"{}\"]", reader.display()));
    let sensor = Sensor::start(&format!("{deny}{ALONE}"), &[]);
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let files: Vec<_> = names.iter().map(|name| directory.path().join(name)).collect();
    let read = |program: &Path, times: usize| {
        let all = std::iter::repeat_n(&files, times).flatten();
        person.act(|| assert!(Command::new(program).arg0("cat").args(all).status().unwrap().success()));
    };
    read(&reader, 10);
    eventually("all are counted for the rule", || {
        (count(&sensor, "reader").decided >= 10 * FILES as u64).then_some(())
    });
    let daemons = by_the_daemon(&sensor);
    assert!(daemons < 10 * FILES as u64 / 2, "{daemons} came to the daemon");
    read(Path::new("/bin/cat"), 1);
    for file in &files {
        stream.find("what others read", |event| {
            event.path() == file.as_os_str().as_encoded_bytes()
                && event.who().exe != reader.as_os_str().as_encoded_bytes()
        });
    }
    assert_eq!(
        stream
            .of_type(EventType::Open)
            .filter(|event| event.path() == files[0].as_os_str().as_encoded_bytes())
            .count(),
        1
    );
}
