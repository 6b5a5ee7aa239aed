//! Every way to tamper with a store is found, in the right place, and nothing else is.

mod history;
mod whole;

use std::{fs, path::Path};

use super::{report::Problem, *};
use crate::store::{
    StoredFile,
    tests::{roll_more, rolled},
};

/// How many files the store has that is tampered with.
const FILES: u64 = 5;

/// What is found in a store.
fn found(layout: &Layout) -> Report {
    found_with(layout, None, &[])
}

fn found_with(layout: &Layout, key: Option<PublicKey>, checkpoints: &[Checkpoint]) -> Report {
    check(layout, key, checkpoints, &mut |_, _| {}).unwrap()
}

fn kinds(report: &Report) -> Vec<Kind> {
    report.problems.keys().copied().collect()
}

/// What is found with a store of `FILES` files after `tamper`.
fn after(tamper: impl FnOnce(&Layout)) -> Report {
    let (_directory, layout) = rolled(FILES);
    tamper(&layout);
    found(&layout)
}

/// The only problem, which must be of this kind.
fn only(report: &Report, kind: Kind) -> &Problem {
    assert_eq!(kinds(report), [kind], "{:?}", report.problems);
    &report.problems[&kind]
}

fn file(layout: &Layout, at: usize) -> StoredFile {
    layout.files().unwrap().remove(at)
}

fn lines(layout: &Layout) -> Vec<String> {
    fs::read_to_string(layout.seal()).unwrap().lines().map(str::to_owned).collect()
}

fn write_lines(layout: &Layout, lines: &[String]) {
    fs::write(layout.seal(), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

fn change_lines(layout: &Layout, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines = lines(layout);
    change(&mut lines);
    write_lines(layout, &lines);
}

/// The checkpoint of the last entry.
fn checkpoint(layout: &Layout) -> Checkpoint {
    found(layout).last.unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &to) } else { _ = fs::copy(entry.path(), to).unwrap() }
    }
}

/// A copy of a store.
fn copied(layout: &Layout) -> (tempfile::TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    copy(layout.root(), directory.path());
    let copy = Layout::new(directory.path().to_str().unwrap()).unwrap();
    (directory, copy)
}

#[test]
fn an_untouched_store_is_fine() {
    let (_directory, layout) = rolled(FILES);
    let report = found(&layout);
    assert!(report.is_fine(), "{:?}", report.problems);
    assert_eq!((report.entries, report.files, report.rows, report.sensors), (FILES + 1, FILES, 50, 1));
    assert_eq!((report.waiting, report.holes, report.cut), (1, 0, 0));
    assert!(report.bytes > 0 && report.waiting_bytes > 0);
}

#[test]
fn any_byte_of_a_file_that_is_flipped_is_found() {
    let (_directory, layout) = rolled(FILES);
    let path = file(&layout, 2).path;
    let bytes = fs::read(&path).unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 40).chain([bytes.len() - 1]) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, flipped).unwrap();
        let report = found(&layout);
        let problem = only(&report, Kind::Changed);
        let place = Place { entry: Some(3), number: Some(3), file: Some(layout.relative(&path)) };
        assert_eq!((&problem.place, problem.more), (&place, 0), "byte {at}");
        assert_eq!(report.files, FILES - 1);
    }
}

#[test]
fn a_file_that_was_cut_is_found() {
    let (_directory, layout) = rolled(FILES);
    let path = file(&layout, 4).path;
    let bytes = fs::read(&path).unwrap();
    for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert_eq!(only(&found(&layout), Kind::Cut).place.number, Some(5), "{length} bytes");
    }
    fs::write(&path, [&bytes[..], b"x"].concat()).unwrap();
    assert_eq!(only(&found(&layout), Kind::Changed).place.number, Some(5), "longer");
}

#[test]
fn a_file_that_was_deleted_is_found() {
    let report = after(|layout| {
        fs::remove_file(file(layout, 1).path).unwrap();
        fs::remove_file(file(layout, 2).path).unwrap();
    });
    let problem = only(&report, Kind::Missing);
    assert_eq!((problem.place.entry, problem.place.number, problem.more), (Some(2), Some(2), 1));
}

#[test]
fn a_file_that_was_added_is_found_whatever_its_name_is() {
    for (name, number) in [
        ("000000000099_0_1.parquet", Some(99)),
        ("000000000002_0_1.parquet", Some(2)),
        // The segment that is written has this number.
        ("000000000006_0_1.parquet", Some(6)),
        ("x.parquet", None),
    ] {
        let report = after(|layout| {
            let path = file(layout, 1).path;
            fs::copy(&path, path.with_file_name(name)).unwrap();
        });
        let place = &only(&report, Kind::Added).place;
        assert_eq!(place.number, number, "{name}");
        assert!(place.file.as_ref().unwrap().ends_with(name), "{place}");
    }
}

#[test]
fn files_whose_contents_were_exchanged_are_found() {
    let (_directory, layout) = rolled(FILES);
    let (one, other) = (file(&layout, 1).path, file(&layout, 3).path);
    let between = one.with_file_name("between");
    for (from, to) in [(&one, &between), (&other, &one), (&between, &other)] {
        fs::rename(from, to).unwrap();
    }
    let report = found(&layout);
    let problem = only(&report, Kind::Swapped);
    assert_eq!((problem.place.number, problem.more), (Some(2), 1));
    assert!(problem.what.contains(&layout.relative(&other)), "{}", problem.what);
}

#[test]
fn a_link_or_a_directory_in_place_of_a_file_is_found() {
    let report = after(|layout| {
        let path = file(layout, 0).path;
        let elsewhere = layout.root().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        let path = file(layout, 1).path;
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
    });
    assert_eq!(only(&report, Kind::Changed).more, 1);
}

#[test]
fn an_entry_that_was_removed_from_the_middle_is_found() {
    let report = after(|layout| change_lines(layout, |lines| _ = lines.remove(3)));
    // Its file has no entry then, and its events leave a hole.
    assert_eq!(kinds(&report), [Kind::Lost, Kind::Sensor, Kind::Added, Kind::Hole], "{:?}", report.problems);
    assert_eq!(report.problems[&Kind::Lost].place.entry, Some(4));
    assert_eq!(report.problems[&Kind::Added].place.number, Some(3));
    assert_eq!(report.problems[&Kind::Hole].place.entry, Some(4));
}

#[test]
fn a_seal_whose_end_was_removed_is_found_from_the_log_and_from_a_checkpoint() {
    let (_directory, layout) = rolled(FILES);
    let checkpoint = checkpoint(&layout);
    change_lines(&layout, |lines| lines.truncate(4));
    let report = found(&layout);
    assert_eq!(kinds(&report), [Kind::Truncated, Kind::Added], "{:?}", report.problems);
    assert_eq!(report.problems[&Kind::Truncated].place.number, Some(6));
    assert_eq!(report.problems[&Kind::Added].more, 1);
    let report = found_with(&layout, None, &[checkpoint]);
    assert_eq!(report.problems[&Kind::Rollback].place.entry, Some(FILES));
}

#[test]
fn a_store_that_goes_on_after_its_end_was_removed_tells_for_ever() {
    let (_directory, layout) = rolled(FILES);
    change_lines(&layout, |lines| lines.truncate(4));
    for file in layout.files().unwrap().split_off(3) {
        fs::remove_file(file.path).unwrap();
    }
    roll_more(&layout, 5..7);
    let report = found(&layout);
    assert_eq!(kinds(&report), [Kind::Skipped, Kind::Hole], "{:?}", report.problems);
    assert_eq!(report.problems[&Kind::Skipped].place, Place { file: None, number: Some(6), entry: Some(4) });
}

#[test]
fn entries_in_another_order_are_found() {
    let report = after(|layout| change_lines(layout, |lines| lines.swap(2, 3)));
    let problem = only(&report, Kind::Order);
    assert_eq!((problem.place.entry, problem.more), (Some(3), 2));
    let report = after(|layout| change_lines(layout, |lines| lines.push(lines[2].clone())));
    assert_eq!(only(&report, Kind::Order).place.entry, Some(2));
}

#[test]
fn an_entry_of_which_a_field_was_changed_is_found() {
    for (field, changed, others) in [
        (r#""rows":10"#, r#""rows":11"#, &[Kind::Chain][..]),
        (r#""time":"2"#, r#""time":"1"#, &[Kind::Chain]),
        (r#""count":10"#, r#""count":9"#, &[Kind::Chain, Kind::Sensor, Kind::Hole]),
        (r#""length":"#, r#""length":1"#, &[Kind::Chain]),
        (r#""path":"events/"#, r#""path":"../../"#, &[Kind::Malformed, Kind::Chain, Kind::Added]),
        (r#""signature":"#, r#""signaturf":"#, &[Kind::Malformed, Kind::Chain]),
    ] {
        let report = after(|layout| {
            change_lines(layout, |lines| {
                assert!(lines[3].contains(field), "{}", lines[3]);
                lines[3] = lines[3].replacen(field, changed, 1);
            });
        });
        let kind = if field.contains("signature") { Kind::Malformed } else { Kind::Signature };
        assert_eq!(report.problems[&kind].place.entry, Some(3), "{field}: {:?}", report.problems);
        assert_eq!(report.problems[&Kind::Chain].place.entry, Some(4), "{field}");
        for other in others {
            assert!(report.problems.contains_key(other), "{field}: {:?}", report.problems);
        }
    }
}

#[test]
fn the_last_entry_cannot_be_changed_either() {
    let report = after(|layout| {
        change_lines(layout, |lines| {
            let last = lines.pop().unwrap();
            lines.push(last.replacen(r#""rows":10"#, r#""rows":11"#, 1));
        });
    });
    assert_eq!(only(&report, Kind::Signature).place.entry, Some(FILES));
}
