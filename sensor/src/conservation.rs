//! What became of everything the sensor saw, as heartbeats and metrics tell it: the
//! equations are at `activity.sensor.v1.Heartbeat`.

use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use activity_proto::v1::{Consumer, Heartbeat, Lane, LanePosition, SubscriberStatus, TypeTerms};
use sensor_types::act::Act;

use crate::{
    clock,
    sequence::event_type_of,
    source::load::object_sha256,
    status::SensorStatus,
    tally::{TYPES, place},
};

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
        let tally = &self.pipeline.tally;
        let in_flight = tally.in_flight();
        let lane = |lane: Lane, last: &AtomicU64| LanePosition {
            lane: lane.into(),
            last_sequence: last.load(Relaxed),
        };
        let consumer = |of: SubscriberStatus| Consumer { peer: of.peer, sent: of.sent, missed: of.missed };
        Heartbeat {
            uptime_ns: clock::boottime_ns().saturating_sub(self.alive.begun_ns),
            interval_seconds: u32::try_from(self.alive.interval.as_secs()).unwrap_or(u32::MAX),
            stopping,
            lanes: vec![lane(Lane::Process, tally.process_sequence), lane(Lane::File, tally.file_sequence)],
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
        let tally = &self.pipeline.tally;
        let mut all: Vec<TypeTerms> = Vec::with_capacity(TYPES);
        for (place, number) in (0..TYPES).zip(0..) {
            all.push(TypeTerms {
                r#type: number,
                rejected: tally.rejected.at(place),
                internal: tally.internal.at(place),
                filtered: tally.filtered.at(place),
                shed: tally.shed.at(place),
                published: tally.published.at(place),
                own: tally.own.at(place),
                totals: tally.totals.at(place),
                lost: tally.lost.at(place),
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
    fn the_memory_is_read_from_what_the_kernel_says_of_the_process() {
        assert_eq!(kibibytes("Name:\tx\nVmRSS:\t   59392 kB\nThreads:\t7\n"), Some(59_392));
        assert_eq!(kibibytes("Name:\tVmRSS:\n"), None);
        assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
