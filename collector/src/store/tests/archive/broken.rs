//! An archive that is not there, or in which somebody changed something.

use super::*;

#[tokio::test]
async fn while_the_archive_is_not_there_files_stay_and_move_when_it_is() {
    let ((_here, layout), parent) = (store(), tempfile::tempdir().unwrap());
    let directory = parent.path().join("not-mounted");
    let mut work = Work::open(&layout, Some(archive(&directory)));
    work.work(&mut |_| Ok(())).unwrap();
    assert!(work.mover.wait().is_some(), "it is tried again");
    assert_eq!(layout.parquet().unwrap().len(), 9);
    assert!(!directory.exists(), "what is not mounted is not filled");
    assert_eq!(sequences(&layout).await, (1..82).collect::<Vec<_>>());
    assert!(layout.all_files().unwrap().iter().all(|file| file.archived.is_none()));

    fs::create_dir(&directory).unwrap();
    work.mover.hurry();
    work.work(&mut |_| Ok(())).unwrap();
    assert!(layout.parquet().unwrap().is_empty() && is_fine(&layout));
    assert_eq!(sequences(&layout).await, (1..82).collect::<Vec<_>>());
}

#[tokio::test]
async fn only_who_asks_for_what_is_in_the_archive_needs_it() {
    let (_here, there, layout) = moved();
    roll_more(&layout, 10..11);
    drop(there);
    let context = SessionContext::new();
    let table = EventsTable::new(Snapshot::take(&layout).unwrap());
    context.register_table("events", Arc::new(table)).unwrap();
    let late =
        "SELECT sequence FROM events WHERE time > '2026-01-01T00:01:35Z' AND time < '2026-01-01T12:00:00Z'";
    let rows: usize =
        context.sql(late).await.unwrap().collect().await.unwrap().iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 10);
    let error = context.sql("SELECT sequence FROM events").await.unwrap().collect().await.unwrap_err();
    assert!(error.to_string().contains("the archive file:///"), "{error}");
    let error = check(&layout, None, &[], &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("the archive file:///"), "{error}");
}

#[test]
fn what_was_changed_here_is_not_moved() {
    let ((_here, layout), there) = (store(), tempfile::tempdir().unwrap());
    let mut work = Work::open(&layout, Some(archive(there.path())));
    work.compact();
    let changed = layout.files().unwrap().remove(0);
    fs::write(&changed.path, "something else").unwrap();
    work.work(&mut |_| Ok(())).unwrap();
    assert_eq!(layout.parquet().unwrap(), [changed.path]);
    assert_eq!(problems(&layout), [("cut", 0)]);
    // It is told once, not tried for ever.
    assert_eq!(states(&layout).unwrap().len(), 8);
}

#[test]
fn what_was_changed_deleted_or_put_there_is_found() {
    let (_here, there, layout) = moved();
    let paths: Vec<_> = layout
        .all_files()
        .unwrap()
        .iter()
        .map(|file| there.path().join(layout.relative(&file.path)))
        .collect();
    let whole = fs::read(&paths[0]).unwrap();
    fs::write(&paths[0], &whole[1..]).unwrap();
    assert_eq!(problems(&layout), [("cut", 0)]);
    fs::write(&paths[0], &whole).unwrap();
    fs::remove_file(&paths[1]).unwrap();
    fs::remove_file(&paths[2]).unwrap();
    assert_eq!(problems(&layout), [("missing", 1)]);
    fs::copy(&paths[3], &paths[1]).unwrap();
    fs::copy(&paths[3], &paths[2]).unwrap();
    fs::copy(&paths[3], paths[3].with_file_name("000000000009_1_2.parquet")).unwrap();
    assert_eq!(problems(&layout), [("swapped", 1), ("added", 0)]);
}

#[test]
fn a_book_that_was_taken_away_is_found() {
    let (_here, _there, layout) = moved();
    fs::remove_file(layout.archive_book()).unwrap();
    assert_eq!(problems(&layout), [("missing", 8)]);
}

#[test]
fn a_store_has_one_archive() {
    let (_here, there, layout) = moved();
    let other = tempfile::tempdir().unwrap();
    let refused = Mover::open(&layout, Some(archive(other.path()))).err().unwrap();
    let failure = crate::failure::Failure::from(refused);
    assert_eq!(failure.code, 78);
    assert!(
        failure.to_string().contains(&format!("9 files in the archive file://{}", there.path().display()))
    );
    // Without any in the configuration it is read, and nothing more moves.
    assert_eq!(Work::open(&layout, None).mover.book().states().len(), 9);
}
