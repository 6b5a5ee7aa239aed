//! A store whose segments are begun, rolled and compacted when a test says so; and whatever
//! order that happens in, everything is read.

use std::collections::BTreeMap;

use activity_proto::v1::{Connect, Exec, Open, Silence};
use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::{
    seal::Seal,
    store::{
        compact::{Compactor, Zeal},
        log::{Record, Segment, SegmentWriter},
        roll::roll,
    },
};

/// 2026-01-01 in seconds.
pub const NEW_YEAR: i64 = 1_767_225_600;

pub struct World {
    pub layout: Layout,
    writer: SegmentWriter,
    number: u64,
    _directory: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().to_str().unwrap()).unwrap();
        layout.create().unwrap();
        let writer = segment(&layout, 1);
        Self { layout, writer, number: 1, _directory: directory }
    }

    pub fn append(&mut self, events: Vec<Bytes>) {
        self.writer.append(&Record { events, cursors: Vec::new() }).unwrap();
    }

    pub fn begin_segment(&mut self) {
        self.number += 1;
        self.writer = segment(&self.layout, self.number);
    }

    /// Rolls so many of the oldest segments, not the one that is written.
    pub fn roll(&mut self, most: usize) {
        let mut seal = Seal::open(&self.layout).unwrap();
        let segments = self.layout.segments().unwrap();
        let whole = segments.into_iter().filter(|segment| segment.number < self.number);
        for segment in whole.take(most) {
            roll(&self.layout, segment, &mut seal, &mut |_| Ok(())).unwrap();
        }
    }

    pub fn compact(&mut self) {
        let mut seal = Seal::open(&self.layout).unwrap();
        let mut compactor = Compactor::new(seal.superseded());
        compactor.compact(&self.layout, &mut seal, Zeal::Idle, &Default::default(), &mut |_| Ok(())).unwrap();
    }
}

fn segment(layout: &Layout, number: u64) -> SegmentWriter {
    // Its day is that of events without a time.
    let segment = Segment::new(number, date(2026, 1, 31)).unwrap();
    SegmentWriter::create(&layout.log(), segment).unwrap()
}

/// What happens to a store and to the one who reads it.
#[derive(Clone, Debug)]
enum Act {
    Append(u8),
    BeginSegment,
    Roll(u8),
    Compact,
    Read(u8),
    /// Whoever reads is killed and begins where it was.
    Restart,
    /// What was sent since was not taken.
    Rewind,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..30_u8).prop_map(Act::Append),
        2 => Just(Act::BeginSegment),
        2 => (1..4_u8).prop_map(Act::Roll),
        1 => Just(Act::Compact),
        4 => (1..40_u8).prop_map(Act::Read),
        1 => Just(Act::Restart),
        1 => Just(Act::Rewind),
    ]
}

/// The events of two sensors, in three lanes and on two days; now and then one that only the
/// collector tells of.
#[derive(Default)]
struct Sensors {
    sequences: BTreeMap<(usize, i32), u64>,
    told: u64,
}

impl Sensors {
    fn next(&mut self) -> Event {
        self.told += 1;
        let number = self.told.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let sensor = usize::try_from(number % 2).unwrap();
        let day = i64::try_from(number / 2 % 2).unwrap();
        let (lane, payload) = match number / 4 % 3 {
            0 => (Lane::Process, Payload::Exec(Exec::default())),
            1 => (Lane::File, Payload::Open(Open::default())),
            _ => (Lane::Process, Payload::Connect(Connect::default())),
        };
        let seconds = NEW_YEAR + 86_400 * day + i64::try_from(self.told).unwrap();
        let sensor_id = format!("sensor-{sensor}");
        let id = EventId { sensor_id, boot_id: "b".into(), epoch: 1, lane: lane.into(), sequence: 0 };
        let event = Event { time: Some(prost_types::Timestamp { seconds, nanos: 0 }), ..Event::default() };
        if self.told.is_multiple_of(17) {
            return Event { id: Some(id), payload: Some(Payload::Silence(Silence::default())), ..event };
        }
        let sequence = self.sequences.entry((sensor, id.lane)).or_default();
        *sequence += 1;
        let id = EventId { sequence: *sequence, ..id };
        Event { id: Some(id), payload: Some(payload), ..event }
    }
}

/// One who reads, sends on, and remembers.
struct Reader {
    feed: Feed,
    remembered: Position,
    got: BTreeMap<String, u32>,
    missed: u64,
}

impl Reader {
    fn new(world: &World) -> Self {
        let feed = feed(world, Position::default());
        Self { feed, remembered: Position::default(), got: BTreeMap::new(), missed: 0 }
    }

    fn read(&mut self, most: usize) -> bool {
        let events = self.feed.next(most).unwrap();
        for event in &events {
            *self.got.entry(activity_formats::identity(event)).or_default() += 1;
        }
        !events.is_empty()
    }

    fn remember(&mut self) {
        let text = serde_json::to_string(self.feed.position()).unwrap();
        self.remembered = serde_json::from_str(&text).unwrap();
        assert_eq!(&self.remembered, self.feed.position());
    }

    fn restart(&mut self, world: &World) {
        self.missed += self.feed.missed;
        self.feed = feed(world, self.remembered.clone());
    }
}

/// Every event that was stored, and how often it was read.
fn play(acts: &[Act]) -> (BTreeMap<String, u32>, u64) {
    let (mut world, mut sensors) = (World::new(), Sensors::default());
    let mut reader = Reader::new(&world);
    let mut stored = BTreeMap::new();
    for act in acts {
        match act {
            Act::Append(count) => {
                let events: Vec<Event> = (0..*count).map(|_| sensors.next()).collect();
                stored.extend(events.iter().map(|event| (activity_formats::identity(event), 0)));
                world.append(events.iter().map(|event| event.encode_to_vec().into()).collect());
            }
            Act::BeginSegment => world.begin_segment(),
            Act::Roll(most) => world.roll((*most).into()),
            Act::Compact => world.compact(),
            Act::Read(most) => {
                if reader.read((*most).into()) && most % 3 > 0 {
                    reader.remember();
                }
            }
            Act::Restart => reader.restart(&world),
            Act::Rewind => reader.feed.rewind(reader.remembered.clone()),
        }
    }
    while reader.read(50) {}
    assert_eq!(reader.feed.unreadable, 0);
    reader.missed += reader.feed.missed;
    for (identity, count) in reader.got {
        *stored.get_mut(&identity).unwrap() += count;
    }
    (stored, reader.missed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_becomes_of_the_files_everything_is_read(acts in prop::collection::vec(act(), 1..60)) {
        let (stored, missed) = play(&acts);
        prop_assert!(stored.values().all(|times| *times > 0), "{stored:?}");
        prop_assert_eq!(missed, 0);
        let goes_back = |act: &Act| matches!(act, Act::Restart | Act::Rewind);
        if !acts.iter().any(goes_back) {
            prop_assert!(stored.values().all(|times| *times == 1), "{stored:?}");
        }
    }
}
