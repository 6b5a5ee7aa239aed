//! A collector that is killed again and again: what it stored stays, once, and
//! what it could not receive is told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod teller;

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use activity_proto::{
    EncodedEvents,
    v1::{Event, EventId, Lane},
};
use futures::stream;
use serde_json::Value;

const KILLS: u64 = 25;
const BATCH: u64 = 50;

/// The last number that was told: they rise whether or not somebody listens.
static TOLD: AtomicU64 = AtomicU64::new(0);

fn next_batch() -> EncodedEvents {
    let first = TOLD.fetch_add(BATCH, Ordering::Relaxed) + 1;
    teller::batch((first..first + BATCH).map(|sequence| {
        let lane = Lane::File.into();
        let id = EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch: 1, lane, sequence };
        Event { id: Some(id), ..Event::default() }
    }))
}

fn start(config: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_activity-collector"))
        .args(["run", "--config", config.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn query(store: &Path, statement: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_activity-collector"))
        .args(["query", statement, "--format", "json", "--store", store.to_str().unwrap()])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn count(store: &Path) -> u64 {
    query(store, "SELECT count(*) AS n FROM events").first().map_or(0, |row| row["n"].as_u64().unwrap())
}

/// Waits until more than `before` events are stored.
fn wait_for_more(store: &Path, before: u64) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let now = count(store);
        if now > before {
            return now;
        }
        assert!(Instant::now() < deadline, "nothing is stored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_many_kills_each_number_is_stored_once_or_told_missing_once() {
    let directory = tempfile::tempdir().unwrap();
    let (socket, store) = (directory.path().join("sensor.sock"), directory.path().join("store"));
    teller::serve(&socket, || {
        // Numbers that nobody was there for.
        next_batch();
        stream::unfold(tokio::time::interval(Duration::from_millis(1)), async |mut interval| {
            interval.tick().await;
            Some((next_batch(), interval))
        })
    });
    let config = directory.path().join("config.toml");
    let text = format!(
        "sensors = ['unix:{}']\nstore = '{}'\n[roll]\nbytes = 65536\n",
        socket.display(),
        store.display()
    );
    std::fs::write(&config, text).unwrap();

    let mut stored = 0;
    for kill in 0..KILLS {
        let mut run = start(&config);
        stored = wait_for_more(&store, stored);
        // Moments spread over what happens between two rolls, which come about every 60 ms.
        std::thread::sleep(Duration::from_millis(kill * 7 % 61));
        run.kill().unwrap();
        run.wait().unwrap();
        let left = count(&store);
        assert!(left >= stored, "{stored} events were seen before kill {kill}, {left} after it");
        stored = left;
    }

    let rows =
        query(&store, "SELECT sequence, gap_from, gap_to FROM events ORDER BY coalesce(sequence, gap_from)");
    let mut next = None;
    let mut gaps = 0;
    for row in &rows {
        let (from, to) = match row["sequence"].as_u64() {
            Some(sequence) => (sequence, sequence),
            None => {
                gaps += 1;
                (row["gap_from"].as_u64().unwrap(), row["gap_to"].as_u64().unwrap())
            }
        };
        assert_eq!(*next.get_or_insert(from), from, "each number once");
        next = Some(to + 1);
    }
    assert_eq!(gaps, KILLS - 1, "one for each time there was a collector before");
    println!("{KILLS} kills, {} rows, {gaps} gaps, none lost or doubled", rows.len());
}
