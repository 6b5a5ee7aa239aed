//! Sensors from which nothing comes, though it should: told once when that is noticed,
//! and once more when it is over.
//!
//! A sensor shows with heartbeats that it is at work. When neither one nor anything else
//! has come for its interval and a margin, it is silent. Time in which this collector
//! itself did not look (the disk was full, the process was stopped) counts for nobody.

mod heard;
mod links;
mod memory;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use activity_proto::{
    json::escape_bytes,
    v1::{Event, EventId, Lane, LanePosition, Silence, SilenceReason, event::Payload},
};
use jiff::Timestamp;

pub use heard::{Beat, Ear, Heard};
use heard::{LANES, is_same};
pub use links::Links;
use memory::{Memory, Remembered, Told};

use crate::store::Layout;

/// What the places of sensors begin with that dial out.
pub const PUSHED: &str = "pushed:";
/// How late a heartbeat may be. With the time between two looks it is told that one is
/// missing within ten seconds.
const MARGIN: Duration = Duration::from_secs(7);
/// How long a sensor has to answer at all.
const FIRST: Duration = Duration::from_secs(9);
/// Between heartbeats at most, as long as a sensor has not said how often they come.
const LONGEST: Duration = Duration::from_secs(60);
/// Between two looks at least.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is remembered who was heard when, if nothing else changes.
const REMEMBER: Duration = Duration::from_secs(60);

/// Watches over the sensors of the configuration, and over those that have dialled out to
/// this collector.
pub struct Silences {
    links: Links,
    sensors: BTreeMap<String, Sensor>,
    memory: Memory,
    looked: Instant,
    remembered: Instant,
}

/// One sensor, at one address.
struct Sensor {
    known: Remembered,
    /// From when on silence counts: when it was heard last, or there was a new chance.
    since: Instant,
    /// Whether the connection there is has been taken for a new chance.
    reopened: bool,
    /// When it was begun to try, nanoseconds since 1970.
    began: i64,
}

impl Silences {
    /// Of sensors at these addresses, with what was known of them before.
    pub fn new(
        addresses: impl IntoIterator<Item = String>,
        links: Links,
        store: &Layout,
        now: Instant,
    ) -> Self {
        let (memory, mut before) = Memory::open(store);
        let sensor = |address: String| {
            let known = before.remove(&address).unwrap_or_default();
            (address, Sensor::new(known, now))
        };
        let mut sensors: BTreeMap<_, _> = addresses.into_iter().map(sensor).collect();
        // Those that dial out are in no configuration.
        let pushed = before.into_iter().filter(|(place, _)| place.starts_with(PUSHED));
        sensors.extend(pushed.map(|(place, known)| (place, Sensor::new(known, now))));
        Self { links, sensors, memory, looked: now, remembered: now }
    }

    /// When to look next, if nothing comes.
    pub fn next_look(&self) -> Instant {
        self.looked + LOOK
    }

    /// Takes what was heard, and tells of silences that have begun or are over.
    pub fn look(&mut self, heard: Vec<Heard>, now: Instant) -> Vec<Event> {
        self.excuse_own_absence(now);
        let mut told = Vec::new();
        let mut changed = false;
        for heard in heard {
            let Some(address) = self.links.address(heard.connection) else { continue };
            let new = || Sensor::new(Remembered::default(), now);
            let sensor = self.sensors.entry(address.clone()).or_insert_with(new);
            changed |= sensor.hear(heard, now);
            told.extend(sensor.end(&address));
        }
        for (address, sensor) in &mut self.sensors {
            told.extend(sensor.begin(address, &self.links, now));
        }
        if changed || !told.is_empty() || now.duration_since(self.remembered) >= REMEMBER {
            self.remember(now);
        }
        told
    }

    /// Remembers what is known for the next run.
    pub fn close(mut self) {
        self.remember(Instant::now());
    }

    fn remember(&mut self, now: Instant) {
        let sensors = self.sensors.iter().map(|(address, sensor)| (address.clone(), sensor.known.clone()));
        self.memory.write(&sensors.collect());
        self.remembered = now;
    }

    fn excuse_own_absence(&mut self, now: Instant) {
        let absent = now.saturating_duration_since(self.next_look());
        if absent >= LOOK {
            for sensor in self.sensors.values_mut() {
                sensor.since = (sensor.since + absent).min(now);
            }
        }
        self.looked = now;
    }
}

impl Sensor {
    fn new(known: Remembered, now: Instant) -> Self {
        Self { known, since: now, reopened: false, began: wall() }
    }

    /// Something came from it. True when it is worth remembering at once.
    fn hear(&mut self, heard: Heard, now: Instant) -> bool {
        let before = self.id().unwrap_or_default();
        let is_new = !is_same(&before, &heard.id);
        let known = &mut self.known;
        if is_new {
            known.sensor_id = heard.id.sensor_id;
            (known.boot_id, known.epoch, known.host) = (heard.id.boot_id, heard.id.epoch, heard.host);
            known.last = [0; 2];
        }
        for (last, heard) in known.last.iter_mut().zip(heard.last) {
            *last = (*last).max(heard);
        }
        let changed =
            known.stopping != heard.stopping || heard.interval.is_some_and(|of| known.interval != Some(of));
        known.interval = heard.interval.or(known.interval);
        known.stopping = heard.stopping;
        known.heard = Some(wall());
        (self.since, self.reopened) = (now, false);
        is_new || changed
    }

    /// The end of its silence, if that was told.
    fn end(&mut self, address: &str) -> Option<Event> {
        let told = self.known.silence.take()?;
        let ended = wall();
        let seconds = ended.saturating_sub(told.since) / 1_000_000_000;
        tracing::info!("the sensor at {address}{} is back after {seconds} s", self.name());
        Some(self.event(address, told, Some(ended)))
    }

    /// The beginning of its silence, if there is one that was not told.
    fn begin(&mut self, address: &str, links: &Links, now: Instant) -> Option<Event> {
        let link = links.last(address).filter(|link| link.is_open);
        if let Some(link) = link
            && !self.reopened
            && link.opened > self.since
        {
            // Heartbeats come as often as it says, once there is a connection; one that
            // comes and goes is no second chance.
            (self.since, self.reopened) = (link.opened, true);
        }
        let is_unknown = self.known.heard.is_none();
        let patience = if is_unknown && link.is_none() {
            FIRST
        } else {
            self.known.interval.map_or(LONGEST, |interval| Duration::from_secs(interval.into())) + MARGIN
        };
        if self.known.silence.is_some() || now.saturating_duration_since(self.since) < patience {
            return None;
        }
        let (reason, why) = match link {
            _ if self.known.stopping => (SilenceReason::Stopped, "it was ended"),
            Some(_) => (SilenceReason::NoHeartbeat, "it is connected and sends nothing"),
            None if is_unknown => (SilenceReason::NeverReached, "it has never been reached"),
            None => (SilenceReason::Disconnected, "the connection is gone"),
        };
        let since = self.known.heard.unwrap_or(self.began);
        let told = Told { reason: reason.into(), since };
        self.known.silence = Some(told);
        let when = Timestamp::from_nanosecond(since.into()).unwrap_or_default();
        tracing::warn!("silence: nothing from the sensor at {address}{} since {when:.0}: {why}", self.name());
        Some(self.event(address, told, None))
    }

    /// Whose events it sends, once it has sent one.
    fn id(&self) -> Option<EventId> {
        let Remembered { sensor_id, boot_id, epoch, .. } = &self.known;
        let lane = Lane::Process.into();
        let id = || EventId {
            sensor_id: sensor_id.clone(),
            boot_id: boot_id.clone(),
            epoch: *epoch,
            lane,
            sequence: 0,
        };
        self.known.heard.map(|_| id())
    }

    /// Its machine's name, for the log.
    fn name(&self) -> String {
        match self.known.host.as_str() {
            "" => String::new(),
            host => format!(" ({})", escape_bytes(host.as_bytes())),
        }
    }

    /// Like a gap that the collector found, it has no number: the sensor numbers.
    fn event(&self, address: &str, told: Told, ended: Option<i64>) -> Event {
        let lanes = LANES.iter().zip(self.known.last).filter(|(_, last)| *last > 0);
        let silence = Silence {
            address: address.to_owned(),
            reason: told.reason,
            since: Some(timestamp(told.since)),
            ended: ended.map(timestamp),
            lanes: lanes
                .map(|(lane, last_sequence)| LanePosition { lane: (*lane).into(), last_sequence })
                .collect(),
            interval_seconds: self.known.interval,
        };
        Event {
            id: self.id(),
            host: self.known.host.clone(),
            time: Some(timestamp(wall())),
            payload: Some(Payload::Silence(silence)),
            ..Event::default()
        }
    }
}

/// The wall clock in nanoseconds since 1970.
fn wall() -> i64 {
    i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

fn timestamp(nanoseconds: i64) -> prost_types::Timestamp {
    const SECOND: i64 = 1_000_000_000;
    let nanos = i32::try_from(nanoseconds.rem_euclid(SECOND)).unwrap_or_default();
    prost_types::Timestamp { seconds: nanoseconds.div_euclid(SECOND), nanos }
}
