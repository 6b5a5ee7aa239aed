//! What is sent, sent again, and remembered.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use tokio::sync::watch;

use super::*;
use crate::{
    export::{
        cursor::Cursor,
        drive::{Driver, Export},
    },
    store::{Position, Span},
};

/// Somebody who takes lines, or does not, and may turn out to have lost them.
#[derive(Clone, Default)]
struct Taker {
    taken: Arc<Mutex<Vec<String>>>,
    fails: Arc<Mutex<u32>>,
    settles: Duration,
    forgets: Arc<AtomicBool>,
}

#[async_trait]
impl Exporter for Taker {
    async fn send(&mut self, lines: &[Line]) -> Result<(), ExportError> {
        let identities = lines.iter().map(|line| line.identity.clone());
        self.taken.lock().unwrap().extend(identities);
        let mut fails = self.fails.lock().unwrap();
        if *fails > 0 {
            *fails -= 1;
            return Err(ExportError::Unreachable { place: "the taker".into(), why: "it fails".into() });
        }
        Ok(())
    }

    fn settles(&self) -> Duration {
        self.settles
    }

    async fn still_has(&mut self) -> Result<(), ExportError> {
        if self.forgets.swap(false, Ordering::Relaxed) {
            self.taken.lock().unwrap().clear();
            return Err(ExportError::Unreachable { place: "the taker".into(), why: "it has ended".into() });
        }
        Ok(())
    }
}

impl Taker {
    fn distinct(&self) -> usize {
        self.taken.lock().unwrap().iter().collect::<std::collections::BTreeSet<_>>().len()
    }
}

fn driver(layout: &Layout, taker: &Taker, follow: bool) -> (Driver, watch::Sender<bool>) {
    let (cursor, position) = Cursor::open(layout, &"siem".parse().unwrap()).unwrap();
    let format = activity_formats::Format::Json;
    let (span, layout, name) = (Span::default(), layout.clone(), "siem".to_owned());
    let export = Export { name, layout, cursor: Some(cursor), position, format, span, follow };
    let (stop, stopped) = watch::channel(false);
    (Driver::new(export, Box::new(taker.clone()), stopped), stop)
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn position(layout: &Layout) -> Position {
    Cursor::open(layout, &"siem".parse().unwrap()).unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_call_begins_where_the_one_before_came_to() {
    let directory = tempfile::tempdir().unwrap();
    let (layout, mut store) = store(directory.path());
    let taker = Taker::default();
    for expected in [2500, 0, 10] {
        let sent = taker.taken.lock().unwrap().len() as u64;
        store.append(&events(sent + 1..=sent + expected)).unwrap();
        let (driver, _stop) = driver(&layout, &taker, false);
        assert_eq!(driver.run().await.unwrap(), expected);
    }
    let taken = taker.taken.lock().unwrap().len();
    assert_eq!((taken, taker.distinct()), (2510, 2510));
    store.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn by_hand_a_failure_is_told_and_nothing_is_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let (layout, mut store) = store(directory.path());
    store.append(&events(1..=5)).unwrap();
    let taker = Taker { fails: Arc::new(Mutex::new(1)), ..Taker::default() };
    let (driver, _stop) = driver(&layout, &taker, false);
    let failure = driver.run().await.unwrap_err();
    assert_eq!((failure.code, failure.to_string().as_str()), (69, "the taker cannot be reached: it fails"));
    assert_eq!(position(&layout), Position::default());
    store.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_taken_is_sent_again_while_more_comes() {
    let directory = tempfile::tempdir().unwrap();
    let (layout, mut store) = store(directory.path());
    store.append(&events(1..=1500)).unwrap();
    let taker = Taker { fails: Arc::new(Mutex::new(2)), ..Taker::default() };
    let (driver, stop) = driver(&layout, &taker, true);
    let running = tokio::spawn(driver.run());
    until("all of the first arrive", || taker.distinct() == 1500).await;
    store.append(&events(1501..=1600)).unwrap();
    until("all of the second arrive", || taker.distinct() == 1600).await;
    stop.send(true).unwrap();
    running.await.unwrap().unwrap();
    store.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_other_side_lost_before_it_settled_is_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let (layout, mut store) = store(directory.path());
    store.append(&events(1..=1500)).unwrap();
    let taker = Taker { settles: Duration::from_millis(300), ..Taker::default() };
    let (driver, stop) = driver(&layout, &taker, true);
    let running = tokio::spawn(driver.run());
    until("all arrive", || taker.distinct() == 1500).await;
    taker.forgets.store(true, Ordering::Relaxed);
    until("it forgets", || !taker.forgets.load(Ordering::Relaxed)).await;
    until("all arrive again", || taker.distinct() == 1500).await;
    stop.send(true).unwrap();
    running.await.unwrap().unwrap();
    store.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_settled_is_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let (layout, mut store) = store(directory.path());
    store.append(&events(1..=5)).unwrap();
    let taker = Taker { settles: Duration::from_secs(3600), ..Taker::default() };
    let (driver, stop) = driver(&layout, &taker, true);
    let running = tokio::spawn(driver.run());
    until("all arrive", || taker.distinct() == 5).await;
    stop.send(true).unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(position(&layout), Position::default());
    store.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_whole_lines_also_after_a_kill_in_one() {
    let directory = tempfile::tempdir().unwrap();
    let (layout, mut store) = store(&directory.path().join("store"));
    store.append(&events(1..=3)).unwrap();
    let path = directory.path().join("out.json");
    std::fs::write(&path, "{\"type\":\"exec\"}\n{\"type\":\"ex").unwrap();
    let (cursor, position) = Cursor::open(&layout, &"file".parse().unwrap()).unwrap();
    let format = activity_formats::Format::Ecs;
    let since = Some((1_767_225_600 + 2) * 1_000_000_000);
    let span = Span { since, until: since.map(|since| since + 1) };
    let (name, cursor) = ("file".to_owned(), Some(cursor));
    let export = Export { name, layout, cursor, position, format, span, follow: false };
    let (_stop, stopped) = watch::channel(false);
    let target: Target = format!("file://{}", path.display()).parse().unwrap();
    Driver::new(export, target.open(&Secrets::default()).unwrap(), stopped).run().await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["event"]["sequence"], 2, "the one in the span");
    store.close().unwrap();
}
