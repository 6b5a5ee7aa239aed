//! Somebody logs in and does three things; each way out shows them.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use activity_proto::v1::Access;
use activity_tests::{
    EventExt as _, Machine, Person, Program, Sensor, Watch, collector, eventually, here, patience, run,
};
use serde_json::Value;

const ALICE: Person = Person { auid: 1001 };
const ECONNREFUSED: i32 = 111;

/// How long an act may take to be seen.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What alice does. Returns her session.
fn log_in_and_act() -> u32 {
    ALICE.act(|| {
        let script = "id; cat /etc/shadow >/dev/null; true > /dev/tcp/127.0.0.1/1";
        // It ends with the failed connect.
        let mut bash = Command::new("bash");
        let _ = bash.args(["-c", script]).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        activity_tests::session_id()
    })
}

#[test]
fn what_a_person_does_is_in_the_stream_within_a_second() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let mut stream = sensor.follow(&ALICE);
    let session = log_in_and_act();
    let done = Instant::now();

    let hers = |event: &activity_proto::v1::Event| event.login() == (Some(1001), Some(session));
    let id = stream.find("exec of id", |event| hers(event) && event.argv() == [b"id"]);
    assert!(id.who().exe.ends_with(b"/id"), "{id:?}");
    stream.find("exec of cat", |event| hers(event) && event.argv() == [&b"cat"[..], b"/etc/shadow"]);
    let open = stream.find("open of shadow", |event| hers(event) && event.path() == b"/etc/shadow");
    assert_eq!(open.success(), Some(true));
    assert_eq!(open.open().unwrap().access().collect::<Vec<_>>(), [Access::Read]);
    let connect = stream.find("connect", |event| hers(event) && event.connect().is_some());
    let to = connect.connect().unwrap();
    assert_eq!((to.address.as_str(), to.port), ("127.0.0.1", Some(1)));
    assert_eq!((connect.success(), connect.errno()), (Some(false), Some(ECONNREFUSED)));
    assert!(done.elapsed() < patience(AT_ONCE), "seen {:?} after it was done", done.elapsed());
}

#[test]
fn what_a_person_does_is_in_watch_as_json_with_the_keys_of_the_interface() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let watch = Watch::start(&sensor, &["--format", "json", "--user", "1001"]);
    let session = log_in_and_act();
    let done = Instant::now();

    let hers = |event: &Value| event["login"]["sessionId"] == session;
    let id = watch.find("exec of id", |event| hers(event) && event["process"]["argv"][0] == "id");
    watch.find("exec of cat", |event| hers(event) && event["process"]["argv"][1] == "/etc/shadow");
    let open = watch.find("open", |event| hers(event) && event["open"]["path"] == "/etc/shadow");
    let connect = watch.find("connect", |event| hers(event) && event["type"] == "connect");
    assert!(done.elapsed() < patience(AT_ONCE), "seen {:?} after it was done", done.elapsed());

    assert_eq!((&id["type"], &id["login"]["auid"]), (&"exec".into(), &1001.into()));
    for (event, of_its_own) in [(&id, "exec"), (&open, "open"), (&connect, "connect")] {
        has_keys(event, "type host id time boottimeNs process credentials login attribution outcome");
        has_keys(event, of_its_own);
        has_keys(&event["id"], "sensorId bootId epoch lane sequence");
        has_keys(&event["process"], "pid tid uid parentUid ppid comm exe argv cwd");
        has_keys(&event["credentials"], "uid euid gid egid");
        has_keys(&event["attribution"], "uid method confidence");
        for long in [&event["boottimeNs"], &event["id"]["sequence"]] {
            assert!(long.as_str().is_some_and(|text| text.parse::<u64>().is_ok()), "{long} in {event}");
        }
    }
    assert_eq!(id["outcome"], serde_json::json!({"success": true}));
    has_keys(&open["open"], "path device inode access flags pathSource");
    assert_eq!(open["open"]["access"], serde_json::json!(["read"]));
    has_keys(&connect["connect"], "family protocol address port");
    assert_eq!(
        (&connect["connect"]["address"], &connect["connect"]["port"]),
        (&"127.0.0.1".into(), &1.into())
    );
    assert_eq!(
        connect["outcome"],
        serde_json::json!({"success": false, "errno": ECONNREFUSED, "error": "ECONNREFUSED"})
    );
}

fn has_keys(object: &Value, keys: &str) {
    let there: BTreeSet<_> = object.as_object().expect("an object").keys().map(String::as_str).collect();
    let missing: Vec<_> = keys.split(' ').filter(|key| !there.contains(key)).collect();
    assert!(missing.is_empty(), "{missing:?} missing in {object}");
}

#[test]
fn what_a_person_does_is_in_watch_as_one_readable_line_each() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let watch = Watch::start(&sensor, &["--user", "1001"]);
    let session = log_in_and_act().to_string();
    let done = Instant::now();

    watch.until_line(&["1001", &session, " exec ", "/id"]);
    watch.until_line(&["1001", &session, " exec ", "/cat /etc/shadow"]);
    watch.until_line(&["1001", &session, " open ", "cat[", " r ", "/etc/shadow"]);
    let text = watch.until_line(&["1001", &session, " connect ", "ECONNREFUSED", "tcp 127.0.0.1:1"]);
    assert!(done.elapsed() < patience(AT_ONCE), "seen {:?} after it was done", done.elapsed());
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    let by_itself = text
        .lines()
        .find(|line| [".so", "ld.so", "locale", "gconv"].iter().any(|noise| line.contains(noise)));
    assert_eq!(by_itself, None, "what every program opens by itself is not shown");
}

#[test]
fn what_a_person_does_is_answered_by_sql_within_a_second() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let store = sensor.path("store");
    let address = format!("unix:{}", sensor.socket().display());
    let receiver =
        Program::start(Command::new(collector()).args(["run", "--sensor", &address, "--store"]).arg(&store));
    sensor.await_subscriber(receiver.pid());
    let session = log_in_and_act();
    let done = Instant::now();

    let sql = format!(
        "SELECT type, argv, path, address, port, error, audit_session FROM events \
         WHERE auid = 1001 AND audit_session = {session} ORDER BY lane, sequence"
    );
    let query = || {
        let output =
            run(Command::new(collector()).args(["query", &sql, "--format", "json", "--store"]).arg(&store));
        let rows: Value =
            serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        rows.as_array().expect("an array").clone()
    };
    let row = |wanted: &dyn Fn(&Value) -> bool| {
        eventually("a row", || {
            // The time of the question, not of the answer.
            let asked = Instant::now();
            query().into_iter().find(wanted).map(|row| (row, asked))
        })
    };
    let (_, id) = row(&|row| row["type"] == "exec" && row["argv"] == serde_json::json!(["id"]));
    let (_, cat) = row(&|row| row["argv"] == serde_json::json!(["cat", "/etc/shadow"]));
    let (_, open) = row(&|row| row["type"] == "open" && row["path"] == "/etc/shadow");
    let (connect, connected) = row(&|row| row["type"] == "connect");
    assert_eq!((&connect["address"], &connect["port"]), (&"127.0.0.1".into(), &1.into()));
    assert_eq!(connect["error"], "ECONNREFUSED");
    let first_to_ask = [id, cat, open, connected].into_iter().min().unwrap_or(done);
    assert!(
        first_to_ask.duration_since(done) < patience(AT_ONCE),
        "asked {:?} late",
        first_to_ask.duration_since(done)
    );
}
