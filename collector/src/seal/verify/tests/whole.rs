//! Sequences, the log, stores that are being written, and how all of it is told.

use activity_proto::v1::{Event, EventId, Gap, Lane, event::Payload};
use bytes::Bytes;
use prost::Message as _;

use super::*;
use crate::store::tests::{AT_ONCE, NEVER, encoded, open, wait_for_segments};

fn gap(from_sequence: u64, to_sequence: u64) -> Bytes {
    let lane = Lane::Process.into();
    let id = EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch: 1, lane, sequence: 0 };
    let gap = Gap { lane, from_sequence, to_sequence, ..Gap::default() };
    Event { id: Some(id), payload: Some(Payload::Gap(gap)), ..Event::default() }.encode_to_vec().into()
}

/// A store with a file of each of these.
fn files(files: &[Vec<Bytes>]) -> (tempfile::TempDir, Layout) {
    let (directory, layout) = rolled(0);
    let mut store = open(&layout, AT_ONCE);
    for events in files {
        store.append(events).unwrap();
        store.maintain(Vec::new).unwrap();
    }
    wait_for_segments(&layout, 1);
    store.close().unwrap();
    (directory, layout)
}

#[test]
fn a_hole_that_a_gap_accounts_for_is_no_problem_and_counted() {
    let within = [encoded(1..=3), vec![gap(4, 6)], encoded(7..=9)].concat();
    let between = [vec![gap(10, 10), gap(11, 15)], encoded([16])].concat();
    let (_directory, layout) = files(&[within, between, encoded([17])]);
    let report = found(&layout);
    assert!(report.is_fine(), "{:?}", report.problems);
    assert_eq!((report.holes, report.holes_sequences), (2, 9));
}

#[test]
fn a_hole_that_nothing_accounts_for_is_found() {
    let within = [encoded(1..=3), vec![gap(4, 5)], encoded(7..=9)].concat();
    let (_directory, layout) = files(&[within, encoded([10]), encoded([14])]);
    let report = found(&layout);
    let problem = only(&report, Kind::Hole);
    // The store was opened twice, so its first segment was empty.
    assert_eq!((problem.place.entry, problem.place.number, problem.more), (Some(2), Some(2), 1));
    assert!(problem.what.contains("epoch 1, lane process, 1 of the sequences 1 to 9"), "{}", problem.what);
    assert_eq!((report.holes, report.holes_sequences), (1, 2));
}

#[test]
fn what_is_taken_out_of_the_log_before_it_is_sealed_leaves_a_hole() {
    let (_directory, layout) = rolled(1);
    let mut store = open(&layout, NEVER);
    for first in [11, 21, 31] {
        store.append(&encoded(first..first + 10)).unwrap();
    }
    wait_for_segments(&layout, 1);
    store.close().unwrap();
    let path = layout.log().join(layout.segments().unwrap()[0].to_string());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    roll_more(&layout, 4..5);
    let report = found(&layout);
    let problem = only(&report, Kind::Hole);
    assert!(problem.what.contains("10 of the sequences 11 to 40"), "{}", problem.what);
    assert!(problem.what.contains("damaged"), "{}", problem.what);
}

#[test]
fn a_segment_that_was_removed_before_it_was_sealed_is_found() {
    let report = after(|layout| {
        let log = layout.log().join(layout.segments().unwrap()[0].to_string());
        fs::remove_file(log).unwrap();
    });
    assert_eq!(only(&report, Kind::Missing).place.number, Some(6));
    let report = after(|layout| {
        let log = layout.log().join(layout.segments().unwrap()[0].to_string());
        let name = log.file_name().unwrap().to_str().unwrap().replacen("000000000006", "000000000008", 1);
        fs::copy(&log, log.with_file_name(name)).unwrap();
    });
    assert_eq!(only(&report, Kind::Missing).place.number, Some(7));
}

#[test]
fn a_store_that_is_being_written_is_fine_all_along() {
    let (_directory, layout) = rolled(2);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| roll_more(&layout, 2..60));
        let mut looks = 0;
        while !writer.is_finished() || looks == 0 {
            let report = found(&layout);
            assert!(report.is_fine(), "look {looks}: {:?}", report.problems);
            looks += 1;
        }
    });
    let report = found(&layout);
    assert!(report.is_fine() && report.rows == 600, "{:?}", report.problems);
    assert!(report.merged > 0, "nothing was compacted meanwhile");
}

#[test]
fn where_there_is_no_store_that_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = Layout::new(directory.path().join("x").to_str().unwrap()).unwrap();
    let error = check(&nowhere, None, &[], &mut |_, _| {}).unwrap_err();
    assert_eq!(Failure::from(error).code, 69);
}

#[test]
fn every_file_is_told_to_whoever_waits() {
    let (_directory, layout) = rolled(FILES);
    let mut told = Vec::new();
    check(&layout, None, &[], &mut |done, all| told.push((done, all))).unwrap();
    assert_eq!(told, (0..=5).map(|done| (done, 5)).collect::<Vec<_>>());
}

#[test]
fn what_is_found_is_told_to_people_and_to_programs_without_control_characters() {
    let (_directory, layout) = rolled(FILES);
    let text = |report: &Report| {
        let mut out = Vec::new();
        report.text(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let fine = text(&found(&layout));
    assert!(fine.contains("5 files as sealed") && fine.contains("not sealed yet: "), "{fine}");

    let path = file(&layout, 1).path;
    fs::copy(&path, path.with_file_name("\x1b[31m\n.parquet")).unwrap();
    fs::remove_file(path).unwrap();
    let report = found(&layout);
    let told = text(&report);
    assert!(!told.contains('\x1b') && told.contains(r"\x1b[31m\x0a.parquet"), "{told}");
    assert!(told.contains("number 2, entry 2: the file is not there"), "{told}");

    let json = report.json();
    assert_eq!(json["fine"], false);
    assert_eq!(json["problems"][0]["kind"], "missing");
    assert_eq!(json["problems"][0]["number"], 2);
    assert_eq!(json["problems"][1]["kind"], "added");
    assert!(!json.to_string().contains('\x1b'));
}
