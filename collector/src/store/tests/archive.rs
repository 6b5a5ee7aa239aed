//! The archive: files move there, and at no moment is one missing, doubled or changed.

mod broken;
mod kept;
mod s3;

use std::path::Path;

use super::{
    compaction::{copy, is_fine, store},
    *,
};
use crate::store::{
    archive::{Book, Mover, Settings, State, Step as Moved, fetch, states},
    compact::{Compactor, Zeal},
    retain::Keeper,
};

/// A directory as an archive.
fn archive(directory: &Path) -> ArchiveConfig {
    let url = format!("file://{}", directory.display());
    let settings = Settings { url, credentials: None, options: Default::default() };
    ArchiveConfig { settings, after_days: 1 }
}

/// What the thread that rolls has, in a closed store.
struct Work {
    layout: Layout,
    seal: Seal,
    compactor: Compactor,
    mover: Mover,
}

impl Work {
    fn open(layout: &Layout, config: Option<ArchiveConfig>) -> Self {
        let (mut mover, seal) = (Mover::open(layout, config).unwrap(), Seal::open(layout).unwrap());
        let compactor = Compactor::new(seal.superseded().into_iter().chain(mover.left()).collect());
        mover.start(|| ()).unwrap();
        Self { layout: layout.clone(), seal, compactor, mover }
    }

    fn compact(&mut self) {
        let archive = self.mover.book().states();
        while self
            .compactor
            .compact(&self.layout, &mut self.seal, Zeal::Idle, archive, &mut |_| Ok(()))
            .unwrap()
        {}
    }

    /// Moves what is due, until nothing is, or it fails.
    fn work(&mut self, gate: &mut dyn FnMut(Moved) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.compact();
        while self.mover.wait().is_none() {
            self.mover.send(&self.seal, &mut self.compactor, Zeal::Idle, gate)?;
            if !self.mover.is_busy() {
                break;
            }
            self.mover.finish(&mut self.compactor, gate)?;
        }
        self.compact();
        Ok(())
    }

    fn keep(&mut self, retention: Retention, now: Timestamp) {
        let mut keeper = Keeper::new(retention);
        keeper.keep(&self.layout, &mut self.seal, self.mover.book(), now, &|| Ok(())).unwrap();
    }
}

/// Moves what is due in a closed store, up to so many steps.
fn moves(layout: &Layout, config: ArchiveConfig, steps: usize) -> (Result<(), StoreError>, Vec<Moved>) {
    let mut reached = Vec::new();
    let ended = Work::open(layout, Some(config)).work(&mut |step| {
        reached.push(step);
        if reached.len() > steps { Err(StoreError::Stopped) } else { Ok(()) }
    });
    (ended, reached)
}

/// A store whose nine files are all in an archive.
fn moved() -> (tempfile::TempDir, tempfile::TempDir, Layout) {
    let ((here, layout), there) = (store(), tempfile::tempdir().unwrap());
    moves(&layout, archive(there.path()), usize::MAX).0.unwrap();
    assert_eq!((layout.parquet().unwrap().len(), layout.all_files().unwrap().len()), (0, 9));
    (here, there, layout)
}

fn problems(layout: &Layout) -> Vec<(&'static str, u64)> {
    let report = check(layout, None, &[], &mut |_, _| {}).unwrap();
    report.problems.iter().map(|(kind, problem)| (kind.name(), problem.more)).collect()
}

#[tokio::test]
async fn files_of_days_that_are_over_move_and_the_answers_stay_the_same() {
    let ((_here, layout), there) = (store(), tempfile::tempdir().unwrap());
    let all = "SELECT * FROM events ORDER BY sequence";
    let before = stored_events(&sql(&layout, all).await).unwrap();
    moves(&layout, archive(there.path()), usize::MAX).0.unwrap();
    assert!(layout.parquet().unwrap().is_empty() && is_fine(&layout));
    let files = layout.all_files().unwrap();
    for file in &files {
        let archived = there.path().join(layout.relative(&file.path));
        assert_eq!(fs::metadata(archived).unwrap().len(), file.archived.unwrap().length);
    }
    assert_eq!(stored_events(&sql(&layout, all).await).unwrap(), before);
    let report = check(&layout, None, &[], &mut |_, _| {}).unwrap();
    assert_eq!((report.archived, report.files), (9, 9));
    let (again, steps) = moves(&layout, archive(there.path()), usize::MAX);
    assert!(again.is_ok() && steps.is_empty(), "there is nothing more to do: {steps:?}");
    // What comes in later is answered with it.
    let mut later = open(&layout, AT_ONCE);
    later.append(&encoded(82..92)).unwrap();
    later.maintain(Vec::new).unwrap();
    wait_for_segments(&layout, 1);
    later.close().unwrap();
    assert_eq!(sequences(&layout).await, (1..92).collect::<Vec<_>>());
    assert!(is_fine(&layout));
}

#[tokio::test]
async fn a_kill_at_any_step_of_a_move_loses_and_doubles_nothing() {
    let (_directory, template) = store();
    Work::open(&template, None).compact();
    let expected: Vec<u64> = (1..82).collect();
    let (mut killed_at, mut seen) = (0, Vec::new());
    loop {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        copy(template.root(), here.path());
        let layout = layout(&here);
        let (ended, steps) = moves(&layout, archive(there.path()), killed_at);
        assert_eq!(sequences(&layout).await, expected, "killed at {steps:?}");
        assert!(is_fine(&layout), "killed at {steps:?}");
        assert!(moves(&layout, archive(there.path()), usize::MAX).0.is_ok(), "killed at {steps:?}");
        assert!(is_fine(&layout), "killed at {steps:?}, after the restart");
        assert_eq!(sequences(&layout).await, expected, "killed at {steps:?}, after the restart");
        assert!(layout.parquet().unwrap().is_empty(), "killed at {steps:?}, after the restart");
        seen.extend(steps.last().copied());
        if ended.is_ok() {
            break;
        }
        killed_at += 1;
    }
    for step in [Moved::Noted, Moved::Came, Moved::Kept] {
        assert!(seen.contains(&step), "{step:?}");
    }
}

#[tokio::test]
async fn a_collector_moves_by_itself_what_has_settled() {
    let ((_here, layout), there) = (store(), tempfile::tempdir().unwrap());
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(7200);
    for file in layout.files().unwrap() {
        File::options().append(true).open(&file.path).unwrap().set_modified(long_ago).unwrap();
    }
    let config = Some(archive(there.path()));
    let mut store =
        Store::open(layout.clone(), NEVER, Retention::default(), config, &mut Tracker::default()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !layout.parquet().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "{:?} are still here", layout.parquet());
        store.append(&encoded([1000])).unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    store.close().unwrap();
    let mut found = sequences(&layout).await;
    found.dedup();
    assert_eq!(found, (1..82).chain([1000]).collect::<Vec<_>>());
    assert!(is_fine(&layout));
}

#[tokio::test]
async fn who_reads_has_the_local_files_until_the_end() {
    let ((_here, layout), there) = (store(), tempfile::tempdir().unwrap());
    Work::open(&layout, None).compact();
    let snapshot = Snapshot::take(&layout).unwrap();
    moves(&layout, archive(there.path()), usize::MAX).0.unwrap();
    assert!(snapshot.files.iter().all(|file| file.path.exists()));
    assert_eq!(sequences(&layout).await, (1..82).collect::<Vec<_>>(), "they are in both places");
    assert!(is_fine(&layout));
    drop(snapshot);
    moves(&layout, archive(there.path()), usize::MAX).0.unwrap();
    assert!(layout.parquet().unwrap().is_empty() && is_fine(&layout));
}

#[test]
fn files_that_are_too_young_stay() {
    let ((_here, layout), there) = (store(), tempfile::tempdir().unwrap());
    let config = ArchiveConfig { after_days: 36_500, ..archive(there.path()) };
    assert!(moves(&layout, config, usize::MAX).1.is_empty());
    assert_eq!(layout.parquet().unwrap().len(), 9);
}

#[test]
fn a_copy_of_an_archived_file_is_that_file() {
    use std::io::Read as _;
    let (_here, there, layout) = moved();
    let file = layout.all_files().unwrap().remove(4);
    let mut copy = Vec::new();
    fetch(&layout, &file).unwrap().read_to_end(&mut copy).unwrap();
    assert_eq!(copy, fs::read(there.path().join(layout.relative(&file.path))).unwrap());
}

#[test]
fn what_is_passed_on_from_the_beginning_is_read_from_the_archive_as_well() {
    let (_here, _there, layout) = moved();
    let mut feed = Feed::new(layout, Position::default(), Span::default());
    let events = feed.next(1000).unwrap();
    assert_eq!((events.len(), feed.missed, feed.unreadable), (81, 0, 0));
    assert!(feed.next(1000).unwrap().is_empty());
}
