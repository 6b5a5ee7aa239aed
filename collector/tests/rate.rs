//! A million events as fast as they can be sent: all are stored, in bounded
//! memory, and the figures are printed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod teller;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use activity_proto::v1::{
    Access, Attribution, Confidence, Credentials, Event, EventId, Lane, Login, Method, Open, Outcome,
    PathSource, Process, event::Payload,
};
use futures::{StreamExt as _, stream};

const EVENTS: u64 = 1_000_000;
const BATCH: u64 = 500;
const MEMORY_LIMIT_KIB: u64 = 300 * 1024;

/// An open as a build makes many, with everything that a sensor fills in.
fn event(sequence: u64) -> Event {
    let pid = 4000 + (sequence / 200 % 30_000) as u32;
    let boot_id = "0d9a4f3c-5be6-4f0e-9c33-7a5a3f6f1f20";
    let nanos = sequence * 20_000;
    Event {
        id: Some(EventId {
            sensor_id: "b5a7c6ce-3f0d-4dbb-8a2e-0a9b6f3f1d11".into(),
            boot_id: boot_id.into(),
            epoch: 3,
            lane: Lane::File.into(),
            sequence,
        }),
        host: "build-1".into(),
        time: Some(prost_types::Timestamp {
            seconds: 1_767_225_600 + (nanos / 1_000_000_000) as i64,
            nanos: (nanos % 1_000_000_000) as i32,
        }),
        boottime_ns: 7_000_000_000 + nanos,
        process: Some(Process {
            pid,
            tid: pid,
            ppid: 3999,
            uid: format!("{boot_id}-{pid}-{}", pid * 977),
            parent_uid: format!("{boot_id}-3999-1"),
            comm: "rustc".into(),
            exe: "/home/alice/.rustup/toolchains/stable/bin/rustc".into(),
            argv: [
                "rustc",
                "--crate-name",
                "example",
                "--edition=2024",
                "src/lib.rs",
                "--emit=metadata,link",
            ]
            .map(Into::into)
            .into(),
            cwd: "/home/alice/project".into(),
            ..Process::default()
        }),
        credentials: Some(Credentials {
            uid: 1000,
            euid: 1000,
            gid: 1000,
            egid: 1000,
            user: "alice".into(),
            effective_user: "alice".into(),
            ..Credentials::default()
        }),
        login: Some(Login {
            auid: Some(1000),
            session_id: Some(7),
            tty: "pts0".into(),
            user: "alice".into(),
            ..Login::default()
        }),
        attribution: Some(Attribution {
            uid: Some(1000),
            user: "alice".into(),
            method: Method::Kernel.into(),
            confidence: Confidence::High.into(),
            chain: vec!["alice".into()],
            ..Attribution::default()
        }),
        outcome: Some(Outcome {
            success: !sequence.is_multiple_of(5),
            errno: sequence.is_multiple_of(5).then_some(2),
        }),
        payload: Some(Payload::Open(Open {
            path: format!("/home/alice/project/target/debug/deps/lib{:x}.rmeta", sequence * 7919).into(),
            path_source: PathSource::Fd.into(),
            inode: Some(100_000 + sequence),
            access: vec![Access::Read.into()],
            flags: 0o2_000_000,
            ..Open::default()
        })),
        ..Event::default()
    }
}

fn query(store: &Path, statement: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_activity-collector"))
        .args(["query", statement, "--format", "csv", "--store", store.to_str().unwrap()])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().nth(1).unwrap_or_default().to_owned()
}

/// Bytes of all files under a directory.
fn size(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            // One that was rolled meanwhile has no size.
            metadata => metadata.map_or(0, |metadata| metadata.len()),
        })
        .sum()
}

fn wait(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn peak_memory_kib(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_events_are_stored_in_bounded_memory() {
    let directory = tempfile::tempdir().unwrap();
    let (socket, store) = (directory.path().join("sensor.sock"), directory.path().join("store"));
    teller::serve(&socket, || {
        let batch = |batch| teller::batch((batch * BATCH + 1..=(batch + 1) * BATCH).map(event));
        stream::iter((0..EVENTS / BATCH).map(batch)).chain(stream::pending())
    });
    let began = Instant::now();
    let mut run = Command::new(env!("CARGO_BIN_EXE_activity-collector"))
        .args(["run", "--sensor", &format!("unix:{}", socket.display()), "--store", store.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();

    let wire: u64 = (1..=1000).map(|sequence| prost::Message::encoded_len(&event(sequence)) as u64).sum();
    wait("not everything is received", || {
        let log = store.join("log");
        log.is_dir() && query(&store, "SELECT max(sequence) FROM events") == EVENTS.to_string()
    });
    let received = began.elapsed();
    wait("the log is not rolled", || fs::read_dir(store.join("log")).unwrap().count() == 1);
    let rolled = began.elapsed();
    let memory = peak_memory_kib(&run);
    let counted = Instant::now();
    let answer =
        query(&store, "SELECT count(*), count(DISTINCT sequence), min(sequence), max(sequence) FROM events");
    let counted = counted.elapsed();
    assert_eq!(answer, format!("{EVENTS},{EVENTS},1,{EVENTS}"));
    println!(
        "{EVENTS} events of {} bytes: received in {received:.1?} ({:.0}/s), rolled in {rolled:.1?}; \
         log {} MiB and Parquet {} MiB ({} bytes an event over all); peak memory {} MiB; counted in {counted:.1?}",
        wire / 1000,
        EVENTS as f64 / received.as_secs_f64(),
        size(&store.join("log")) >> 20,
        size(&store.join("events")) >> 20,
        size(&store) / EVENTS,
        memory >> 10,
    );
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(memory < MEMORY_LIMIT_KIB, "{memory} KiB at its peak");
}
