//! Programs started and ended, counted against what was started.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use activity_proto::v1::{Event, EventType, Lane};
use activity_tests::{EventExt as _, Machine, Person, Sensor, evade, here, session_id};
use rustix::io::Errno;

const COUNT: usize = 1000;

#[test]
fn a_thousand_programs_are_a_thousand_starts_and_a_thousand_ends() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let sensor = Sensor::everything();
    let mut stream = sensor.subscribe();
    let person = Person::new();
    let (session, pids) = person.act(|| {
        let pids: HashMap<u32, String> = (0..COUNT)
            .map(|number| {
                let mark = format!("number {number} of {}", person.auid);
                let mut child = Command::new("/bin/true").arg(&mark).spawn().unwrap();
                child.wait().unwrap();
                (child.id(), mark)
            })
            .collect();
        Command::new("/bin/true").arg("last").status().unwrap();
        (session_id(), pids)
    });

    let hers = |event: &Event| event.login() == (Some(person.auid), Some(session));
    let last =
        stream.find("the last start", |event| hers(event) && event.argv() == [&b"/bin/true"[..], b"last"]);
    stream.find("the last end", |event| event.exit().is_some() && event.who().uid == last.who().uid);
    let of_hers = |event_type| stream.of_type(event_type).filter(|event| hers(event)).collect::<Vec<_>>();
    let (execs, exits) = (of_hers(EventType::Exec), of_hers(EventType::Exit));
    assert_eq!((execs.len(), exits.len()), (COUNT + 1, COUNT + 1));

    let parent = execs[0].who().parent_uid;
    assert!(!parent.is_empty());
    let mut uids = HashMap::new();
    for exec in &execs[..COUNT] {
        let process = exec.who();
        let mark = &pids[&process.pid];
        assert_eq!(exec.argv(), [b"/bin/true", mark.as_bytes()]);
        assert_eq!((process.ppid, &process.parent_uid), (std::process::id(), &parent));
        assert!(uids.insert(process.uid, mark).is_none(), "one process, one uid: {exec:?}");
    }
    for exit in &exits[..COUNT] {
        let process = exit.who();
        let mark =
            uids.remove(&process.uid).unwrap_or_else(|| panic!("ends twice, or never began: {exit:?}"));
        assert_eq!(process.argv[1], mark.as_bytes());
        assert_eq!((exit.exit().unwrap().code, exit.exit().unwrap().signal), (Some(0), None));
    }
    assert!(uids.is_empty(), "never ended: {uids:?}");
    assert!(stream.gaps().is_empty(), "{:?}", stream.gaps());
    sequences_have_no_holes(&stream.seen);
}

/// An unfiltered stream has every number of both lanes, in order.
fn sequences_have_no_holes(events: &[Event]) {
    let mut last: BTreeMap<Lane, u64> = BTreeMap::new();
    for event in events {
        let id = event.id.as_ref().expect("every event has an id");
        if let Some(before) = last.insert(id.lane(), id.sequence) {
            assert_eq!(id.sequence, before + 1, "{event:?}");
        }
    }
    assert_eq!(last.len(), 2, "both lanes");
}

#[test]
fn an_end_says_with_which_code_or_by_which_signal() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let ends = [("exit 0", Some(0), None), ("exit 1", Some(1), None), ("exit 255", Some(255), None)]
        .into_iter()
        .chain([
            ("kill -9 $$", None, Some(9)),
            ("kill -15 $$", None, Some(15)),
            ("kill -6 $$", None, Some(6)),
        ]);
    for (script, code, signal) in ends {
        let pid = person.act(|| {
            let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
            child.wait().unwrap();
            child.id()
        });
        let event = stream.find(script, |event| event.exit().is_some() && event.who().pid == pid);
        let exit = event.exit().unwrap();
        assert_eq!((exit.code, exit.signal), (code, signal), "{script}");
        assert!(exit.duration_ns > 0);
    }
}

#[test]
fn a_process_with_several_threads_ends_once_and_with_the_code_of_the_whole() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let directory = sensor.path("threads");
    fs::create_dir(&directory).unwrap();
    let pid = person.act(|| {
        let mut threaded = Command::new(evade());
        threaded.arg("threads").arg(&directory).arg("20").stdout(Stdio::null());
        let mut threaded = threaded.spawn().unwrap();
        assert_eq!(threaded.wait().unwrap().code(), Some(7));
        Command::new("/bin/true").arg("after").status().unwrap();
        threaded.id()
    });
    stream.find("the mark", |event| event.argv() == [&b"/bin/true"[..], b"after"]);
    stream.find("its end", |event| event.exit().is_some() && event.who().pid == pid);
    let ends: Vec<_> = stream.of_type(EventType::Exit).filter(|event| event.who().pid == pid).collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0].exit().unwrap().code, Some(7));
}

#[test]
fn a_program_that_cannot_be_started_is_a_failed_exec() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let file = sensor.path("not-executable");
    fs::write(&file, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    person.act(|| Command::new(&file).arg("in vain").spawn().expect_err("it is not executable"));

    let event =
        stream.find("the failed exec", |event| event.exec().is_some() && event.success() == Some(false));
    assert_eq!(event.errno(), Some(Errno::ACCESS.raw_os_error()));
    assert_eq!(event.exec().unwrap().filename, file.as_os_str().as_encoded_bytes());
}
