//! The writer of the seal: what a kill, damage and an older store leave behind.

use std::fs;

use super::{verify::check, *};
use crate::store::{
    roll::{Step, roll},
    tests::{AT_ONCE, NEVER, encoded, open, roll_more, rolled, wait_for_segments},
};

/// The entries of a store of which every file is as it was sealed.
fn entries(layout: &Layout) -> Vec<Entry> {
    let report = check(layout, None, &[], &mut |_, _| {}).unwrap();
    assert!(report.is_fine(), "{:?}", report.problems);
    read(layout)
}

fn read(layout: &Layout) -> Vec<Entry> {
    let mut entries = Vec::new();
    lines::each(&layout.seal(), |line| entries.extend(Entry::read(line))).unwrap();
    entries
}

/// The numbers of segments with an entry, in order.
fn segments(layout: &Layout) -> Vec<u64> {
    entries(layout).iter().filter_map(|entry| entry.what.segment()).collect()
}

/// A closed store with a segment that is not rolled, and what rolling it up to a step leaves.
fn killed(at: Step) -> (tempfile::TempDir, Layout) {
    let (directory, layout) = rolled(1);
    let mut store = open(&layout, NEVER);
    store.append(&encoded(11..=20)).unwrap();
    wait_for_segments(&layout, 1);
    store.close().unwrap();
    let mut seal = Seal::open(&layout).unwrap();
    let segment = layout.segments().unwrap()[0];
    // There is always one behind it, which is written.
    let next = format!("{:012}-2026-01-31-0000000000000001.log", segment.number + 1);
    fs::write(layout.log().join(next), "").unwrap();
    let end = roll(&layout, segment, &mut seal, &mut |step| {
        if step == at { Err(StoreError::Stopped) } else { Ok(()) }
    });
    assert!(matches!(end, Err(StoreError::Stopped)));
    (directory, layout)
}

#[test]
fn a_kill_at_any_step_leaves_a_store_that_verifies_and_each_segment_is_sealed_once() {
    for step in
        [Step::Part, Step::Written, Step::Synced, Step::Renamed, Step::Named, Step::Sealed, Step::Removed]
    {
        let (_directory, layout) = killed(step);
        let before = entries(&layout).len();
        assert_eq!(
            before,
            if matches!(step, Step::Sealed | Step::Removed) { 4 } else { 3 },
            "killed at {step:?}"
        );
        roll_more(&layout, 2..3);
        let numbers = segments(&layout);
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "killed at {step:?}");
        let files: Vec<u64> = layout.files().unwrap().iter().map(|file| file.number).collect();
        assert_eq!(files.len(), 3, "killed at {step:?}");
    }
}

#[test]
fn an_entry_that_a_kill_cut_is_removed_and_made_again() {
    for part in [0, 1, 2, 100, 300, 500, usize::MAX] {
        let (_directory, layout) = killed(Step::Sealed);
        let whole = fs::read(layout.seal()).unwrap();
        let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        // All but the line break at most.
        let length = last.saturating_add(part).min(whole.len() - 1);
        fs::write(layout.seal(), &whole[..length]).unwrap();
        assert_eq!(entries(&layout).len(), 3, "{part} bytes");
        roll_more(&layout, 2..3);
        let numbers = segments(&layout);
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{part} bytes");
        assert_eq!(layout.files().unwrap().len(), 3, "{part} bytes");
    }
}

#[test]
fn segments_without_events_are_sealed_too_so_that_numbers_have_no_holes() {
    let (_directory, layout) = rolled(1);
    for _ in 0..3 {
        let store = open(&layout, NEVER);
        wait_for_segments(&layout, 1);
        store.close().unwrap();
    }
    let entries = entries(&layout);
    assert!(matches!(entries[0].what, What::Begun { before: 0, .. }));
    assert!(matches!(entries[1].what, What::Rolled(_)));
    assert!(entries[2..].iter().all(|entry| matches!(entry.what, What::Empty { .. })));
    assert_eq!(segments(&layout), [1, 2, 3, 4]);
}

#[test]
fn files_from_before_the_seal_are_adopted() {
    let (_directory, layout) = rolled(3);
    for path in [layout.seal(), layout.seal_key(), layout.seal_public()] {
        fs::remove_file(path).unwrap();
    }
    roll_more(&layout, 3..4);
    let entries = entries(&layout);
    assert!(matches!(entries[0].what, What::Begun { before: 3, .. }), "{:?}", entries[0]);
    assert!(entries[1..4].iter().all(|entry| matches!(entry.what, What::Adopted(_))));
    assert_eq!(segments(&layout), [4, 5]);

    let file = layout.files().unwrap().remove(1);
    let mut bytes = fs::read(&file.path).unwrap();
    bytes[20] ^= 1;
    fs::write(&file.path, bytes).unwrap();
    let report = check(&layout, None, &[], &mut |_, _| {}).unwrap();
    let problems: Vec<_> =
        report.problems.iter().map(|(kind, problem)| (kind.name(), problem.place.entry)).collect();
    assert_eq!((problems, report.adopted), (vec![("changed", Some(2))], 3));
}

#[test]
fn a_damaged_seal_keeps_no_event_from_being_stored() {
    let (_directory, layout) = rolled(2);
    let mut text = fs::read(layout.seal()).unwrap();
    text.extend(b"no entry\n");
    fs::write(layout.seal(), text).unwrap();
    roll_more(&layout, 2..4);
    assert_eq!(layout.files().unwrap().len(), 4);
    let report = check(&layout, None, &[], &mut |_, _| {}).unwrap();
    let problems: Vec<_> =
        report.problems.iter().map(|(kind, problem)| (kind.name(), problem.place.entry)).collect();
    assert_eq!(problems, [("malformed", Some(3))]);
}

#[test]
fn a_file_without_an_entry_whose_segment_is_gone_is_never_sealed() {
    let (_directory, layout) = rolled(2);
    let path = &layout.files().unwrap()[1].path;
    let added = path.with_file_name("000000000003_1_2.parquet");
    fs::copy(path, &added).unwrap();
    roll_more(&layout, 2..3);
    let report = check(&layout, None, &[], &mut |_, _| {}).unwrap();
    let problems: Vec<_> =
        report.problems.iter().map(|(kind, problem)| (kind.name(), problem.place.number)).collect();
    assert_eq!(problems, [("added", Some(3))]);
}

#[test]
fn who_can_write_to_the_seal_cannot_have_the_collector_remove_anything() {
    let (_directory, layout) = rolled(2);
    let file = layout.files().unwrap().remove(0);
    let sealed = sealed_file(&layout, file.number, &file.path).unwrap();
    let outside = SealedFile { path: "../outside".into(), ..sealed.clone() };
    let (_other, other) = rolled(1);
    for (file, key) in [(sealed, &other), (outside, &layout)] {
        let what = What::Removed(Removed { file, reason: Reason::Age, sensors: Vec::new() });
        let entry = Entry { entry: 9, time: String::new(), previous: Digest::default(), what };
        let line = entry.line(&Key::open(key).unwrap()).unwrap();
        let text = [fs::read(layout.seal()).unwrap(), line].concat();
        fs::write(layout.seal(), text).unwrap();
    }
    assert!(Seal::open(&layout).unwrap().unfinished().is_empty());
    roll_more(&layout, 2..3);
    assert!(file.path.exists());
}

#[test]
fn a_segment_whose_sealed_file_is_lost_becomes_the_same_file_again() {
    let (_directory, layout) = killed(Step::Sealed);
    let file = layout.files().unwrap().remove(1);
    fs::remove_file(&file.path).unwrap();
    let store = open(&layout, AT_ONCE);
    wait_for_segments(&layout, 1);
    store.close().unwrap();
    assert!(file.path.exists());
    assert_eq!(segments(&layout), [1, 2, 3, 4]);
}
