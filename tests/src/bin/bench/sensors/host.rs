//! A host over a month: who comes when, and everything that happens, in order.

use std::{cmp::Reverse, collections::BinaryHeap};

use activity_proto::v1::{Event, EventId, Lane, event::Payload};
use prost::Message as _;

use super::{
    DAYS,
    acts::Shell,
    message,
    people::{Person, people},
};

/// The epoch of every sensor.
pub const EPOCH: u64 = 3;
/// 2026-01-01 in nanoseconds since 1970, a Thursday.
const BEGIN: u64 = 1_767_225_600 * SECOND;
/// When the hosts were started, before that.
const UP: u64 = 9 * DAY;
const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;
const HEARTBEAT: u64 = 300 * SECOND;
/// One in so many events is behind a gap.
const GAP: u64 = 20_000;

/// What waits for its time; the number keeps those of one time in order.
type Waiting = Reverse<(u64, u64)>;

/// One of the hosts. Times are CLOCK_BOOTTIME in nanoseconds.
pub struct Host {
    pub name: String,
    pub sensor_id: String,
    pub boot_id: String,
    random: fastrand::Rng,
    people: Vec<Person>,
    /// Events of all days, and how many are left.
    all: u64,
    left: u64,
    /// The day that was begun last.
    day: u32,
    shells: Vec<Shell>,
    pids: u32,
    times: BinaryHeap<Waiting>,
    events: std::collections::HashMap<u64, Event>,
    pushed: u64,
    heartbeat: u64,
    offset: u64,
    sequences: [u64; 2],
    counts: [u64; 32],
}

fn uuid(random: &mut fastrand::Rng) -> String {
    let digits = format!("{:032x}", random.u128(..));
    let part = |range| digits.get(range).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0..8), part(8..12), part(13..16), part(17..20), part(20..32))
}

impl Host {
    /// The host with a number, on which so many events happen.
    pub fn new(number: u32, events: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(0xac71_0000 + u64::from(number));
        let everybody = people();
        // Some are on nearly every host, most on few.
        let mut at = |_| everybody.get((random.f64().powi(2) * everybody.len() as f64) as usize).cloned();
        let people: Vec<Person> = (0..8).filter_map(&mut at).collect();
        Self {
            name: format!("web-{number:02}.example.net"),
            sensor_id: uuid(&mut random),
            boot_id: uuid(&mut random),
            people,
            all: events,
            left: events,
            day: 0,
            shells: Vec::new(),
            pids: 1200,
            times: BinaryHeap::new(),
            events: Default::default(),
            pushed: 0,
            heartbeat: UP,
            offset: BEGIN - UP,
            sequences: [0; 2],
            counts: [0; 32],
            random,
        }
    }

    /// What every event has, encoded.
    pub fn common(&self) -> Vec<u8> {
        let (sensor_id, boot_id) = (self.sensor_id.clone(), self.boot_id.clone());
        let id = EventId { sensor_id, boot_id, epoch: EPOCH, ..EventId::default() };
        Event { host: self.name.clone(), id: Some(id), ..Event::default() }.encode_to_vec()
    }

    /// The last sequences of the process and the file lane.
    pub fn positions(&self) -> [u64; 2] {
        self.sequences
    }

    /// The next event; `None` after the last.
    pub fn next(&mut self) -> Option<Event> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let next = loop {
            let due = self.times.peek().map(|Reverse((time, _))| *time);
            let shell = self.shells.iter().enumerate().min_by_key(|(_, shell)| shell.next);
            let shell = shell.map(|(at, shell)| (at, shell.next));
            match (due, shell) {
                (due, Some((at, next))) if due.is_none_or(|due| next <= due) => self.act(at),
                (Some(_), _) => {
                    break self.times.pop().and_then(|Reverse((_, key))| self.events.remove(&key))?;
                }
                (None, _) => self.begin_day(),
            }
        };
        if next.boottime_ns > self.heartbeat + HEARTBEAT {
            self.heartbeat += HEARTBEAT;
            let beat = message::heartbeat(self.heartbeat, UP, self.sequences, &self.counts);
            let time = self.heartbeat;
            self.push(next.boottime_ns, next);
            return Some(self.numbered(time, beat));
        }
        Some(self.numbered(next.boottime_ns, next))
    }

    /// Gives an event its number and its time.
    fn numbered(&mut self, boottime_ns: u64, mut event: Event) -> Event {
        let is_file =
            matches!(event.payload, Some(Payload::Open(_) | Payload::Rename(_) | Payload::Unlink(_)));
        let lane = if is_file { Lane::File } else { Lane::Process };
        if let Some(count) = self.counts.get_mut(event.event_type() as usize) {
            *count += 1;
        }
        if self.random.u64(0..64) == 0 {
            // Both clocks are read one after the other, for many events at once.
            self.offset = BEGIN - UP + self.random.u64(0..180);
        }
        let [process, file] = &mut self.sequences;
        let sequence = if is_file { file } else { process };
        *sequence += 1;
        if self.random.u64(0..GAP) == 0 {
            let lost = self.random.u64(1..900);
            event = message::gap(lane, *sequence, *sequence + lost - 1);
            *sequence += lost;
        }
        event.id = Some(EventId { lane: lane.into(), sequence: *sequence, ..EventId::default() });
        event.boottime_ns = boottime_ns;
        event.time = Some(message::timestamp(boottime_ns + self.offset));
        event
    }

    fn push(&mut self, time: u64, event: Event) {
        let event = Event { boottime_ns: time, ..event };
        self.pushed += 1;
        self.times.push(Reverse((time, self.pushed)));
        self.events.insert(self.pushed, event);
    }

    /// Who comes this day; days are as long as there are events for them.
    fn begin_day(&mut self) {
        let day = self.day;
        self.day += 1;
        let midnight = UP + u64::from(day) * DAY;
        // The last takes what is left.
        let is_weekend = matches!((day + 3) % 7, 5 | 6);
        let acts = self.all.saturating_sub(u64::from(DAYS) * DAY / HEARTBEAT);
        let share = acts / u64::from(DAYS) * if is_weekend { 3 } else { 11 } / 9;
        let quota = if day + 1 >= DAYS { self.left } else { share }.max(1);
        let sessions = self.random.u32(if is_weekend { 1..3 } else { 3..7 });
        for _ in 0..sessions {
            let hour =
                if self.random.u32(0..20) == 0 { self.random.u64(0..23) } else { self.random.u64(6..17) };
            let from = midnight + hour * HOUR + self.random.u64(0..HOUR);
            let to = (from + self.random.u64(HOUR / 2..7 * HOUR)).min(midnight + DAY - 1);
            let at = self.random.usize(0..self.people.len().max(1));
            let Some(person) = self.people.get(at).cloned() else { continue };
            self.pids += self.random.u32(3..400);
            let (random, boot) = (&mut self.random, &self.boot_id);
            let quota = quota / u64::from(sessions) + 1;
            let shell = Shell::new(random, person, boot, self.pids, (from, to), self.offset, quota);
            self.shells.push(shell);
        }
    }

    fn act(&mut self, at: usize) {
        let Some(shell) = self.shells.get_mut(at) else { return };
        let mut happened = Vec::new();
        let goes_on = shell.act(&mut self.random, &mut self.pids, &mut happened);
        if !goes_on {
            self.shells.swap_remove(at);
        }
        happened.into_iter().for_each(|(time, event)| self.push(time, event));
    }
}
