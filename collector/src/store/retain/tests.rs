//! What is removed, and that it can be told from what somebody deleted.

use std::time::{Duration, Instant};

use activity_proto::v1::{Event, event::Payload};
use bytes::Bytes;
use jiff::SignedDuration;
use prost::Message as _;

use super::*;
use crate::{
    seal::verify::check,
    store::{
        Store,
        tests::{AT_ONCE, encoded, event, layout, open, roll_more, rolled, wait_for_segments},
    },
    tracker::Tracker,
};

const GO_ON: fn() -> Result<(), StoreError> = || Ok(());

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn keep(layout: &Layout, retention: Retention, now: Timestamp) {
    let mut seal = Seal::open(layout).unwrap();
    let mut book = Book::open(layout).unwrap();
    Keeper::new(retention).keep(layout, &mut seal, &mut book, now, &GO_ON).unwrap();
}

/// Makes a file of events.
fn store(layout: &Layout, events: &[Bytes]) {
    let mut store = open(layout, AT_ONCE);
    store.append(events).unwrap();
    store.maintain(Vec::new).unwrap();
    wait_for_segments(layout, 1);
    store.close().unwrap();
}

/// Waits until there are so many files.
fn wait_for_files(layout: &Layout, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while layout.files().unwrap().len() != count {
        assert!(Instant::now() < deadline, "the files are not {count}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn numbers(layout: &Layout) -> Vec<u64> {
    layout.files().unwrap().iter().map(|file| file.number).collect()
}

fn lengths(layout: &Layout) -> Vec<u64> {
    layout.files().unwrap().iter().map(|file| length(&file.path).unwrap()).collect()
}

/// How many files retention removed, by age and by quota, in a store that is as it was sealed.
fn removed(layout: &Layout) -> (u64, u64) {
    let report = check(layout, None, &[], &mut |_, _| {}).unwrap();
    assert!(report.is_fine(), "{:?}", report.problems);
    let count = |reason| report.removed.get(&reason).copied().unwrap_or_default();
    (count(Reason::Age), count(Reason::Quota))
}

#[test]
fn a_file_goes_when_its_latest_event_is_too_old_and_not_before() {
    let (_directory, layout) = rolled(2);
    let now = Timestamp::now();
    let late = now + days(8);
    let time = Some(prost_types::Timestamp { seconds: late.as_second(), nanos: 0 });
    let early = Some(prost_types::Timestamp { seconds: now.as_second(), nanos: 0 });
    // A clock that is far ahead: both are of the day on which they are stored.
    let of = |time, sequence| Bytes::from(Event { time, ..event(sequence) }.encode_to_vec());
    store(&layout, &[of(early, 21), of(time, 22)]);
    let before = numbers(&layout);
    assert_eq!(before.len(), 3);

    let retention = Retention { keep_days: 5, ..Retention::default() };
    keep(&layout, retention, now + days(4));
    assert_eq!(numbers(&layout), before);
    keep(&layout, retention, now + days(7));
    assert_eq!(numbers(&layout), before[2..], "the last has an event from later");
    assert_eq!(removed(&layout), (2, 0));
    keep(&layout, retention, now + days(14));
    assert!(numbers(&layout).is_empty());
    assert_eq!(removed(&layout), (3, 0));
    // The directories of the partition went with it, and the store goes on.
    assert_eq!(fs::read_dir(layout.events()).unwrap().count(), 0);
    assert!(layout.files().unwrap().is_empty() && layout.parquet().unwrap().is_empty());
    store(&layout, &encoded([23]));
    assert_eq!((numbers(&layout).len(), removed(&layout)), (1, (3, 0)));
}

#[test]
fn the_oldest_files_go_until_the_rest_is_small_enough() {
    let (_directory, layout) = rolled(5);
    let (before, lengths) = (numbers(&layout), lengths(&layout));
    let max_bytes = lengths[2..].iter().sum();
    keep(&layout, Retention { max_bytes: lengths.iter().sum(), ..Retention::default() }, Timestamp::now());
    assert_eq!(numbers(&layout), before);
    keep(&layout, Retention { max_bytes, ..Retention::default() }, Timestamp::now());
    assert_eq!(numbers(&layout), before[2..]);
    keep(&layout, Retention { max_bytes: max_bytes - 1, ..Retention::default() }, Timestamp::now());
    assert_eq!(numbers(&layout), before[3..]);
    assert_eq!(removed(&layout), (0, 3));
}

#[test]
fn without_settings_everything_is_kept() {
    let (_directory, layout) = rolled(2);
    keep(&layout, Retention::default(), Timestamp::now() + days(36_500));
    assert_eq!(numbers(&layout).len(), 2);
}

#[test]
fn nothing_is_removed_under_a_hold() {
    let (_directory, layout) = rolled(3);
    fs::write(layout.legal_hold(), "").unwrap();
    let mut seal = Seal::open(&layout).unwrap();
    let mut keeper = Keeper::new(Retention { keep_days: 1, max_bytes: 1, ..Retention::default() });
    let later = Timestamp::now() + days(1000);
    for _ in 0..2 {
        keeper.keep(&layout, &mut seal, &mut Book::open(&layout).unwrap(), later, &GO_ON).unwrap();
        assert_eq!(numbers(&layout).len(), 3);
    }
    assert!(keeper.is_held);
    fs::remove_file(layout.legal_hold()).unwrap();
    keeper.keep(&layout, &mut seal, &mut Book::open(&layout).unwrap(), later, &GO_ON).unwrap();
    assert!(numbers(&layout).is_empty() && !keeper.is_held);
    assert_eq!(removed(&layout), (3, 0));
}

/// A store in which a kill came between the entry and the removal of its first file.
fn killed() -> (tempfile::TempDir, Layout) {
    let (directory, layout) = rolled(2);
    let mut seal = Seal::open(&layout).unwrap();
    let file = layout.files().unwrap().remove(0);
    let file = sealed_file(&layout, file.number, &file.path).unwrap();
    seal.removed(Removed { file, reason: Reason::Age, sensors: Vec::new() }).unwrap();
    (directory, layout)
}

#[test]
fn a_removal_that_a_kill_cut_short_is_done_at_the_next_start_and_sealed_once() {
    let (_directory, layout) = killed();
    assert_eq!(numbers(&layout).len(), 2);
    let report = check(&layout, None, &[], &mut |_, _| {}).unwrap();
    assert!(report.is_fine() && report.unfinished == 1, "{:?}", report.problems);
    let store = open(&layout, AT_ONCE);
    wait_for_files(&layout, 1);
    wait_for_segments(&layout, 1);
    store.close().unwrap();
    assert_eq!(removed(&layout), (1, 0));
}

#[test]
fn a_hold_also_keeps_what_a_kill_left() {
    let (_directory, layout) = killed();
    fs::write(layout.legal_hold(), "").unwrap();
    roll_more(&layout, 2..3);
    assert_eq!(numbers(&layout).len(), 3);
}

#[test]
fn what_somebody_deletes_is_not_taken_for_retention() {
    let (_directory, layout) = rolled(3);
    let first = layout.files().unwrap().remove(0);
    let max_bytes = lengths(&layout)[1..].iter().sum();
    fs::remove_file(&first.path).unwrap();
    keep(&layout, Retention { max_bytes, ..Retention::default() }, Timestamp::now());
    let report = check(&layout, None, &[], &mut |_, _| {}).unwrap();
    let problems: Vec<_> =
        report.problems.iter().map(|(kind, problem)| (kind.name(), problem.place.number)).collect();
    assert_eq!(problems, [("missing", Some(first.number))]);
    assert!(report.removed.is_empty());
}

#[test]
fn what_was_changed_before_it_was_removed_is_told_afterwards() {
    let (_directory, layout) = rolled(3);
    let first = layout.files().unwrap().remove(0);
    fs::write(&first.path, "nothing").unwrap();
    keep(&layout, Retention { max_bytes: 1, ..Retention::default() }, Timestamp::now());
    assert!(numbers(&layout).is_empty());
    let report = check(&layout, None, &[], &mut |_, _| {}).unwrap();
    let problems: Vec<_> =
        report.problems.iter().map(|(kind, problem)| (kind.name(), problem.place.number)).collect();
    assert_eq!(problems, [("changed", Some(first.number))]);
}

#[test]
fn a_store_that_is_written_to_stays_within_its_quota() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    let retention = Retention { max_bytes: 1, ..Retention::default() };
    let mut store = Store::open(layout.clone(), AT_ONCE, retention, None, &mut Tracker::default()).unwrap();
    for sequence in 1..=5 {
        store.append(&encoded([sequence])).unwrap();
        store.maintain(Vec::new).unwrap();
    }
    wait_for_segments(&layout, 1);
    wait_for_files(&layout, 0);
    store.close().unwrap();
    assert_eq!(removed(&layout), (0, 5));
}

/// A store with a file of each of two classes, of one segment.
fn two_classes() -> (tempfile::TempDir, Layout) {
    let (directory, layout) = rolled(0);
    let open = Payload::Open(Default::default());
    let file = Event { payload: Some(open), ..event(2) }.encode_to_vec();
    store(&layout, &[encoded([1]).remove(0), file.into()]);
    (directory, layout)
}

fn classes(layout: &Layout) -> Vec<Option<Class>> {
    layout.files().unwrap().iter().map(|file| file.class).collect()
}

#[test]
fn each_class_is_kept_for_as_long_as_is_said_of_it() {
    let (_directory, layout) = two_classes();
    assert_eq!(classes(&layout), [Some(Class::File), Some(Class::Process)]);
    let mut retention = Retention { keep_days: 30, ..Retention::default() };
    retention.of_class[1] = Some(5);
    keep(&layout, retention, Timestamp::now() + days(4));
    assert_eq!(classes(&layout).len(), 2);
    keep(&layout, retention, Timestamp::now() + days(7));
    assert_eq!(classes(&layout), [Some(Class::Process)]);
    // For ever, while all else has an end.
    retention.of_class[0] = Some(0);
    keep(&layout, retention, Timestamp::now() + days(7000));
    assert_eq!(classes(&layout), [Some(Class::Process)]);
    assert_eq!(removed(&layout), (1, 0));
}

#[test]
fn a_class_under_a_hold_stays_and_the_others_go() {
    let (_directory, layout) = two_classes();
    fs::write(layout.legal_hold_of(Class::File), "").unwrap();
    keep(
        &layout,
        Retention { keep_days: 1, max_bytes: 1, ..Retention::default() },
        Timestamp::now() + days(9),
    );
    assert_eq!(classes(&layout), [Some(Class::File)]);
    fs::remove_file(layout.legal_hold_of(Class::File)).unwrap();
    keep(&layout, Retention { max_bytes: 1, ..Retention::default() }, Timestamp::now());
    assert_eq!(removed(&layout), (1, 1));
}
