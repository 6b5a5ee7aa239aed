//! How long files are kept in the archive, and what compaction makes of their neighbours.

use jiff::SignedDuration;

use super::*;

fn in_days(days: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(24 * days)
}

fn there(directory: &Path) -> usize {
    let mut count = 0;
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() { left.push(entry.path()) } else { count += 1 }
        }
    }
    count
}

#[tokio::test]
async fn what_is_too_old_goes_from_the_archive_as_well_and_is_sealed_before() {
    let (_here, directory, layout) = moved();
    let retention = Retention { keep_days: 5, ..Retention::default() };
    let mut work = Work::open(&layout, Some(archive(directory.path())));
    work.keep(retention, in_days(4));
    assert_eq!(layout.all_files().unwrap().len(), 9);
    fs::write(layout.legal_hold(), "").unwrap();
    work.keep(retention, in_days(9));
    assert_eq!(layout.all_files().unwrap().len(), 9, "they are held");
    fs::remove_file(layout.legal_hold()).unwrap();
    work.keep(retention, in_days(9));
    assert!(sequences(&layout).await.is_empty());
    // A kill now leaves objects that are to be deleted at the next start.
    assert_eq!(there(directory.path()), 9);
    let report = check(&layout, None, &[], &mut |_, _| {}).unwrap();
    assert!(report.is_fine() && report.unfinished == 9, "{:?}", report.problems);
    moves(&layout, archive(directory.path()), usize::MAX).0.unwrap();
    assert_eq!((there(directory.path()), states(&layout).unwrap().len()), (0, 0));
    let report = check(&layout, None, &[], &mut |_, _| {}).unwrap();
    assert!(report.is_fine() && report.unfinished == 0, "{:?}", report.problems);
    assert_eq!(report.removed.values().sum::<u64>(), 9);
}

#[test]
fn the_limit_is_of_what_is_here() {
    let (_here, directory, layout) = moved();
    let mut work = Work::open(&layout, Some(archive(directory.path())));
    work.keep(Retention { max_bytes: 1, ..Retention::default() }, Timestamp::now());
    assert_eq!(layout.all_files().unwrap().len(), 9);
    assert!(is_fine(&layout));
}

#[tokio::test]
async fn retention_during_a_move_leaves_nothing_behind() {
    let ((_here, layout), directory) = (store(), tempfile::tempdir().unwrap());
    let mut work = Work::open(&layout, Some(archive(directory.path())));
    work.compact();
    let Work { seal, compactor, mover, .. } = &mut work;
    mover.send(seal, compactor, Zeal::Idle, &mut |_| Ok(())).unwrap();
    work.keep(Retention { keep_days: 1, ..Retention::default() }, in_days(9));
    work.mover.finish(&mut work.compactor, &mut |_| Ok(())).unwrap();
    work.work(&mut |_| Ok(())).unwrap();
    assert_eq!((there(directory.path()), states(&layout).unwrap().len()), (0, 0));
    assert!(layout.parquet().unwrap().is_empty() && is_fine(&layout));
}

#[tokio::test]
async fn files_are_not_merged_over_one_that_is_in_the_archive() {
    let (_here, layout) = store();
    let mut book = Book::open(&layout).unwrap();
    let files = layout.files().unwrap();
    let second = files.iter().map(|file| file.number).find(|number| *number > files[0].number);
    for file in files.iter().filter(|file| Some(file.number) == second) {
        book.moving(&layout.relative(&file.path)).unwrap();
    }
    assert!(book.states().values().all(|state| *state == State::Moving) && book.states().len() == 9);
    Work::open(&layout, None).compact();
    assert_eq!(layout.parquet().unwrap().len(), 27, "there is one between the others");
    assert_eq!(sequences(&layout).await, (1..82).collect::<Vec<_>>());
}
