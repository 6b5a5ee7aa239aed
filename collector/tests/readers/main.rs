//! Spark and ClickHouse read the store's Parquet files as they are, and answer ten questions
//! as our own query does.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod sensor;
#[path = "../teller/mod.rs"]
mod teller;

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// An interpreter with pyspark and chdb; `cargo xtask test` makes one.
const PYTHON: &str = "ACTIVITY_TEST_READERS_PYTHON";
const QUESTIONS: &str = include_str!("questions.sql");
const SCALING: &str = include_str!("../../../docs/scaling.md");
const COLLECTOR: &str = env!("CARGO_BIN_EXE_activity-collector");

/// A line past the test harness's capture, for `cargo xtask test` to count.
fn skip(test: &str, reason: &str) {
    let line = format!("skipped: {test}: {reason}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// What our own query says, in the form of `readers.py`.
fn own(store: &Path) -> Vec<Value> {
    let statements = QUESTIONS.split(';').map(|statement| {
        let lines = statement.lines().filter(|line| !line.starts_with("--"));
        lines.collect::<Vec<_>>().join(" ").trim().to_owned()
    });
    let answer = |statement: String| {
        let statement = statement.replace("{has:access:write}", "array_has(access, 'write')");
        let output = Command::new(COLLECTOR)
            .args(["query", &statement, "--format", "json", "--store", store.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        let rows: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(&output.stdout).unwrap();
        let row = |row: serde_json::Map<String, Value>| row.into_iter().map(|(_, value)| value).collect();
        Value::Array(rows.into_iter().map(row).collect())
    };
    statements.filter(|statement| !statement.is_empty()).map(answer).collect()
}

/// The files that count. A compaction that the kill ended may have left both what it read and
/// what it wrote.
fn files(store: &Path) -> Vec<String> {
    let list = Command::new(COLLECTOR).args(["files", "--store", store.to_str().unwrap()]).output().unwrap();
    assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
    String::from_utf8(list.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What the documentation says to type into Spark, for the events of this store.
fn documented(store: &Path) -> String {
    let (_, python) = SCALING.split_once("```python\n").unwrap();
    let (python, _) = python.split_once("```").unwrap();
    let (bucket, here) = ("s3a://audit/main/events", store.join("events"));
    assert!(python.contains(bucket) && python.contains(".show()"), "{python}");
    python.replace(bucket, here.to_str().unwrap())
}

fn theirs(engine: &str, python: &std::ffi::OsStr, store: &Path) -> Vec<Value> {
    let mut reader = Command::new(python)
        .args(["-c", include_str!("readers.py"), engine])
        .args(files(store))
        .env("DOCUMENTED", documented(store))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(QUESTIONS.as_bytes()).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "{engine}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Rows in one order: where NULL sorts is each engine's own.
fn sorted(answer: &Value) -> Vec<String> {
    let mut rows: Vec<String> = answer.as_array().unwrap().iter().map(ToString::to_string).collect();
    rows.sort_unstable();
    rows
}

/// A store whose events are all in files.
async fn store(directory: &Path) -> std::path::PathBuf {
    let (socket, store) = (directory.join("sensor.sock"), directory.join("store"));
    sensor::serve(&socket);
    let config = directory.join("config.toml");
    let text = format!(
        "sensors = ['unix:{}']\nstore = '{}'\n[roll]\nbytes = 65536\nseconds = 1\n",
        socket.display(),
        store.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut run = Command::new(COLLECTOR)
        .args(["run", "--config", config.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let in_files = || {
        let export =
            Command::new(COLLECTOR).args(["export", "--store", store.to_str().unwrap()]).output().unwrap();
        let all = export.stdout.iter().filter(|&&byte| byte == b'\n').count() as u64 >= sensor::EVENTS;
        // One segment, which has no more in it than what has been received.
        let log = std::fs::read_dir(store.join("log")).into_iter().flatten();
        let lengths: Vec<u64> =
            log.filter_map(|segment| Some(segment.ok()?.metadata().ok()?.len())).collect();
        all && matches!(lengths[..], [0..1000])
    };
    while !in_files() {
        assert!(Instant::now() < deadline, "everything comes into files");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    run.kill().unwrap();
    run.wait().unwrap();
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn spark_and_clickhouse_answer_ten_questions_as_our_query_does() {
    let Some(python) = std::env::var_os(PYTHON) else {
        return skip("readers", "needs Python with pyspark and chdb, which `cargo xtask test` installs");
    };
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let own = own(&store);
    assert_eq!(own.len(), 10);
    let questions: Vec<&str> = QUESTIONS.lines().filter_map(|line| line.strip_prefix("-- ")).collect();
    for (question, answer) in questions.iter().zip(&own) {
        assert!(answer.as_array().is_some_and(|rows| !rows.is_empty()), "{question}: nothing to compare");
    }
    let java = Command::new("java").arg("-version").output().is_ok();
    if !java {
        skip("readers::spark", "needs java, which Debian's package openjdk-17-jre-headless has");
    }
    for engine in ["clickhouse", "spark"].into_iter().take(if java { 2 } else { 1 }) {
        let theirs = theirs(engine, &python, &store);
        for ((question, own), theirs) in questions.iter().zip(&own).zip(&theirs) {
            assert_eq!(sorted(own), sorted(theirs), "{engine}: {question}");
        }
    }
}
