//! Secrets on a command line do not leave the sensor.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use activity_proto::{json::to_json, v1::EventType};
use activity_tests::{
    EventExt as _, Machine, Person, Program, Sensor, Subscription, Watch, collector, eventually, here, run,
};

const SECRET: &str = "hunter2-do-not-tell";
const URL: &str = "https://alice:hunter2-do-not-tell@example.org/x";

/// Runs programs with secrets, and one without to mark the end.
fn act_with_secrets(person: Person, mysql: &PathBuf) {
    person.act(|| {
        let quiet = |program: &str| {
            let mut command = Command::new(program);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        Command::new(mysql).args([&format!("-p{SECRET}"), "shop"]).status().unwrap();
        Command::new(mysql).arg(format!("--password={SECRET}")).status().unwrap();
        quiet("/bin/true").arg0("curl").args([URL]).status().unwrap();
        quiet("/bin/echo").arg(URL).status().unwrap();
        quiet("sh").args(["-c", &format!("{} -p{SECRET} shop; true", mysql.display())]).status().unwrap();
        quiet("/bin/true").arg("end of secrets").status().unwrap();
    });
}

/// A program that is called mysql and does nothing.
fn mysql(sensor: &Sensor) -> PathBuf {
    let path = sensor.path("mysql");
    fs::copy("/bin/true", &path).unwrap();
    path
}

fn await_end(stream: &mut Subscription) {
    let end = stream.find("the end", |event| event.argv().last() == Some(&&b"end of secrets"[..]));
    stream.find("its exit", |event| event.exit().is_some() && event.who().uid == end.who().uid);
}

#[test]
fn passwords_are_tokens_in_the_stream_and_in_watch() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let user = person.auid.to_string();
    let text = Watch::start(&sensor, &["--user", &user]);
    let json = Watch::start(&sensor, &["--user", &user, "--format", "json"]);
    act_with_secrets(person, &mysql(&sensor));

    await_end(&mut stream);
    let shown = stream.seen.iter().map(|event| to_json(event).to_string()).collect::<Vec<_>>().join("\n");
    let exec = stream.find("mysql", |event| event.argv().last() == Some(&&b"shop"[..]));
    assert_eq!(String::from_utf8_lossy(exec.argv()[1]), "-p<redacted:password>");
    assert_eq!(exec.redacted, ["password"]);
    for shown in [shown, text.until_line(&["end of secrets"]), json.until_line(&["end of secrets"])] {
        assert!(!shown.contains(SECRET), "{shown}");
        assert!(shown.matches("<redacted:").count() >= 5, "{shown}");
        assert!(shown.contains("example.org/x"), "{shown}");
    }
    assert!(sensor.status().pipeline.unwrap().redacted >= 5);
    assert!(!sensor.program.stderr().contains(SECRET));
}

#[test]
fn passwords_are_tokens_in_the_store() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let store = sensor.path("store");
    let address = format!("unix:{}", sensor.socket().display());
    let mut receiver =
        Program::start(Command::new(collector()).args(["run", "--sensor", &address, "--store"]).arg(&store));
    sensor.await_subscriber(receiver.pid());
    act_with_secrets(person, &mysql(&sensor));

    let sql = format!(
        "SELECT array_to_string(argv, ' ') AS line FROM events WHERE auid = {} AND type = 'exec'",
        person.auid
    );
    let lines = eventually("the end is stored", || {
        let output =
            run(Command::new(collector()).args(["query", &sql, "--format", "csv", "--store"]).arg(&store));
        output.stdout.contains("end of secrets").then_some(output.stdout)
    });
    assert!(lines.matches("<redacted:").count() >= 5, "{lines}");
    receiver.signal(rustix::process::Signal::TERM);
    assert_eq!(receiver.wait().code(), Some(0));
    let mut looked_at = 0;
    let mut directories = vec![store];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
                continue;
            }
            let bytes = fs::read(entry.path()).unwrap();
            looked_at += bytes.len();
            assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "{:?}", entry.path());
        }
    }
    assert!(looked_at > 0);
}

#[test]
fn a_process_from_before_the_sensor_keeps_its_secrets_too() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let (begin, opened) = (directory.path().join("begin"), directory.path().join("opened"));
    let person = Person::new();
    // A shell with a secret among its arguments, which waits to be told.
    rustix::fs::mknodat(rustix::fs::CWD, &begin, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let script = "read line <\"$1\"; : >\"$2\"";
    let _shell = person.act(|| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", script, "sh"])
            .arg(&begin)
            .arg(&opened)
            .args([&format!("--password={SECRET}"), URL]);
        Program::start(&mut shell)
    });
    let sensor = Sensor::people();
    let mut stream = sensor.follow(&person);
    drop(File::options().write(true).open(&begin).unwrap());

    let open = stream.find("the open", |event| event.path() == opened.as_os_str().as_encoded_bytes());
    let shown = to_json(&open).to_string();
    assert!(open.who().argv.len() > 4, "{shown}");
    assert!(!shown.contains(SECRET) && shown.contains("<redacted:"), "{shown}");
    assert!(stream.of_type(EventType::Exec).next().is_none(), "it was started before");
}
