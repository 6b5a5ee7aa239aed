//! The commands as people and scripts meet them: output, sentences, exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

fn collector() -> Command {
    Command::new(env!("CARGO_BIN_EXE_activity-collector"))
}

fn output(arguments: &[&str]) -> Output {
    collector().args(arguments).output().unwrap()
}

/// Makes an empty store by running a collector over it until it is there.
fn make_store(store: &Path) {
    let sensor = format!("unix:{}", store.join("no-sensor").display());
    let mut run = collector()
        .args(["run", "--sensor", &sensor, "--store", store.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !output(&["query", "SELECT 1", "--store", store.to_str().unwrap()]).status.success() {
        assert!(Instant::now() < deadline, "no store appears");
    }
    interrupt(&run);
    let asked = Instant::now();
    assert!(run.wait().unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(1), "the end took {:?}", asked.elapsed());
}

fn interrupt(child: &std::process::Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
}

/// The exit code, and standard error without its newline.
fn failure(output: &Output) -> (Option<i32>, String) {
    assert!(output.stdout.is_empty(), "only an answer goes to standard output");
    let sentence = String::from_utf8(output.stderr.clone()).unwrap();
    (output.status.code(), sentence.trim_end().to_owned())
}

#[test]
fn help_is_asked_for_and_anything_unknown_is_wrong_usage() {
    for arguments in [&["--help"][..], &["run", "--help"], &["query", "--help"], &["--version"]] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty(), "{arguments:?}");
    }
    for arguments in [
        &[][..],
        &["runn"],
        &["run", "--sensor", "10.0.0.1:7000"],
        &["query"],
        &["query", "x", "--format", "xml"],
    ] {
        assert_eq!(output(arguments).status.code(), Some(64), "{arguments:?}");
    }
}

#[test]
fn without_a_store_a_query_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("none");
    let (code, sentence) = failure(&output(&["query", "SELECT 1", "--store", store.to_str().unwrap()]));
    assert_eq!(code, Some(69));
    assert!(sentence.contains("there is no store in") && sentence.contains("run"), "{sentence}");
    assert!(!store.exists(), "a query writes nothing");
}

#[test]
fn a_wrong_configuration_names_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    fs::write(&file, "plain_text = true\nsensor = []\n").unwrap();
    let (code, sentence) = failure(&output(&["run", "--config", file.to_str().unwrap()]));
    assert_eq!(code, Some(78));
    assert!(sentence.ends_with(":2: unknown key `sensor`; did you mean `sensors`?"), "{sentence}");
    let checked = failure(&output(&["check-config", file.to_str().unwrap()]));
    assert_eq!(checked, (code, sentence));
    let packaged = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/collector/config.toml");
    let checked = output(&["check-config", packaged]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let missing = directory.path().join("missing.toml");
    assert_eq!(output(&["run", "--config", missing.to_str().unwrap()]).status.code(), Some(78));
}

#[test]
fn only_statements_that_read_are_answered() {
    let directory = tempfile::tempdir().unwrap();
    make_store(directory.path());
    let store = directory.path().to_str().unwrap();
    let target = directory.path().join("x.csv");
    for statement in [
        &format!("COPY (SELECT 1) TO '{}'", target.display()),
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "INSERT INTO events SELECT * FROM events",
        "DROP TABLE events",
        "SET datafusion.execution.batch_size = 1",
        "SELECT * FROM '/etc/passwd'",
        "SELECT nothing FROM events",
        "SELEC",
        "",
    ] {
        let (code, sentence) = failure(&output(&["query", statement, "--store", store]));
        assert_eq!(code, Some(64), "{statement}: {sentence}");
        assert_eq!(sentence.lines().count(), 1, "{statement}: {sentence}");
    }
    assert!(!target.exists());
}

#[test]
fn answers_come_as_table_json_and_csv() {
    let directory = tempfile::tempdir().unwrap();
    make_store(directory.path());
    let store = directory.path().to_str().unwrap();
    let answer = |statement: &str, format: &str| {
        let output = output(&["query", statement, "--store", store, "--format", format]);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let statement = "SELECT 1 AS n, NULL AS nothing, ['a', 'b c'] AS list, chr(27) || '[31m' AS code";
    let json: Value = serde_json::from_str(&answer(statement, "json")).unwrap();
    assert_eq!(json, json!([{"n": 1, "nothing": null, "list": ["a", "b c"], "code": "\u{1b}[31m"}]));
    let csv = "n,nothing,list,code\n1,,\"[\"\"a\"\",\"\"b c\"\"]\",\\x1b[31m\n";
    assert_eq!(answer(statement, "csv"), csv);
    let table = answer(statement, "table");
    assert!(table.contains("| 1 |         | a 'b c' | \\x1b[31m |"), "{table}");

    let nothing = "SELECT type, argv FROM events";
    assert_eq!(answer(nothing, "json").trim_end(), "[]");
    assert_eq!(answer(nothing, "csv"), "type,argv\n");
    assert!(answer(nothing, "table").contains("| type | argv |"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    make_store(directory.path());
    let statement = "SELECT repeat('x', 1000) FROM generate_series(1, 10000)";
    let mut query = collector()
        .args(["query", statement, "--format", "csv", "--store", directory.path().to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(query.stdout.take());
    let mut complaint = String::new();
    query.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!(query.wait().unwrap().code(), Some(0));
    assert_eq!(complaint, "");
}

#[test]
fn questions_are_listed_completed_and_answered_by_name() {
    let directory = tempfile::tempdir().unwrap();
    make_store(directory.path());
    let store = directory.path().to_str().unwrap();
    let list = String::from_utf8(output(&["query", "--list"]).stdout).unwrap();
    assert!(list.contains("  failed-logins ") && list.contains("\n  sessions "), "{list}");
    let completion = String::from_utf8(output(&["completion", "bash"]).stdout).unwrap();
    assert!(completion.contains("failed-logins"));
    let answer =
        output(&["query", "--name", "gaps", "--param", "since=1d", "--store", store, "--format", "csv"]);
    assert_eq!(String::from_utf8(answer.stdout).unwrap(), "host,reason,lane,gaps,missing,first,last\n");
    for wrong in [
        &["query", "--name", "sud"][..],
        &["query", "--name", "sudo", "SELECT 1"],
        &["query", "--name", "gaps", "--param", "since"],
        &["query", "--name", "gaps", "--param", "since=soon", "--store", store],
        &["query", "--describe", "nothing"],
        &["timeline"],
        &["timeline", "--user", "a", "--since", "soon", "--store", store],
        &["report", "--since", "now", "--until", "1d", "--store", store],
        &["report", "--zone", "Europe/Nowhere", "--store", store],
    ] {
        assert_eq!(output(wrong).status.code(), Some(64), "{wrong:?}");
    }
}

#[test]
fn who_looked_is_shown_with_what_for() {
    let directory = tempfile::tempdir().unwrap();
    make_store(directory.path());
    let store = directory.path().to_str().unwrap();
    assert!(output(&["timeline", "--user", "a", "--purpose", "ticket 7", "--store", store]).status.success());
    assert!(output(&["report", "--format", "md", "--store", store]).status.success());
    let viewers = output(&["viewers", "--format", "json", "--store", store]);
    let viewers = String::from_utf8(viewers.stdout).unwrap();
    let viewers: Vec<Value> = viewers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&viewers[0]["way"], &viewers[0]["purpose"]), (&json!("report"), &Value::Null));
    assert_eq!((&viewers[1]["way"], &viewers[1]["purpose"]), (&json!("timeline"), &json!("ticket 7")));
    assert!(viewers.iter().take(2).all(|viewer| viewer["outcome"] == "ok"));
}

#[test]
fn the_files_that_count_are_listed_once_wherever_they_are() {
    let directory = tempfile::tempdir().unwrap();
    make_store(directory.path());
    let store = directory.path().to_str().unwrap();
    let list = |arguments: &[&str]| {
        let output = output(&[&["files", "--store", store], arguments].concat());
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(list(&[]).is_empty(), "nothing has come");

    // 2026-01-31 and the first half of that day, in nanoseconds.
    let (day, noon) = (1_769_817_600_000_000_000_u64, 1_769_860_800_000_000_000_u64);
    let small = format!("events/tenant=default/day=2026-01-31/class=file/000000000902_{day}_{noon}.parquet");
    let large = small.replace("000000000902", "000000000901-000000000902");
    let other = small.replace("class=file", "class=identity");
    let archived = small.replace("000000000902", "000000000900");
    for path in [&small, &large, &other] {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    fs::write(directory.path().join("archive.toml"), "url = 's3://audit/main/'\n").unwrap();
    let kept = json!({"kept": {"path": archived, "number": 900, "length": 1, "digest": "00".repeat(32), "stored": 0}});
    fs::write(directory.path().join("archive.jsonl"), format!("{kept}\n")).unwrap();

    let (remote, large) = (format!("s3://audit/main/{archived}"), format!("{store}/{large}"));
    let other = format!("{store}/{other}");
    assert_eq!(list(&[]), [&remote, &large, &other].map(String::as_str));
    assert_eq!(list(&["--class", "identity"]), [other.as_str()]);
    assert_eq!(list(&["--since", "2026-01-31T12:00:01Z"]), [""; 0]);
    assert_eq!(list(&["--until", "2026-01-31T00:00:01Z", "--class", "file"]).len(), 2);
    assert_eq!(output(&["files", "--class", "files", "--store", store]).status.code(), Some(64));
    let (code, sentence) = failure(&output(&["files", "--since", "soon", "--store", store]));
    assert_eq!(code, Some(64), "{sentence}");
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    assert_eq!(output(&["manual", path]).status.code(), Some(0));
    let page = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    let whole = page("activity-collector.1");
    let named: Vec<_> =
        whole.split("activity\\-collector\\-").skip(1).filter_map(|rest| rest.split_once("(1)")).collect();
    assert!(named.len() >= 12, "{whole}");
    for (command, _) in named {
        let page = page(&format!("activity-collector-{}.1", command.replace('\\', "")));
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
    }
    assert!(page("activity-collector-ca-init.1").contains("SYNOPSIS"));
    let (code, sentence) = failure(&output(&["manual", &format!("{path}/none")]));
    assert!(code == Some(69) && sentence.contains("/none"), "{sentence}");
}
