//! Disks that refuse, files that somebody removed, and clocks that somebody set.

use std::time::Instant;

use super::*;

/// Steps until something is so.
fn step_until(rig: &mut Rig, what: &str, mut is_so: impl FnMut(&Rig) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so(rig) {
        assert!(Instant::now() < deadline, "in vain: {what}");
        rig.writer.step();
    }
}

#[test]
fn a_disk_that_makes_nothing_durable_is_told_until_it_takes_something_and_keeps_nobody_busy() {
    let mut rig = Rig::new(Settings { sync: Duration::from_millis(1), ..settings() });
    rig.write(Lane::File, 1..=10);
    let calls = rig.disk.calls();
    rig.disk.set_broken(true);
    step_until(&mut rig, "the failure is told", |rig| !rig.spool.status().error.is_empty());
    let begun = Instant::now();
    let mut steps = 0;
    while begun.elapsed() < Duration::from_millis(600) {
        rig.writer.step();
        steps += 1;
    }
    println!("{steps} steps in {:?}, {} calls", begun.elapsed(), rig.disk.calls() - calls);
    assert!(steps < 20, "the writer is busy with nothing: {steps} steps");
    rig.disk.set_broken(false);
    rig.writer.step();
    assert!(!rig.spool.status().error.is_empty(), "that it fails no more nobody knows yet");
    rig.write(Lane::File, 11..=20);
    assert_eq!(rig.spool.status().error, "");
    assert_eq!(rig.segments(Lane::File).len(), 2, "the word of the first file is worth nothing any more");
    assert_eq!(rig.read(Lane::File, place(0, 0)), events(1, 1..=20));
}

#[test]
fn where_all_has_to_be_durable_first_an_event_that_is_not_is_written_again_and_read_once() {
    let mut rig = Rig::new(Settings { sync: Duration::ZERO, ..settings() });
    rig.write(Lane::File, 1..=10);
    rig.disk.set_broken(true);
    rig.write(Lane::File, 11..=20);
    for _ in 0..3 {
        rig.writer.step();
    }
    assert_eq!(rig.read(Lane::File, place(0, 0)), events(1, 1..=10), "the rest is not durable");
    rig.disk.set_broken(false);
    step_until(&mut rig, "the rest is written", |rig| rig.spool.end().file.sequence == 20);
    assert_eq!(rig.read(Lane::File, place(0, 0)), events(1, 1..=20));
    let next = rig.next(rig.disk.after_kill());
    assert_eq!(next.read(Lane::File, place(0, 0)), events(1, 1..=20));
}

#[test]
fn what_somebody_removed_from_the_directory_is_told_and_the_rest_delivered() {
    for gone in [0, 1, 3] {
        let mut rig = Rig::new(settings());
        let mut last = 0;
        while rig.segments(Lane::File).len() < 5 {
            rig.write(Lane::File, last + 1..=last + 5);
            last += 5;
        }
        rig.disk.remove(&rig.segments(Lane::File)[gone]).unwrap();
        let seen = rig.read(Lane::File, place(0, 0));
        let [Seen::Gap { from, to, .. }] =
            seen.iter().filter(|one| matches!(one, Seen::Gap { .. })).collect::<Vec<_>>()[..]
        else {
            panic!("one gap, not {seen:?}");
        };
        let delivered: Vec<_> =
            seen.iter().filter(|one| matches!(one, Seen::Event { .. })).cloned().collect();
        assert_eq!(delivered, [events(1, 1..=from - 1), events(1, to + 1..=last)].concat());
    }
}

#[test]
fn a_segment_that_is_cut_before_one_that_is_gone_holds_nobody_up() {
    let mut rig = Rig::new(settings());
    let mut last = 0;
    while rig.segments(Lane::File).len() < 4 {
        rig.write(Lane::File, last + 1..=last + 5);
        last += 5;
    }
    let segments = rig.segments(Lane::File);
    let whole = rig.disk.content(&segments[1]).unwrap();
    rig.disk.damage(&segments[1], whole[..whole.len() - 9].to_vec());
    rig.disk.remove(&segments[2]).unwrap();
    let seen = rig.read(Lane::File, place(0, 0));
    let gaps: Vec<_> = seen.iter().filter(|one| matches!(one, Seen::Gap { .. })).collect();
    let [Seen::Gap { from, to, reason: GapReason::SpoolDamaged, .. }] = gaps[..] else {
        panic!("one gap, not {gaps:?}");
    };
    let delivered: Vec<_> = seen.iter().filter(|one| matches!(one, Seen::Event { .. })).cloned().collect();
    assert_eq!(delivered, [events(1, 1..=from - 1), events(1, to + 1..=last)].concat());
}

#[test]
fn the_file_that_is_written_is_removed_and_what_comes_behind_it_is_delivered() {
    let mut rig = Rig::new(settings());
    rig.write(Lane::File, 1..=5);
    rig.disk.remove(&rig.segments(Lane::File)[0]).unwrap();
    assert_eq!(rig.read(Lane::File, place(0, 0)), [], "nobody knows yet where it ends");
    let (mut last, begun) = (5, Instant::now());
    while rig.segments(Lane::File).is_empty() {
        assert!(last < 60, "it is noticed before the next file would have begun anyway");
        // Once a second it is looked whether the file is there.
        while begun.elapsed() < Duration::from_millis(1100) {
            rig.writer.step();
        }
        rig.write(Lane::File, last + 1..=last + 5);
        last += 5;
    }
    let seen = rig.read(Lane::File, place(0, 0));
    let gap = Seen::Gap { epoch: 1, from: 1, to: last - 5, reason: GapReason::SpoolDamaged, count: 0 };
    assert_eq!(seen, [vec![gap], events(1, last - 4..=last)].concat());
}

#[test]
fn what_the_disk_does_not_let_go_of_is_counted_once_however_often_it_is_tried() {
    let mut rig = Rig::new(settings());
    rig.spool.come("siem", String::new()).unwrap();
    let mut last = 0;
    while rig.spool.status().lanes[1].bytes < 62 * KIB {
        rig.write(Lane::File, last + 1..=last + 5);
        last += 5;
    }
    rig.disk.set_room(Some(0));
    rig.disk.set_broken(true);
    rig.write(Lane::File, last + 1..=last + 5);
    for _ in 0..4 {
        // As it does where there is no room.
        let segment = rig.spool.locked().index.file.first().unwrap().segment;
        assert!(rig.writer.remove_first(Lane::File, segment, Some(place(0, 0))).is_err());
    }
    rig.disk.set_broken(false);
    rig.disk.set_room(None);
    while rig.spool.status().lanes[1].removed == 0 {
        rig.write(Lane::File, last + 6..=last + 10);
        last += 5;
    }
    let seen = rig.read(Lane::File, place(0, 0));
    let Some(Seen::Gap { from: 1, to, count, reason: GapReason::SpoolFull, .. }) = seen.first() else {
        panic!("a gap first, not {:?}", seen.first());
    };
    assert_eq!(count, to, "each is counted once");
}

#[test]
fn nothing_is_too_old_because_somebody_set_the_clock() {
    use super::super::writer::Steady;
    const DAY: u64 = 24 * 3600;
    let steady = Steady::new();
    let begun = now();
    assert!(steady.at_most(begun + DAY) <= begun + 1, "forwards");
    assert_eq!(steady.at_most(begun - DAY), begun - DAY, "back");
}

#[test]
fn who_does_not_ask_for_more_keeps_no_file_that_was_removed() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(Machine, directory.path(), settings(), &origin(1)).unwrap();
    let mut writer = Writer::new(Arc::clone(&spool));
    let mut write = |sequences| {
        spool.offer(&encoded(1, Lane::File, sequences));
        writer.step();
    };
    write(1..=5);
    let mut reader = Reader::new(Arc::clone(&spool), Lane::File, place(0, 0));
    assert_eq!(seen(reader.next().unwrap().unwrap()), events(1, 1..=5));
    let mut last = 5;
    while spool.status().lanes[1].removed == 0 {
        write(last + 1..=last + 5);
        last += 5;
    }
    let held = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let held = held.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let held: Vec<_> = held.filter(|path| path.starts_with(directory.path())).collect();
    assert!(held.iter().all(|path| !path.to_string_lossy().ends_with("(deleted)")), "{held:?}");
    let rest: Vec<_> = std::iter::from_fn(|| reader.next().unwrap()).flat_map(seen).collect();
    let Some(Seen::Gap { from: 6, to, reason: GapReason::SpoolFull, .. }) = rest.first() else {
        panic!("a gap first, not {:?}", rest.first());
    };
    assert_eq!(rest[1..], events(1, to + 1..=last));
}
