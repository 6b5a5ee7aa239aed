//! Compaction: a kill at any step loses and doubles nothing, and what somebody changed is
//! not made good.

use super::{
    super::compact::{Compactor, Step, Zeal},
    *,
};

/// Compacts a closed store once, up to so many steps.
fn compact(layout: &Layout, steps: usize) -> (Result<bool, StoreError>, Vec<Step>) {
    let mut seal = Seal::open(layout).unwrap();
    let mut compactor = Compactor::new(seal.superseded());
    let mut reached = Vec::new();
    let ended = compactor.compact(layout, &mut seal, Zeal::Idle, &Default::default(), &mut |step| {
        reached.push(step);
        if reached.len() > steps { Err(StoreError::Stopped) } else { Ok(()) }
    });
    (ended, reached)
}

/// A closed store with files of three segments in each of nine partitions.
pub fn store() -> (tempfile::TempDir, Layout) {
    let (directory, layout) = rolled(0);
    let mut store = open(&layout, AT_ONCE);
    for part in [1..28, 28..55, 55..82] {
        store.append(&mixed(part)).unwrap();
        store.maintain(Vec::new).unwrap();
    }
    wait_for_segments(&layout, 1);
    store.close().unwrap();
    (directory, layout)
}

pub fn is_fine(layout: &Layout) -> bool {
    let report = check(layout, None, &[], &mut |_, _| {}).unwrap();
    assert!(report.is_fine(), "{:?}", report.problems);
    true
}

#[tokio::test]
async fn files_of_a_day_that_is_over_become_one_in_each_class() {
    let (_directory, layout) = store();
    let before = layout.files().unwrap().len();
    let (ended, _) = compact(&layout, usize::MAX);
    assert!(ended.unwrap() && is_fine(&layout));
    let files = layout.files().unwrap();
    assert_eq!((before, files.len(), layout.parquet().unwrap().len()), (27, 9, 9));
    assert!(files.iter().all(|file| file.first < file.number));
    assert_eq!(sequences(&layout).await, (1..82).collect::<Vec<_>>());
    let events = sql(&layout, "SELECT * FROM events ORDER BY sequence").await;
    assert_eq!(stored_events(&events).unwrap(), mixed(1..82));
    let (again, steps) = compact(&layout, usize::MAX);
    assert!(!again.unwrap() && steps.is_empty(), "there is nothing more to do");
}

#[tokio::test]
async fn a_kill_at_any_step_of_a_compaction_loses_and_doubles_nothing() {
    let (_directory, template) = store();
    let expected: Vec<u64> = (1..82).collect();
    let (mut killed_at, mut seen) = (0, Vec::new());
    loop {
        let directory = tempfile::tempdir().unwrap();
        copy(template.root(), directory.path());
        let layout = layout(&directory);
        let (ended, steps) = compact(&layout, killed_at);
        assert_eq!(sequences(&layout).await, expected, "killed at {steps:?}");
        assert!(is_fine(&layout), "killed at {steps:?}");
        layout.remove_unfinished().unwrap();
        assert!(compact(&layout, usize::MAX).0.is_ok(), "killed at {steps:?}");
        assert!(is_fine(&layout), "killed at {steps:?}, after the restart");
        assert_eq!(sequences(&layout).await, expected, "killed at {steps:?}, after the restart");
        assert_eq!(layout.parquet().unwrap().len(), 9, "killed at {steps:?}, after the restart");
        seen.extend(steps.last().copied());
        if ended.is_ok() {
            break;
        }
        // The first partition at every step, then now and then.
        killed_at += if killed_at < 14 { 1 } else { 7 };
    }
    for step in [Step::Part, Step::Synced, Step::Sealed, Step::Named, Step::Removed] {
        assert!(seen.contains(&step), "{step:?}");
    }
}

pub fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &to) } else { _ = fs::copy(entry.path(), to).unwrap() }
    }
}

#[tokio::test]
async fn who_reads_has_all_files_until_the_end() {
    let (_directory, layout) = store();
    let snapshot = Snapshot::take(&layout).unwrap();
    assert!(compact(&layout, usize::MAX).0.is_ok());
    assert!(snapshot.files.iter().all(|file| file.path.exists()));
    assert_eq!(sequences(&layout).await, (1..82).collect::<Vec<_>>(), "both are there");
    drop(snapshot);
    assert!(compact(&layout, usize::MAX).0.is_ok());
    assert_eq!(layout.parquet().unwrap().len(), 9);
    assert!(is_fine(&layout));
}

#[test]
fn a_file_that_somebody_changed_is_not_made_part_of_another() {
    let (_directory, layout) = store();
    let changed = layout.files().unwrap().remove(0);
    let other = layout
        .files()
        .unwrap()
        .iter()
        .find(|file| file.class == changed.class && file.path != changed.path)
        .unwrap()
        .path
        .clone();
    fs::copy(other, &changed.path).unwrap();
    assert!(compact(&layout, usize::MAX).0.is_ok());
    assert!(changed.path.exists());
    let report = check(&layout, None, &[], &mut |_, _| {}).unwrap();
    let problems: Vec<_> =
        report.problems.iter().map(|(kind, problem)| (kind.name(), problem.place.file.clone())).collect();
    assert_eq!(problems, [("swapped", Some(layout.relative(&changed.path)))]);
}

#[test]
fn a_file_that_others_became_and_which_is_deleted_is_found() {
    let (_directory, layout) = store();
    assert!(compact(&layout, usize::MAX).0.is_ok());
    let file = layout.files().unwrap().remove(0);
    fs::remove_file(&file.path).unwrap();
    let report = check(&layout, None, &[], &mut |_, _| {}).unwrap();
    let problems: Vec<_> =
        report.problems.iter().map(|(kind, problem)| (kind.name(), problem.more)).collect();
    assert_eq!(problems, [("missing", 0)]);
}
