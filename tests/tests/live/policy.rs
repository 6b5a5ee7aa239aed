//! What is recorded without being asked for more, and that the counts agree.

use std::{
    fs::File,
    process::{Command, Stdio},
};

use activity_proto::v1::{Event, EventType, GetStatusResponse};
use activity_tests::{EventExt as _, Machine, Person, Sensor, eventually, here};

/// A program of nobody's: no login uid, no terminal. `None` where this test's
/// own process belongs to somebody.
fn by_nobody(mark: &str) -> Option<()> {
    let loginuid = std::fs::read_to_string("/proc/self/loginuid").ok()?;
    if loginuid.trim() != u32::MAX.to_string() {
        return None;
    }
    let mut command = Command::new("setsid");
    command.args(["-w", "sh", "-c", "cat /etc/shadow; true </dev/tcp/127.0.0.1/1", mark]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().ok()?;
    Some(())
}

#[test]
fn by_default_only_what_people_do_is_recorded() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let mut stream = sensor.subscribe();
    let person = Person::new();
    let mark = format!("nobody {}", person.auid);
    if by_nobody(&mark).is_none() {
        return activity_tests::skip(here!(), "the tests run in a login session");
    }
    person.act(|| {
        Command::new("ls").arg("-l").arg("/etc/shadow").stdout(Stdio::null()).status().unwrap();
        Command::new("cat").arg("/etc/shadow").stdout(Stdio::null()).status().unwrap();
        Command::new("/bin/true").arg("last").status().unwrap();
    });
    let hers = |event: &Event| event.login().0 == Some(person.auid);
    stream.find("the last", |event| hers(event) && event.argv() == [&b"/bin/true"[..], b"last"]);

    // Programs that others load into the kernel, as the tests beside this one do,
    // and login uids that are set are told whoever does it.
    let always = |event: &&Event| {
        matches!(event.event_type(), EventType::BpfLoad | EventType::LoginuidSet | EventType::Tamper)
    };
    let nobodys = |event: &&Event| event.process.is_some() && event.login().0.is_none() && !always(event);
    let nobodys = stream
        .seen
        .iter()
        .filter(nobodys)
        .find(|event| event.login.as_ref().is_none_or(|login| login.tty.is_empty()));
    assert_eq!(nobodys, None);
    let opens: Vec<_> =
        stream.seen.iter().filter(|event| hers(event)).filter_map(|event| event.open()).collect();
    let paths: Vec<_> = opens.iter().map(|open| String::from_utf8_lossy(&open.path).into_owned()).collect();
    assert_eq!(paths, ["/etc/shadow"], "neither libraries nor locales");
}

#[test]
fn with_all_everything_is_recorded() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::everything();
    let mut stream = sensor.subscribe();
    let mark = format!("nobody of {}", Person::new().auid);
    if by_nobody(&mark).is_none() {
        return activity_tests::skip(here!(), "the tests run in a login session");
    }
    let shell = stream.find("the shell", |event| event.argv().last() == Some(&mark.as_bytes()));
    assert_eq!(shell.login().0, None);
    let cat = stream.find("cat", |event| event.exec().is_some() && event.who().parent_uid == shell.who().uid);
    stream.find("a library", |event| event.who().uid == cat.who().uid && event.path().ends_with(b".so.6"));
    stream.find("the file", |event| event.who().uid == cat.who().uid && event.path() == b"/etc/shadow");
}

#[test]
fn writes_and_the_files_of_credentials_are_never_noise() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    person.act(|| {
        drop(File::open("/etc/ld.so.cache"));
        drop(File::open("/etc/passwd"));
        drop(File::options().append(true).open("/etc/passwd").unwrap());
        drop(File::open("/etc/sudoers.d/no-such-file"));
        drop(File::open("/no-such-file"));
        drop(File::open("/etc/shadow").unwrap());
    });
    stream.find("the last", |event| event.path() == b"/etc/shadow");
    let paths: Vec<_> =
        stream.of_type(EventType::Open).map(|event| String::from_utf8_lossy(event.path())).collect();
    assert_eq!(paths, ["/etc/passwd", "/etc/sudoers.d/no-such-file", "/etc/shadow"]);
}

/// What came out of the kernel's programs and went into the pipeline.
fn recorded(status: &GetStatusResponse) -> u64 {
    let hooks = &status.status.as_ref().unwrap().hooks;
    let mut names = std::collections::BTreeSet::new();
    hooks
        .iter()
        .filter(|hook| hook.counters.is_some() && names.insert(hook.name.clone()))
        .map(|hook| hook.counters.unwrap().recorded)
        .sum()
}

#[test]
fn every_act_is_accounted_for() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let sensor = Sensor::people();
    let mut stream = sensor.subscribe();
    let before = sensor.status();
    let person = Person::new();
    person.act(|| {
        (0..10_000).for_each(|_| drop(File::open("/etc/hostname")));
        (0..100).for_each(|_| drop(Command::new("/bin/true").status()));
    });
    (0..1000).for_each(|_| drop(File::open("/etc/hostname")));

    let status = eventually("nothing is on its way", || {
        let status = sensor.status();
        let pipeline = status.pipeline.as_ref().unwrap();
        // What is of the sensor's own making no hook recorded.
        let through = pipeline.rejected + pipeline.internal + pipeline.filtered + pipeline.published
            - pipeline.own
            - pipeline.totals
            + pipeline.shed;
        (recorded(&status) == through).then_some(status)
    });
    for hook in &status.status.as_ref().unwrap().hooks {
        // A kernel without modules loads none, an old one has not every function, and
        // in guests some hooks are switched off.
        let off = ["switched off", "this kernel has no"];
        let is_off = off.iter().any(|why| hook.reason.starts_with(why));
        assert!(hook.live || is_off, "{hook:?}");
        let Some(counters) = hook.counters else { continue };
        assert_eq!(
            counters.hits,
            counters.filtered
                + counters.recorded
                + counters.ring_full
                + counters.unreadable
                + counters.not_covered
                + counters.folded,
            "{hook:?}"
        );
        assert_eq!((counters.ring_full, counters.unreadable), (0, 0), "{hook:?}");
    }
    let of = |status: &GetStatusResponse, name: &str| {
        let hooks = &status.status.as_ref().unwrap().hooks;
        hooks.iter().find(|hook| hook.name == name).unwrap().counters.unwrap()
    };
    let told = |status| of(status, "open").recorded + of(status, "open").folded;
    assert!(told(&status) >= told(&before) + 10_000);
    let hooks = &status.status.as_ref().unwrap().hooks;
    let is_live = |name: &str| hooks.iter().any(|hook| hook.name == name && hook.live);
    let folds = is_live("rename") && is_live("mount");
    let folded = of(&status, "open").folded;
    assert!(if folds { folded >= 9_000 } else { folded == 0 }, "the same file, over and over: {folded}");
    assert!(of(&status, "open").filtered >= of(&before, "open").filtered + 1000, "left out in the kernel");
    assert!(of(&status, "fork").recorded >= of(&before, "fork").recorded + 100);

    assert_eq!(
        status.lanes.iter().map(|lane| lane.last_sequence).sum::<u64>(),
        status.pipeline.unwrap().published
    );
    for lane in &status.lanes {
        let last = |event: &Event| {
            event.id.as_ref().is_some_and(|id| id.lane == lane.lane && id.sequence == lane.last_sequence)
        };
        stream.find("the last number given out", last);
    }
    assert!(stream.gaps().is_empty(), "{:?}", stream.gaps());
}
