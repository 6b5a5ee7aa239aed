//! What became of everything the sensor saw, as heartbeats and metrics tell it: the
//! equations are at `activity.sensor.v1.Heartbeat`.

use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use activity_proto::v1::{Consumer, EventType, Heartbeat, Lane, LanePosition, SubscriberStatus, TypeTerms};
use sensor_types::act::Act;

use crate::{clock, sequence::event_type_of, source::load::object_sha256, status::SensorStatus};

/// One more than the last [`EventType`].
const TYPES: usize = EventType::SHORT_NAMES.len() + 1;

/// A count for each event type. Only one thread adds to it, the pipeline's; others read.
#[derive(Debug, Default)]
pub struct ByType([AtomicU64; TYPES]);

impl ByType {
    /// Counts one more.
    pub fn add(&self, event_type: EventType) {
        if let Some(count) = self.0.get(place(event_type)) {
            // Nobody else adds, so it need not be one step, which costs twenty times that.
            count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }

    /// Over all types.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|count| count.load(Relaxed)).sum()
    }

    fn at(&self, place: usize) -> u64 {
        self.0.get(place).map_or(0, |count| count.load(Relaxed))
    }
}

/// Where a type is counted: with the others that the same act becomes.
fn place(event_type: EventType) -> usize {
    let event_type = if event_type == EventType::Tamper { event_type_of(Act::Bpf) } else { event_type };
    usize::try_from(i32::from(event_type)).unwrap_or_default()
}

/// When the sensor began, and when it last showed that it is at work.
#[derive(Debug)]
pub struct Alive {
    /// How often it shows.
    pub interval: Duration,
    begun_ns: u64,
    last_ns: AtomicU64,
}

impl Alive {
    /// Begins now.
    pub fn new(interval: Duration) -> Self {
        let begun_ns = clock::boottime_ns();
        Self { interval, begun_ns, last_ns: AtomicU64::new(begun_ns) }
    }

    /// There was a heartbeat.
    pub fn beat(&self) {
        self.last_ns.store(clock::boottime_ns(), Relaxed);
    }

    /// How long ago the last one was.
    pub fn since_last(&self) -> Duration {
        Duration::from_nanos(clock::boottime_ns().saturating_sub(self.last_ns.load(Relaxed)))
    }
}

impl SensorStatus {
    /// What a heartbeat says at this moment. On the pipeline's thread, between two
    /// batches, nothing is counted twice in it and nothing left out but what is in the
    /// rings.
    pub fn heartbeat(&self, stopping: bool, subscribers: Vec<SubscriberStatus>) -> Heartbeat {
        // Before the kernel's counts: what leaves the rings between the two is then in
        // the later one only, as if it were in the rings still.
        let in_flight = self.pipeline.in_flight.load(Relaxed);
        let lane = |lane: Lane, last: &AtomicU64| LanePosition {
            lane: lane.into(),
            last_sequence: last.load(Relaxed),
        };
        let consumer = |of: SubscriberStatus| Consumer { peer: of.peer, sent: of.sent, missed: of.missed };
        Heartbeat {
            uptime_ns: clock::boottime_ns().saturating_sub(self.alive.begun_ns),
            interval_seconds: u32::try_from(self.alive.interval.as_secs()).unwrap_or(u32::MAX),
            stopping,
            lanes: vec![
                lane(Lane::Process, &self.pipeline.process_sequence),
                lane(Lane::File, &self.pipeline.file_sequence),
            ],
            types: self.terms(),
            in_flight,
            skipped: self.skipped.count(),
            cpu_ns: clock::processor_ns(),
            rss_bytes: resident_bytes(),
            object_sha256: object_sha256().to_owned(),
            policy_version: self.policy.standing().policy.version().to_owned(),
            consumers: subscribers.into_iter().map(consumer).collect(),
            spool: self.spool.as_ref().map(|spool| spool.status()),
        }
    }

    /// By type, what became of it; without types of which there was nothing.
    fn terms(&self) -> Vec<TypeTerms> {
        let stats = &self.pipeline;
        let mut all: Vec<TypeTerms> = Vec::with_capacity(TYPES);
        for (place, number) in (0..TYPES).zip(0..) {
            all.push(TypeTerms {
                r#type: number,
                rejected: stats.rejected.at(place),
                internal: stats.internal.at(place),
                filtered: stats.filtered.at(place),
                shed: stats.shed.at(place),
                published: stats.published.at(place),
                own: stats.own.at(place),
                totals: stats.totals.at(place),
                ..TypeTerms::default()
            });
        }
        for (act, counts) in Act::ALL.iter().zip(self.kernel.read().unwrap_or_default()) {
            let Some(terms) = all.get_mut(place(event_type_of(*act))) else { continue };
            terms.hits += counts.hits;
            terms.kernel_filtered += counts.filtered;
            terms.folded += counts.folded;
            terms.ring_full += counts.ring_full;
            terms.unreadable += counts.unreadable;
            terms.not_covered += counts.not_covered;
            terms.recorded += counts.recorded;
        }
        all.retain(|terms| !terms.is_empty());
        all
    }
}

/// The memory that this process has; `None` where the kernel does not say.
fn resident_bytes() -> Option<u64> {
    kibibytes(&fs::read_to_string("/proc/self/status").ok()?)?.checked_mul(1024)
}

fn kibibytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_place_of_its_own_but_those_of_one_act() {
        let types = (0..64).filter_map(|number| EventType::try_from(number).ok());
        let places: Vec<usize> = types.map(place).collect();
        assert_eq!(places.len(), TYPES);
        assert!(places.iter().all(|&place| place < TYPES));
        assert_eq!(place(EventType::Tamper), place(EventType::BpfLoad));
        let mut others = places.clone();
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), TYPES - 1);
    }

    #[test]
    fn a_count_is_of_its_type_and_in_the_total() {
        let counts = ByType::default();
        for event_type in [EventType::Open, EventType::Exec, EventType::Open] {
            counts.add(event_type);
        }
        assert_eq!((counts.at(place(EventType::Open)), counts.total()), (2, 3));
        assert_eq!(counts.at(TYPES), 0);
    }

    #[test]
    fn the_memory_is_read_from_what_the_kernel_says_of_the_process() {
        assert_eq!(kibibytes("Name:\tx\nVmRSS:\t   59392 kB\nThreads:\t7\n"), Some(59_392));
        assert_eq!(kibibytes("Name:\tVmRSS:\n"), None);
        assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
