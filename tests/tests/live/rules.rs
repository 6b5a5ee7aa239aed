//! Rules of the configuration, and reading them again.

use std::{
    fs::{self, File},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use activity_proto::v1::{Event, EventType, RuleCount, Status, event::Payload};
use activity_tests::{
    EACH_OPEN, EventExt as _, Machine, Person, Program, Sensor, Subscription, eventually, here, patience,
    run, sensor_program,
};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

/// A directory of files to open.
pub fn files(names: &[&str]) -> TempDir {
    let directory = tempfile::Builder::new().prefix("activity-rules-").tempdir().unwrap();
    for name in names {
        fs::write(directory.path().join(name), "").unwrap();
    }
    directory
}

pub fn rule(name: &str, action: &str, matchers: &str) -> String {
    format!("[[policy.rules]]\nname = \"{name}\"\naction = \"{action}\"\ntype = [\"open\"]\n{matchers}\n")
}

pub fn count(sensor: &Sensor, name: &str) -> RuleCount {
    let pipeline = sensor.status().pipeline.unwrap();
    pipeline.rules.into_iter().find(|rule| rule.name == name).unwrap()
}

/// The names of the files in `directory` whose opens were told.
pub fn opened(stream: &Subscription, directory: &TempDir) -> Vec<String> {
    let name = |event: &Event| {
        let path = String::from_utf8_lossy(event.path()).into_owned();
        path.strip_prefix(directory.path().to_str().unwrap()).map(|name| name[1..].to_owned())
    };
    stream.of_type(EventType::Open).filter_map(name).collect()
}

/// Opens them, and then one that is always told.
fn open(person: &Person, stream: &mut Subscription, directory: &TempDir, names: &[&str]) {
    stream.read_what_is_there();
    stream.seen.clear();
    person.act(|| {
        names.iter().for_each(|name| drop(File::open(directory.path().join(name)).unwrap()));
        drop(File::open("/etc/shadow").unwrap());
    });
    stream.find("the last", |event| event.path() == b"/etc/shadow");
}

/// What the status in the stream says after a change.
pub fn told(stream: &mut Subscription, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
    let status = |event: &Event| match &event.payload {
        Some(Payload::Status(status)) => Some(status.clone()),
        _ => None,
    };
    let event = stream.find(what, |event| status(event).is_some_and(|status| wanted(&status)));
    status(&event).unwrap()
}

fn since(status: &Status) -> (i64, i32) {
    status.policy_since.map(|since| (since.seconds, since.nanos)).unwrap()
}

#[test]
fn a_rule_that_denies_leaves_out_and_the_first_that_matches_decides() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let directory = files(&["kept", "denied", "other"]);
    let path = directory.path().display();
    let rules = [
        rule("keep", "allow", &format!("path = [\"{path}/kept\", \"/etc/passwd\"]")),
        rule("leave", "deny", &format!("path = [\"{path}/*d\"]")),
        rule("late", "deny", &format!("path = [\"{path}/kept\"]")),
    ];
    let sensor = Sensor::start(&format!("{}{EACH_OPEN}", rules.concat()), &[]);
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    person.act(|| drop(File::open("/etc/passwd").unwrap()));
    stream.find("noise that a rule keeps", |event| event.path() == b"/etc/passwd");
    open(&person, &mut stream, &directory, &["kept", "denied", "denied", "other"]);
    assert_eq!(opened(&stream, &directory), ["kept", "other"]);
    assert_eq!((count(&sensor, "leave").decided, count(&sensor, "leave").left_out), (2, 2));
    assert_eq!((count(&sensor, "late").decided, count(&sensor, "keep").left_out), (0, 0));
}

#[test]
fn a_rule_about_what_led_to_a_program_outlives_it() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let directory = files(&["a", "b"]);
    let script = directory.path().join("backup");
    fs::copy("/bin/sh", &script).unwrap();
    let under = format!("under = [\"{}\"]\npath = [\"{}/\"]", script.display(), directory.path().display());
    let sensor = Sensor::start(&rule("backup", "deny", &under), &[]);
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let done = directory.path().join("done");
    let command = format!(
        "( ( sleep 0.3; cat {0}/a; /bin/sh -c 'cat {0}/b; exec touch {1}' ) & ) ; exit 0",
        directory.path().display(),
        done.display()
    );
    person.act(|| {
        assert!(Command::new(&script).args(["-c", &command]).status().unwrap().success());
        eventually("its children are done", || done.exists().then_some(()));
        Command::new("cat").arg(directory.path().join("a")).status().unwrap();
        drop(File::open("/etc/shadow").unwrap());
    });
    stream.find("the last", |event| event.path() == b"/etc/shadow");
    assert_eq!(opened(&stream, &directory), ["a"], "the one by itself");
    assert_eq!(count(&sensor, "backup").decided, 3);
}

#[test]
fn one_of_so_many_is_kept_and_says_so() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let directory = files(&["often"]);
    let matchers = format!("one_in = 10\npath = [\"{}/\"]", directory.path().display());
    let sensor = Sensor::start(&format!("{}{EACH_OPEN}", rule("often", "sample", &matchers)), &[]);
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    open(&person, &mut stream, &directory, &["often"; 95]);
    let sampled: Vec<_> = stream.of_type(EventType::Open).filter(|event| event.sampled.is_some()).collect();
    assert!(sampled.iter().all(|event| event.sampled == Some(10)), "{sampled:?}");
    assert_eq!((sampled.len(), opened(&stream, &directory).len()), (10, 10));
    let count = count(&sensor, "often");
    assert_eq!((count.decided, count.left_out, count.one_in), (95, 85, Some(10)));
}

#[test]
fn the_policy_is_read_again_and_a_broken_file_leaves_it_as_it_is() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let directory = files(&["a", "b"]);
    let deny =
        |name: &str| rule(name, "deny", &format!("path = [\"{}/{name}\"]", directory.path().display()));
    let sensor = Sensor::start(&deny("a"), &[]);
    let person = Person::new();
    let mut stream = sensor.subscribe();
    let first = sensor.status().status.unwrap();
    open(&person, &mut stream, &directory, &["a", "b"]);
    assert_eq!(opened(&stream, &directory), ["b"]);

    // By SIGHUP; what is seen of the file alone may come first.
    sensor.configure(&deny("b"));
    sensor.program.signal(Signal::HUP);
    let second = told(&mut stream, "another policy", |status| status.policy_version != first.policy_version);
    assert!(since(&second) > since(&first), "{second:?}");
    open(&person, &mut stream, &directory, &["a", "b"]);
    assert_eq!(opened(&stream, &directory), ["a"]);

    // A broken file, without a signal.
    sensor.configure("[[policy.rules]]\nname = \"a\"\naction = \"deny\"\npth = [\"/a\"]\n");
    let broken = told(&mut stream, "the error", |status| !status.policy_error.is_empty());
    assert_eq!(broken.policy_version, second.policy_version);
    assert!(
        broken.policy_error.contains("config.toml") && broken.policy_error.contains("policy.rules.pth"),
        "{broken:?}"
    );
    open(&person, &mut stream, &directory, &["a", "b"]);
    assert_eq!(opened(&stream, &directory), ["a"]);
    assert_eq!(sensor.status().status.unwrap().policy_error, broken.policy_error);

    // Mended, by a new file in its place, and something else in it.
    sensor.configure(&format!("{}[log]\nlevel = \"debug\"\n", deny("a")));
    let mended = told(&mut stream, "the mended policy", |status| {
        status.policy_error.is_empty() && status.policy_version == first.policy_version
    });
    assert!(since(&mended) > since(&second), "{mended:?}");
    open(&person, &mut stream, &directory, &["a", "b"]);
    assert_eq!(opened(&stream, &directory), ["b"]);
    assert!(stream.gaps().is_empty(), "{:?}", stream.gaps());
    let log = sensor.program.stderr();
    assert!(log.contains("not before the next start of the sensor: [log]"), "{log}");
}

#[test]
fn no_event_is_lost_while_policies_change() {
    const ROUNDS: usize = 20;
    const OPENS: usize = 500;
    let Some(_machine) = Machine::shared(here!()) else { return };
    let directory = files(&["x"]);
    let sensor = Sensor::start(EACH_OPEN, &[]);
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let path = directory.path().join("x");
    person.act(|| {
        for round in 0..ROUNDS {
            sensor.configure(&rule(&format!("round-{round}"), "allow", "path = [\"/\"]"));
            sensor.program.signal(Signal::HUP);
            (0..OPENS).for_each(|_| drop(File::open(&path).unwrap()));
        }
        drop(File::open("/etc/shadow").unwrap());
    });
    stream.find("the last", |event| event.path() == b"/etc/shadow");
    assert_eq!(opened(&stream, &directory).len(), ROUNDS * OPENS);
    assert!(stream.gaps().is_empty(), "{:?}", stream.gaps());
}

#[test]
fn a_dry_run_says_what_rules_would_do() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let directory = files(&["dry"]);
    let config = directory.path().join("config.toml");
    let path = directory.path().join("dry");
    fs::write(&config, rule("dry", "deny", &format!("path = [\"{}\"]", path.display()))).unwrap();
    let mut command = Command::new(sensor_program());
    command.args(["policy", "dry-run", "--format", "json", "--config"]).arg(&config);
    let mut program = Program::start(&mut command);
    program.await_handler(Signal::INT);
    let begun = Instant::now();
    // It does not say when it has begun.
    Person::new().act(|| {
        while begun.elapsed() < patience(Duration::from_secs(4)) {
            drop(File::open(&path).unwrap());
            thread::sleep(Duration::from_millis(50));
        }
    });
    program.signal(Signal::INT);
    assert!(program.wait().success(), "{}", program.stderr());
    let report: Value = serde_json::from_str(&program.stdout()).unwrap();
    let rule = &report["rules"][0];
    assert_eq!(rule["rule"], "dry", "{report:#}");
    assert!(rule["events"].as_u64().unwrap() > 0 && rule["leftOut"] == rule["events"], "{report:#}");
    let example = rule["examples"][0].as_str().unwrap();
    assert!(example.contains(" open ") && example.ends_with("/dry"), "{example}");
}

#[test]
fn an_explanation_names_the_rule() {
    let directory = files(&[]);
    let config = directory.path().join("config.toml");
    fs::write(&config, rule("mine", "deny", "path = [\"/srv/\"]\nlogin_uid = [\"root\"]")).unwrap();
    let mut command = Command::new(sensor_program());
    command.args(["policy", "explain", "--type", "open", "--path", "/srv/x", "--user", "root", "--config"]);
    let output = run(command.arg(&config));
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stdout.starts_with("left out: rule `mine` (deny)"), "{output:?}");
}
