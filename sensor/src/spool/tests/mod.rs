//! The spool as a whole.

mod damage;
mod faults;
mod limits;
mod model;
mod upgrade;

use std::{ops::RangeInclusive, path::Path};

use activity_proto::v1::{Event, EventId, EventType, SubscribeResponse, event::Payload};
use activity_segments::simulated::Simulated;
use prost::Message as _;

use super::{writer::Writer, *};
use crate::stream::Part;

const DIRECTORY: &str = "/state/spool";
const KIB: u64 = 1024;

fn settings() -> Settings {
    Settings {
        limits: PerLane { process: 64 * KIB, file: 64 * KIB },
        max_age: Duration::from_secs(3600),
        sync: Duration::from_secs(3600),
        when_full: WhenFull::Oldest,
    }
}

fn origin(epoch: u64) -> Origin {
    Origin { host: "web".to_owned(), id: EventId { epoch, ..EventId::default() } }
}

fn event_type(lane: Lane) -> EventType {
    if lane == Lane::File { EventType::Open } else { EventType::Exec }
}

/// Events with these numbers in a lane, each of some hundred bytes.
fn encoded(epoch: u64, lane: Lane, sequences: RangeInclusive<u64>) -> Encoded {
    let (mut bytes, mut parts) = (Vec::new(), Vec::new());
    for sequence in sequences {
        let start = bytes.len();
        let id = EventId { lane: lane.into(), sequence, ..EventId::default() };
        let event = Event { id: Some(id), host: "x".repeat(100), ..Event::default() };
        EncodedEvents::append(&mut bytes, &origin(epoch).common(), &event);
        let (lane, event_type) = (lane.into(), event_type(lane).into());
        parts.push(Part { range: start..bytes.len(), lane, sequence, event_type });
    }
    Encoded { bytes: bytes.into(), parts, time_ns: 1 }
}

/// A spool on a simulated disk with the one who writes it.
struct Rig {
    disk: Simulated,
    spool: Arc<Spool<Simulated>>,
    writer: Writer<Simulated>,
    unclean: Vec<Gap>,
    epoch: u64,
}

impl Rig {
    fn new(settings: Settings) -> Self {
        Self::open(Simulated::default(), settings, 1)
    }

    fn open(disk: Simulated, settings: Settings, epoch: u64) -> Self {
        let opened = Spool::open(disk.clone(), Path::new(DIRECTORY), settings, &origin(epoch));
        let (spool, unclean) = opened.unwrap();
        Self { disk, writer: Writer::new(Arc::clone(&spool)), spool, unclean, epoch }
    }

    /// The next run, with what the one before left on this disk.
    fn next(&self, disk: Simulated) -> Self {
        Self::open(disk, self.spool.settings.clone(), self.epoch + 1)
    }

    fn write(&mut self, lane: Lane, sequences: RangeInclusive<u64>) {
        self.spool.offer(&encoded(self.epoch, lane, sequences));
        self.writer.step();
    }

    /// Ends in order.
    fn end(self) -> Simulated {
        self.spool.close();
        self.writer.run();
        self.disk
    }

    fn read(&self, lane: Lane, place: Place) -> Vec<Seen> {
        let mut reader = Reader::new(Arc::clone(&self.spool), lane, place);
        std::iter::from_fn(|| reader.next().unwrap()).flat_map(seen).collect()
    }

    /// The only segments of a lane.
    fn segments(&self, lane: Lane) -> Vec<PathBuf> {
        let directory = self.spool.directory(lane);
        let mut names = self.disk.list(&directory).unwrap();
        names.sort();
        names.into_iter().map(|name| directory.join(name)).collect()
    }
}

/// What a reader saw.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Event { epoch: u64, sequence: u64 },
    Gap { epoch: u64, from: u64, to: u64, reason: GapReason, count: u64 },
}

fn seen(chunk: Chunk) -> Vec<Seen> {
    let body = SubscribeResponse::decode(chunk.events.bytes().clone()).unwrap();
    let one = |event: Event| {
        let id = event.id.unwrap();
        match event.payload {
            Some(Payload::Gap(gap)) => Seen::Gap {
                epoch: gap.epoch.unwrap_or(id.epoch),
                from: gap.from_sequence,
                to: gap.to_sequence,
                reason: gap.reason(),
                count: gap.counts.iter().map(|counted| counted.count).sum(),
            },
            _ => Seen::Event { epoch: id.epoch, sequence: id.sequence },
        }
    };
    body.events.into_iter().map(one).collect()
}

fn events(epoch: u64, sequences: RangeInclusive<u64>) -> Vec<Seen> {
    sequences.map(|sequence| Seen::Event { epoch, sequence }).collect()
}

fn place(epoch: u64, sequence: u64) -> Place {
    Place { epoch, sequence }
}

#[test]
fn what_is_written_is_read_from_any_place_on_and_by_the_next_run() {
    let mut rig = Rig::new(settings());
    rig.write(Lane::File, 1..=5);
    rig.write(Lane::File, 6..=6);
    rig.write(Lane::Process, 1..=2);
    assert_eq!(rig.read(Lane::File, place(0, 0)), events(1, 1..=6));
    assert_eq!(rig.read(Lane::File, place(1, 3)), events(1, 4..=6));
    assert_eq!(rig.read(Lane::Process, place(1, 2)), []);
    let epoch = rig.epoch;
    let mut rig = Rig::open(rig.end(), settings(), epoch + 1);
    assert!(rig.unclean.is_empty());
    rig.write(Lane::File, 1..=3);
    assert_eq!(rig.read(Lane::File, place(1, 3)), [events(1, 4..=6), events(2, 1..=3)].concat());
    assert_eq!(rig.read(Lane::File, place(2, 3)), []);
}

#[test]
fn a_reader_goes_on_where_the_writer_goes_on() {
    let mut rig = Rig::new(settings());
    let mut reader = Reader::new(Arc::clone(&rig.spool), Lane::File, place(0, 0));
    assert!(reader.next().unwrap().is_none());
    for sequence in 1..=400 {
        rig.write(Lane::File, sequence..=sequence);
        assert_eq!(seen(reader.next().unwrap().unwrap()), events(1, sequence..=sequence));
        assert!(reader.next().unwrap().is_none());
    }
    assert!(rig.segments(Lane::File).len() > 10);
}

#[test]
fn a_kill_loses_nothing_that_was_written_and_is_told() {
    let mut rig = Rig::new(settings());
    rig.write(Lane::File, 1..=7);
    let mut next = rig.next(rig.disk.after_kill());
    assert_eq!(next.unclean.len(), 1);
    let gap = &next.unclean[0];
    assert_eq!((gap.lane(), gap.epoch, gap.reason()), (Lane::File, Some(1), GapReason::UncleanEnd));
    assert_eq!((gap.from_sequence, gap.to_sequence), (8, 7));
    next.write(Lane::File, 1..=1);
    assert_eq!(next.read(Lane::File, place(1, 6)), [events(1, 7..=7), events(2, 1..=1)].concat());
}

#[test]
fn a_place_in_time_is_not_behind_what_was_recorded_then() {
    let mut rig = Rig::new(settings());
    for (time_ns, sequence) in [(10, 1), (20, 2), (30, 3)] {
        let mut one = encoded(1, Lane::File, sequence..=sequence);
        one.time_ns = time_ns;
        rig.spool.offer(&one);
        rig.writer.step();
    }
    for (time_ns, before) in [(5, 0), (20, 1), (25, 1), (99, 2)] {
        assert_eq!(rig.spool.at(time_ns).unwrap().file, place(1, before), "{time_ns}");
    }
}

#[test]
fn a_full_default_spool_is_open_in_under_a_second() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { limits: PerLane { process: 128 << 20, file: 384 << 20 }, ..settings() };
    let open = |epoch| Spool::open(Machine, directory.path(), settings.clone(), &origin(epoch)).unwrap().0;
    let spool = open(1);
    let mut writer = Writer::new(Arc::clone(&spool));
    let mut sequence = 0;
    while spool.status().lanes.iter().any(|lane| lane.bytes < lane.limit_bytes / 32 * 31) {
        for lane in LANES {
            spool.offer(&encoded(1, lane, sequence + 1..=sequence + 2000));
        }
        sequence += 2000;
        writer.step();
    }
    drop((writer, spool));
    let begun = std::time::Instant::now();
    let spool = open(2);
    let took = begun.elapsed();
    let bytes: u64 = spool.status().lanes.iter().map(|lane| lane.bytes).sum();
    println!("opened a spool of {} MiB in {took:?}", bytes >> 20);
    assert!(bytes >= 400 << 20 && took < Duration::from_secs(1));
}
