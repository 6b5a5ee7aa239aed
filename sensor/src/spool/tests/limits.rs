//! Room, age, and disks that take nothing.

use super::*;

/// How many events each gap of a kind counts, and how many events there were.
fn sums(seen: &[Seen]) -> (u64, u64, u64) {
    let (mut events, mut missing, mut counted) = (0, 0, 0);
    for one in seen {
        match one {
            Seen::Event { .. } => events += 1,
            Seen::Gap { from, to, count, .. } => {
                missing += to + 1 - from;
                counted += count;
            }
        }
    }
    (events, missing, counted)
}

fn reasons(seen: &[Seen]) -> Vec<GapReason> {
    let reason = |one: &Seen| if let Seen::Gap { reason, .. } = one { Some(*reason) } else { None };
    let mut reasons: Vec<_> = seen.iter().filter_map(reason).collect();
    reasons.dedup();
    reasons
}

#[test]
fn what_goes_for_want_of_room_is_told_exactly_to_who_does_not_have_it() {
    let mut rig = Rig::new(settings());
    let (connection, _) = rig.spool.come("siem", String::new()).unwrap();
    for first in (1..=2000).step_by(5) {
        rig.write(Lane::File, first..=first + 4);
        if first == 101 {
            rig.spool.acknowledge("siem", connection, Lane::File, place(1, 57));
        }
    }
    assert!(rig.spool.status().lanes[1].bytes <= 64 * KIB);
    let seen = rig.read(Lane::File, place(1, 57));
    let (events, missing, counted) = sums(&seen);
    assert_eq!(events + missing, 2000 - 57);
    // The frame in which the consumer stopped is counted whole.
    assert_eq!(counted, missing + 2);
    assert_eq!(reasons(&seen), [GapReason::SpoolFull]);
    // Exact also after a restart.
    let next = rig.next(rig.disk.after_kill());
    assert_eq!(next.read(Lane::File, place(1, 57)), seen);
    println!("{missing} of 2000 events removed, {events} delivered");
}

#[test]
fn a_flood_of_one_lane_takes_nothing_from_the_other() {
    let mut rig = Rig::new(settings());
    rig.write(Lane::Process, 1..=20);
    for first in (1..=5000).step_by(50) {
        rig.write(Lane::File, first..=first + 49);
    }
    assert_eq!(rig.read(Lane::Process, place(0, 0)), events(1, 1..=20));
}

#[test]
fn whole_runs_that_are_gone_are_told_with_their_numbers() {
    let mut rig = Rig::new(settings());
    rig.spool.come("siem", String::new()).unwrap();
    rig.write(Lane::File, 1..=30);
    for _ in 0..3 {
        let epoch = rig.epoch;
        rig = Rig::open(rig.end(), settings(), epoch + 1);
        for first in (1..=1000).step_by(10) {
            rig.write(Lane::File, first..=first + 9);
        }
    }
    let seen = rig.read(Lane::File, place(1, 10));
    let (events, missing, counted) = sums(&seen);
    assert_eq!(events + missing, 20 + 3000);
    assert_eq!(counted, missing + 10, "the first frame is counted whole");
}

#[test]
fn with_block_nothing_goes_that_a_consumer_does_not_have() {
    let mut rig = Rig::new(Settings { when_full: WhenFull::Block, ..settings() });
    let (connection, _) = rig.spool.come("siem", String::new()).unwrap();
    let mut last = 0;
    while rig.spool.status().error.is_empty() {
        rig.write(Lane::File, last + 1..=last + 10);
        last += 10;
        assert!(last < 10_000, "the spool takes no end");
    }
    assert!(rig.spool.status().lanes[1].bytes <= 64 * KIB);
    let written = rig.spool.end().file.sequence;
    assert_eq!(rig.read(Lane::File, place(0, 0)), events(1, 1..=written));
    // It goes on as soon as the consumer does.
    rig.spool.acknowledge("siem", connection, Lane::File, place(1, written));
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while rig.spool.end().file.sequence < last {
        assert!(std::time::Instant::now() < deadline, "the spool does not go on");
        rig.writer.step();
    }
    assert_eq!(rig.read(Lane::File, place(1, written)), events(1, written + 1..=last));
    assert_eq!(rig.spool.status().error, "");
}

#[test]
fn on_a_full_disk_the_oldest_goes() {
    let mut rig = Rig::new(settings());
    rig.spool.come("siem", String::new()).unwrap();
    rig.disk.set_room(Some(40 * KIB));
    for first in (1..=1000).step_by(10) {
        rig.write(Lane::File, first..=first + 9);
    }
    assert_eq!(rig.spool.status().error, "");
    let (events, missing, counted) = sums(&rig.read(Lane::File, place(0, 0)));
    assert_eq!((events + missing, counted), (1000, missing));
    assert!(events > 100, "{events}");
}

#[test]
fn a_disk_that_fails_costs_what_did_not_fit_into_memory_and_that_is_told() {
    let mut rig = Rig::new(Settings { limits: PerLane { process: 64 * KIB, file: 1 << 30 }, ..settings() });
    rig.write(Lane::File, 1..=10);
    rig.disk.set_broken(true);
    let mut last = 10;
    // Twice what may wait.
    for _ in 0..200 {
        rig.spool.offer(&encoded(1, Lane::File, last + 1..=last + 1000));
        last += 1000;
    }
    rig.writer.step();
    let lane = rig.spool.status().lanes[1];
    assert!(rig.spool.status().error.contains("simulated"));
    assert!(lane.missed > 0 && lane.waiting > 0);
    rig.disk.set_broken(false);
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while rig.spool.end().file.sequence < last {
        assert!(std::time::Instant::now() < deadline, "the spool does not go on");
        rig.writer.step();
    }
    let seen = rig.read(Lane::File, place(0, 0));
    let (events, missing, counted) = sums(&seen);
    assert_eq!((events + missing, counted, missing), (last, missing, lane.missed));
    assert_eq!(reasons(&seen), [GapReason::SpoolWrite]);
    println!("of {last} events {missing} were told as lost while the disk failed");
}

#[test]
fn what_is_too_old_goes_but_for_the_last_segment() {
    let mut rig = Rig::new(Settings { max_age: Duration::ZERO, ..settings() });
    for first in (1..=100).step_by(10) {
        rig.write(Lane::File, first..=first + 9);
    }
    let segments = rig.segments(Lane::File).len();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while rig.segments(Lane::File).len() > 1 {
        assert!(std::time::Instant::now() < deadline, "{segments} segments stay");
        rig.writer.step();
    }
}
