//! Spools that another version wrote.
//!
//! `format-1` is one that the first released format left: two runs, of which the first
//! ended in order and the second was killed, a consumer that has a part of it, and events
//! that were lost. `events.jsonl` is what is in it. Whatever the format becomes, this one is
//! read: a later one gets a directory of its own here, and these files never change.

use std::fs;

use activity_proto::{
    json::to_json,
    v1::{Access, Event, Exec, Open, Outcome, Process, TypeCount},
};

use super::{super::intake::Batch, *};

const EXPECTED: &str = include_str!("format-1/events.jsonl");

/// Events as a sensor tells them, with bytes that no text has.
fn event(lane: Lane, sequence: u64) -> Event {
    let payload = if lane == Lane::File {
        let path = [b"/srv/\xff ".as_slice(), sequence.to_string().as_bytes()].concat();
        Payload::Open(Open { path: path.into(), access: vec![Access::Read.into()], ..Open::default() })
    } else {
        Payload::Exec(Exec {
            filename: b"/usr/bin/true".as_slice().into(),
            argv_length: 7,
            ..Exec::default()
        })
    };
    Event {
        id: Some(EventId { lane: lane.into(), sequence, ..EventId::default() }),
        boottime_ns: 1_000_000_000 + sequence,
        process: Some(Process { pid: 4242, comm: b"true".as_slice().into(), ..Process::default() }),
        outcome: Some(Outcome { success: true, ..Outcome::default() }),
        payload: Some(payload),
        ..Event::default()
    }
}

/// The run with this number.
fn whose(epoch: u64) -> Origin {
    let id = EventId {
        sensor_id: "11111111-2222-3333-4444-555555555555".to_owned(),
        boot_id: "66666666-7777-8888-9999-000000000000".to_owned(),
        epoch,
        ..EventId::default()
    };
    Origin { host: "web-1".to_owned(), id }
}

fn offer(spool: &Spool, lane: Lane, sequences: RangeInclusive<u64>) {
    let (mut bytes, mut parts) = (Vec::new(), Vec::new());
    for sequence in sequences {
        let start = bytes.len();
        EncodedEvents::append(&mut bytes, &spool.common, &event(lane, sequence));
        let (lane, event_type) = (lane.into(), event_type(lane).into());
        parts.push(Part { range: start..bytes.len(), lane, sequence, event_type });
    }
    spool.offer(&Encoded { bytes: bytes.into(), parts, time_ns: 1_790_000_000_000_000_000 });
}

fn open(directory: &Path, epoch: u64) -> (Arc<Spool>, Vec<Gap>) {
    let settings = Settings { max_age: Duration::from_secs(100 * 365 * 24 * 3600), ..settings() };
    Spool::open(Machine, directory, settings, &whose(epoch)).unwrap()
}

/// What `format-1` was made by: the same with the code of today.
fn history(directory: &Path) {
    for epoch in 1..=2 {
        let (spool, _) = open(directory, epoch);
        let mut writer = Writer::new(Arc::clone(&spool));
        offer(&spool, Lane::Process, 1..=3);
        offer(&spool, Lane::File, 1..=10);
        writer.step();
        let counts = vec![TypeCount { r#type: EventType::Open.into(), count: 5 }];
        let reason = GapReason::SpoolWrite.into();
        let record = Record { first: 11, last: 15, counts, lost: reason, ..Record::default() };
        writer.write(Lane::File, &Batch { record, ..Batch::default() }).unwrap();
        offer(&spool, Lane::File, 16..=20);
        writer.step();
        if epoch == 1 {
            let (connection, _) = spool.come("siem", String::new()).unwrap();
            spool.acknowledge("siem", connection, Lane::File, place(1, 7));
            spool.go("siem", connection);
            spool.close();
            writer.run();
        }
    }
}

/// Everything, one JSON object a line.
fn told(spool: &Arc<Spool>) -> String {
    let mut lines = String::new();
    for lane in LANES {
        let mut reader = Reader::new(Arc::clone(spool), lane, place(0, 0));
        while let Some(chunk) = reader.next().unwrap() {
            for mut event in SubscribeResponse::decode(chunk.events.bytes().clone()).unwrap().events {
                if let Some(Payload::Gap(_)) = event.payload {
                    // Of who tells it, now.
                    (event.time, event.boottime_ns) = (None, 0);
                }
                lines += &to_json(&event).to_string();
                lines.push('\n');
            }
        }
    }
    lines
}

/// A copy that may be changed.
fn copied(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for lane in LANES {
        fs::create_dir(copy.path().join(name(lane))).unwrap();
        for entry in fs::read_dir(directory.join(name(lane))).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, copy.path().join(name(lane)).join(path.file_name().unwrap())).unwrap();
        }
    }
    fs::copy(directory.join(CONSUMERS), copy.path().join(CONSUMERS)).unwrap();
    copy
}

fn format_1() -> tempfile::TempDir {
    copied(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/spool/tests/format-1"))
}

fn opens_and_tells_all(directory: &Path) {
    let (spool, unclean) = open(directory, 3);
    let ends: Vec<_> = unclean.iter().map(|gap| (gap.lane(), gap.epoch, gap.to_sequence)).collect();
    assert_eq!(ends, [(Lane::Process, Some(2), 3), (Lane::File, Some(2), 20)]);
    let told = told(&spool);
    assert_eq!(told.lines().count(), 2 * (3 + 10 + 1 + 5));
    for (told, expected) in told.lines().zip(EXPECTED.lines()) {
        assert_eq!(told, expected);
    }
    let (_, acknowledged) = spool.come("siem", String::new()).unwrap();
    assert_eq!(acknowledged, PerLane { process: place(1, 0), file: place(1, 7) });
    // It goes on behind it.
    let mut writer = Writer::new(Arc::clone(&spool));
    offer(&spool, Lane::File, 1..=1);
    writer.step();
    assert_eq!(spool.end().file, place(3, 1));
}

#[test]
fn a_spool_of_format_1_opens_and_gives_exactly_these_events() {
    opens_and_tells_all(format_1().path());
}

#[test]
fn what_is_written_today_is_read_as_what_was_written_then() {
    let directory = tempfile::tempdir().unwrap();
    history(directory.path());
    if let Some(fixture) = std::env::var_os("ACTIVITY_FIXTURE") {
        fs::rename(copied(directory.path()).keep(), &fixture).unwrap();
        fs::write(Path::new(&fixture).join("events.jsonl"), told(&open(directory.path(), 3).0)).unwrap();
        return;
    }
    opens_and_tells_all(directory.path());
}

#[test]
fn files_of_a_later_format_are_left_alone_and_counted() {
    let directory = format_1();
    let later = ["00000004-000000000001-1790000000-00000000000000ff.log2", "README"];
    for file in later {
        fs::write(directory.path().join("file").join(file), [0xff; 4096]).unwrap();
    }
    assert_eq!(Index::recover(&Machine, &directory.path().join("file")).unwrap().unknown.len(), 2);
    assert_eq!(Index::recover(&Machine, &directory.path().join("process")).unwrap().unknown.len(), 0);
    opens_and_tells_all(directory.path());
    // Nor do they go for want of room.
    let (spool, _) = open(directory.path(), 5);
    let mut writer = Writer::new(Arc::clone(&spool));
    for first in (1..=2000).step_by(50) {
        offer(&spool, Lane::File, first..=first + 49);
        writer.step();
    }
    assert!(spool.status().lanes[1].removed > 0);
    for file in later {
        assert!(directory.path().join("file").join(file).is_file(), "{file}");
    }
}
