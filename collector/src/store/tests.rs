//! The store as a whole: what is written is read, whatever happens between.

mod archive;
mod compaction;

use std::{
    fs,
    ops::Range,
    sync::{Arc, LazyLock},
};

use activity_proto::v1::{Event, EventId, Exec, Gap, Lane, Open, Process, event::Payload};
use datafusion::{
    arrow::array::{AsArray as _, RecordBatch},
    arrow::datatypes::UInt64Type,
    prelude::SessionContext,
};
use prost::Message as _;

use super::{
    roll::{Step, roll},
    *,
};
use crate::{
    seal::{Seal, verify::check},
    tracker::Tracker,
};

pub const NEVER: RollSettings = RollSettings { bytes: u64::MAX, age: Duration::from_secs(86_400) };
pub const AT_ONCE: RollSettings = RollSettings { bytes: 1, age: Duration::from_secs(86_400) };
/// 2026-01-01 in seconds.
pub const NEW_YEAR: i64 = 1_767_225_600;

pub fn event(sequence: u64) -> Event {
    let lane = Lane::Process.into();
    Event {
        id: Some(EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch: 1, lane, sequence }),
        time: Some(prost_types::Timestamp { seconds: NEW_YEAR + sequence as i64, nanos: 1 }),
        process: Some(Process { pid: 42, argv: vec!["true".into()], ..Process::default() }),
        payload: Some(Payload::Exec(Exec::default())),
        ..Event::default()
    }
}

pub fn encoded(sequences: impl IntoIterator<Item = u64>) -> Vec<Bytes> {
    sequences.into_iter().map(|sequence| event(sequence).encode_to_vec().into()).collect()
}

pub fn layout(directory: &tempfile::TempDir) -> Layout {
    Layout::new(directory.path().to_str().unwrap()).unwrap()
}

pub fn open(layout: &Layout, settings: RollSettings) -> Store {
    Store::open(layout.clone(), settings, Retention::default(), None, &mut Tracker::default()).unwrap()
}

/// A closed store with so many files of ten events each.
pub fn rolled(files: u64) -> (tempfile::TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    roll_more(&layout, 0..files);
    (directory, layout)
}

/// Goes on with a store for so many files of ten events each.
pub fn roll_more(layout: &Layout, files: Range<u64>) {
    let mut store = open(layout, AT_ONCE);
    for file in files {
        store.append(&encoded(10 * file + 1..=10 * file + 10)).unwrap();
        store.maintain(Vec::new).unwrap();
    }
    wait_for_segments(layout, 1);
    store.close().unwrap();
}

async fn sql(layout: &Layout, statement: &str) -> RecordBatch {
    let context = SessionContext::new();
    let table = EventsTable::new(Snapshot::take(layout).unwrap());
    context.register_table("events", Arc::new(table)).unwrap();
    let frame = context.sql(statement).await.unwrap();
    let schema = Arc::new(frame.schema().as_arrow().clone());
    datafusion::arrow::compute::concat_batches(&schema, &frame.collect().await.unwrap()).unwrap()
}

/// The sequences that a query sees, in order.
pub async fn sequences(layout: &Layout) -> Vec<u64> {
    let batch = sql(layout, "SELECT sequence FROM events ORDER BY sequence").await;
    batch.column(0).as_primitive::<UInt64Type>().values().to_vec()
}

/// Waits for the roller to be done with all but `left` segments.
pub fn wait_for_segments(layout: &Layout, left: usize) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while layout.segments().unwrap().len() > left {
        assert!(Instant::now() < deadline, "the segments are not rolled");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn what_is_appended_is_seen_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    let mut store = open(&layout, NEVER);
    assert!(sequences(&layout).await.is_empty());
    store.append(&encoded(1..=3)).unwrap();
    assert_eq!(sequences(&layout).await, [1, 2, 3]);
    assert!(layout.files().unwrap().is_empty());
    store.close().unwrap();
}

#[tokio::test]
async fn a_full_segment_becomes_a_file_and_events_are_seen_all_along() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    let mut store = open(&layout, AT_ONCE);
    let mut expected = Vec::new();
    for sequence in 1..=20 {
        store.append(&encoded([sequence])).unwrap();
        expected.push(sequence);
        store.maintain(Vec::new).unwrap();
        assert_eq!(sequences(&layout).await, expected);
    }
    wait_for_segments(&layout, 1);
    let files = layout.files().unwrap();
    assert_eq!((files[0].first, files[files.len() - 1].number), (1, 20));
    assert_eq!(sequences(&layout).await, expected);
    store.close().unwrap();
}

#[tokio::test]
async fn a_kill_at_any_step_of_a_roll_loses_and_doubles_nothing() {
    let steps =
        [Step::Part, Step::Written, Step::Synced, Step::Renamed, Step::Named, Step::Sealed, Step::Removed];
    for killed_at in steps {
        let directory = tempfile::tempdir().unwrap();
        let layout = layout(&directory);
        let mut store = open(&layout, NEVER);
        store.append(&encoded(1..=100)).unwrap();
        store.close().unwrap();

        let segment = layout.segments().unwrap()[0];
        let mut reached = Vec::new();
        let mut seal = Seal::open(&layout).unwrap();
        let killed = roll(&layout, segment, &mut seal, &mut |step| {
            reached.push(step);
            if step == killed_at { Err(StoreError::Stopped) } else { Ok(()) }
        });
        assert!(matches!(killed, Err(StoreError::Stopped)), "{killed_at:?}");
        assert_eq!(reached.last(), Some(&killed_at));
        let expected: Vec<u64> = (1..=100).collect();
        assert_eq!(sequences(&layout).await, expected, "killed at {killed_at:?}, before the restart");

        let mut store = open(&layout, NEVER);
        wait_for_segments(&layout, 1);
        store.append(&encoded([101])).unwrap();
        let expected: Vec<u64> = (1..=101).collect();
        assert_eq!(sequences(&layout).await, expected, "killed at {killed_at:?}, after the restart");
        assert_eq!(layout.files().unwrap().len(), 1, "killed at {killed_at:?}");
        store.close().unwrap();
    }
}

/// Midnight a week ago, in seconds: of what is older than a year the store keeps the day on
/// which it came.
static LAST_WEEK: LazyLock<i64> = LazyLock::new(|| {
    let day = Timestamp::now().as_second() / 86_400;
    (day - 7) * 86_400
});

/// Events of three classes on three days.
pub fn mixed(sequences: Range<u64>) -> Vec<Bytes> {
    let kinds =
        [Payload::Exec(Exec::default()), Payload::Open(Open::default()), Payload::Gap(Gap::default())];
    let mixed = sequences.map(|sequence| {
        let payload = kinds.get(sequence as usize % 3).cloned();
        let seconds = *LAST_WEEK + 86_400 * (sequence as i64 / 3 % 3);
        let time = Some(prost_types::Timestamp { seconds, nanos: sequence as i32 });
        Event { payload, time, ..event(sequence) }.encode_to_vec().into()
    });
    mixed.collect()
}

#[tokio::test]
async fn a_kill_between_any_two_files_of_a_segment_loses_and_doubles_nothing() {
    let expected: Vec<u64> = (1..28).collect();
    for killed_at in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let layout = layout(&directory);
        let mut store = open(&layout, NEVER);
        store.append(&mixed(1..28)).unwrap();
        store.close().unwrap();
        let (segment, mut seal) = (layout.segments().unwrap()[0], Seal::open(&layout).unwrap());
        let mut steps = 0;
        let ended = roll(&layout, segment, &mut seal, &mut |_| {
            steps += 1;
            if steps > killed_at { Err(StoreError::Stopped) } else { Ok(()) }
        });
        assert_eq!(sequences(&layout).await, expected, "killed after {killed_at} steps");
        if ended.is_ok() {
            assert!(killed_at > 9 * 4, "{killed_at} steps");
            assert_eq!(layout.files().unwrap().len(), 9);
            return;
        }
        let store = open(&layout, NEVER);
        wait_for_segments(&layout, 1);
        store.close().unwrap();
        assert_eq!(sequences(&layout).await, expected, "killed after {killed_at} steps, after the restart");
        assert_eq!(layout.files().unwrap().len(), 9, "killed after {killed_at} steps");
        assert!(check(&layout, None, &[], &mut |_, _| {}).unwrap().is_fine());
    }
}

#[tokio::test]
async fn a_store_of_an_older_build_is_read_beside_what_is_added() {
    let (_directory, layout) = rolled(2);
    // Older builds kept all of a day in one directory.
    let old = layout.events().join("day=2026-01-01");
    fs::create_dir_all(&old).unwrap();
    for file in layout.files().unwrap() {
        fs::rename(&file.path, old.join(file.path.file_name().unwrap())).unwrap();
    }
    fs::remove_dir_all(layout.events().join("tenant=default")).unwrap();
    for path in [layout.seal(), layout.seal_key(), layout.seal_public(), layout.readers()] {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(sequences(&layout).await, (1..=20).collect::<Vec<_>>());
    roll_more(&layout, 2..4);
    assert_eq!(sequences(&layout).await, (1..=40).collect::<Vec<_>>());
    assert!(check(&layout, None, &[], &mut |_, _| {}).unwrap().is_fine());
}

#[tokio::test]
async fn a_write_that_was_cut_costs_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    let mut store = open(&layout, NEVER);
    store.append(&encoded([1])).unwrap();
    store.append(&encoded([2])).unwrap();
    store.close().unwrap();
    let path = layout.log().join(layout.segments().unwrap()[0].to_string());
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();

    assert_eq!(sequences(&layout).await, [1]);
    let mut tracker = Tracker::default();
    let store = Store::open(layout.clone(), NEVER, Retention::default(), None, &mut tracker).unwrap();
    assert_eq!(tracker.cursors()[0].last, 1);
    wait_for_segments(&layout, 1);
    assert_eq!(sequences(&layout).await, [1]);
    store.close().unwrap();
}

#[test]
fn what_has_been_received_is_known_after_any_number_of_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    let mut tracker = Tracker::default();
    let mut store = Store::open(layout.clone(), AT_ONCE, Retention::default(), None, &mut tracker).unwrap();
    let mut events = Vec::new();
    tracker.receive(1, None, encoded([7]).remove(0), &mut events);
    store.append(&events).unwrap();
    store.maintain(|| tracker.cursors()).unwrap();
    store.close().unwrap();
    for _ in 0..3 {
        let mut later = Tracker::default();
        let store = Store::open(layout.clone(), NEVER, Retention::default(), None, &mut later).unwrap();
        assert_eq!(later.cursors(), tracker.cursors());
        wait_for_segments(&layout, 1);
        store.close().unwrap();
    }
}

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    let first = open(&layout, NEVER);
    let second = Store::open(layout.clone(), NEVER, Retention::default(), None, &mut Tracker::default());
    assert!(matches!(second.err(), Some(StoreError::Locked(_))));
    Snapshot::take(&layout).unwrap();
    first.close().unwrap();
    open(&layout, NEVER).close().unwrap();
}

#[test]
fn where_nothing_was_stored_a_reader_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = Layout::new(directory.path().join("x").to_str().unwrap()).unwrap();
    assert!(matches!(Snapshot::take(&nowhere), Err(StoreError::Missing(_))));
}

#[tokio::test]
async fn the_log_and_the_files_answer_alike() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    let store = {
        let mut store = open(&layout, AT_ONCE);
        store.append(&schema::tests::every_kind()).unwrap();
        store
    };
    let all = "SELECT * FROM events ORDER BY event, rest, type";
    let fresh = sql(&layout, all).await;
    assert!(layout.files().unwrap().is_empty());
    let mut store = store;
    store.maintain(Vec::new).unwrap();
    wait_for_segments(&layout, 1);
    let classes: Vec<_> = layout.files().unwrap().iter().filter_map(|file| file.class).collect();
    assert_eq!(classes.len(), 5, "{classes:?}");
    assert_eq!(sql(&layout, all).await, fresh);
    assert_eq!(fresh.num_rows(), schema::tests::every_kind().len());
    assert_eq!(stored_events(&fresh).unwrap().len(), fresh.num_rows());
    store.close().unwrap();
}

#[tokio::test]
async fn files_of_other_times_are_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    let mut store = open(&layout, AT_ONCE);
    for sequence in [1, 1000, 2000] {
        store.append(&encoded([sequence, sequence + 9])).unwrap();
        store.maintain(Vec::new).unwrap();
    }
    wait_for_segments(&layout, 1);
    store.close().unwrap();
    // A file that is read would now be an error.
    for file in layout.files().unwrap().iter().step_by(2) {
        fs::write(&file.path, "no Parquet").unwrap();
    }
    let statement = "SELECT sequence FROM events
        WHERE time > '2026-01-01T00:16:40Z' AND time < '2026-01-01T00:16:50Z' AND comm IS NULL";
    let batch = sql(&layout, statement).await;
    assert_eq!(batch.column(0).as_primitive::<UInt64Type>().values().to_vec(), [1000, 1009]);
}
