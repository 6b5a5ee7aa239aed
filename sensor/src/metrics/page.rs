//! What `/metrics` says.

use std::{collections::BTreeMap, time::Duration};

use activity_proto::v1::{
    ConsumerStatus, EventType, Heartbeat, Lane, LaneStatus, PeerCounters, PipelineCounters, PolicyCount,
    SpoolLane, SpoolStatus, Status, TypeTerms,
};
use prost_types::Timestamp;

use super::text::{Kind, Text};

use Kind::{Counter, Gauge};

/// What the page is made of.
pub struct Facts {
    pub heartbeat: Heartbeat,
    pub status: Status,
    pub lanes: Vec<LaneStatus>,
    pub pipeline: PipelineCounters,
    pub peers: Option<PeerCounters>,
    pub started: Timestamp,
    pub epoch: u64,
    /// Since the last heartbeat.
    pub since_last: Duration,
}

/// One of the terms of which [`Heartbeat`] tells, with its name and its meaning.
type Term = (&'static str, &'static str, fn(&TypeTerms) -> u64);

const TERMS: [Term; 15] = [
    ("hook_hits_total", "Acts that the hooks saw.", |terms| terms.hits),
    ("kernel_filtered_total", "Acts that the policy left out in the kernel.", |terms| terms.kernel_filtered),
    ("folded_total", "Acts counted with one that was the same, and told in its count.", |terms| terms.folded),
    ("ring_full_total", "Acts lost because a ring buffer was full.", |terms| terms.ring_full),
    ("unreadable_total", "Acts lost because a kernel structure could not be read.", |terms| terms.unreadable),
    ("not_covered_total", "Acts seen to happen in a way that cannot be recorded.", |terms| terms.not_covered),
    ("recorded_total", "Records put into a ring buffer.", |terms| terms.recorded),
    ("rejected_total", "Records of the wrong form.", |terms| terms.rejected),
    ("internal_total", "Records that feed the process table only.", |terms| terms.internal),
    ("filtered_total", "Events that the policy left out in the daemon.", |terms| terms.filtered),
    ("shed_total", "Records left unread for the sake of sensor.cpu_limit.", |terms| terms.shed),
    ("published_total", "Events given a number.", |terms| terms.published),
    ("own_total", "Of the published events, those that no record stands behind.", |terms| terms.own),
    ("fold_events_total", "Events that tell how often others were repeated.", |terms| terms.totals),
    ("lost_total", "Records that a run which was killed had taken and not dealt with.", |terms| terms.lost),
];

/// The page.
pub fn page(facts: &Facts) -> String {
    let mut text = Text::default();
    about_itself(&mut text, facts);
    what_became_of_acts(&mut text, &facts.heartbeat);
    lanes(&mut text, &facts.lanes);
    pipeline(&mut text, &facts.pipeline);
    subscribers(&mut text, &facts.heartbeat);
    if let Some(spool) = &facts.heartbeat.spool {
        spool_lanes(&mut text, spool);
        spool_consumers(&mut text, spool);
    }
    if let Some(counted) = &facts.peers {
        peers(&mut text, counted);
    }
    text.finish()
}

fn about_itself(text: &mut Text, facts: &Facts) {
    let (status, heartbeat) = (&facts.status, &facts.heartbeat);
    let build = [
        ("version", status.version.as_str()),
        ("kernel", &status.kernel),
        ("plan", &status.plan),
        ("object_sha256", &status.object_sha256),
    ];
    text.family("build_info", Gauge, "The programs, and how they are attached.", [(build, 1)]);
    let policy = [("version", status.policy_version.as_str())];
    text.family("policy_info", Gauge, "The policy in force.", [(policy, 1)]);
    let refused = u8::from(!status.policy_error.is_empty());
    text.one(
        "policy_refused",
        Gauge,
        "Whether the configuration file cannot be used as it is.",
        Some(refused),
    );
    // Several hooks of one act may be at one place.
    let mut hooks: BTreeMap<_, u8> = BTreeMap::new();
    for hook in &status.hooks {
        let labels = [("hook", hook.name.as_str()), ("place", &hook.attached_to)];
        let live = hooks.entry(labels).or_insert(1);
        *live = (*live).min(hook.live.into());
    }
    text.family("hook_live", Gauge, "Whether a hook is attached.", hooks);
    let started = seconds(facts.started);
    text.one("start_time_seconds", Gauge, "When the sensor started, since 1970.", Some(started));
    text.one("epoch", Gauge, "The number of the sensor's start.", Some(facts.epoch));
    let interval = heartbeat.interval_seconds;
    text.one("heartbeat_interval_seconds", Gauge, "How often heartbeats come.", Some(interval));
    let since = facts.since_last.as_secs_f64();
    text.one("heartbeat_age_seconds", Gauge, "How long ago the last heartbeat was.", Some(since));
    let used = Duration::from_nanos(heartbeat.cpu_ns).as_secs_f64();
    text.one("cpu_seconds_total", Counter, "Processor time of the daemon.", Some(used));
    text.one("resident_memory_bytes", Gauge, "Memory of the daemon.", heartbeat.rss_bytes);
    text.one("processes", Gauge, "Processes in the table.", Some(facts.pipeline.processes));
}

fn what_became_of_acts(text: &mut Text, heartbeat: &Heartbeat) {
    for (name, help, term) in TERMS {
        let samples = heartbeat.types.iter().map(|terms| ([("type", type_name(terms))], term(terms)));
        text.family(name, Counter, help, samples);
    }
    text.one("in_flight_records", Gauge, "Records that wait for their turn.", Some(heartbeat.in_flight));
    let error = Some(heartbeat.conservation_error());
    text.one("conservation_error", Gauge, "Acts that nobody has counted yet, 0 at a quiet moment.", error);
    let help = "At most so many acts not seen because another task was in the same hook.";
    text.one("skipped_total", Counter, help, heartbeat.skipped);
}

fn lanes(text: &mut Text, lanes: &[LaneStatus]) {
    let by_lane = |get: fn(&LaneStatus) -> u64| {
        let name = |lane: &LaneStatus| Lane::try_from(lane.lane).map_or("", Lane::short_name);
        lanes.iter().map(move |lane| ([("lane", name(lane))], get(lane)))
    };
    let events = by_lane(|lane| lane.last_sequence);
    text.family("lane_events_total", Counter, "Numbers given out.", events);
    let ring = by_lane(|lane| lane.ring_bytes);
    text.family("ring_size_bytes", Gauge, "Size of the ring buffer.", ring);
}

fn spool_lanes(text: &mut Text, spool: &SpoolStatus) {
    let by_lane = |get: fn(&SpoolLane) -> u64| {
        spool.lanes.iter().map(move |lane| ([("lane", lane.lane().short_name())], get(lane)))
    };
    let bytes = by_lane(|lane| lane.bytes);
    text.family("spool_bytes", Gauge, "What the spool holds.", bytes);
    let limit = by_lane(|lane| lane.limit_bytes);
    text.family("spool_limit_bytes", Gauge, "Room of the spool.", limit);
    let waiting = by_lane(|lane| lane.waiting);
    text.family("spool_waiting_events", Gauge, "Events that wait for the disk.", waiting);
    let written = by_lane(|lane| lane.written);
    text.family("spool_written_total", Counter, "Events written to the spool.", written);
    let missed = by_lane(|lane| lane.missed);
    text.family("spool_missed_total", Counter, "Events that the disk did not take.", missed);
    let removed = by_lane(|lane| lane.removed);
    text.family("spool_removed_total", Counter, "Events removed for want of room, or of age.", removed);
    let failing = u8::from(!spool.error.is_empty());
    text.one("spool_failing", Gauge, "Whether the disk takes nothing.", Some(failing));
}

fn spool_consumers(text: &mut Text, spool: &SpoolStatus) {
    let by_consumer = |get: fn(&ConsumerStatus) -> u64| {
        spool.consumers.iter().map(move |consumer| ([("consumer", consumer.name.as_str())], get(consumer)))
    };
    let connected = by_consumer(|consumer| consumer.connected.into());
    text.family("consumer_connected", Gauge, "Whether a consumer of the spool is connected.", connected);
    let sent = by_consumer(|consumer| consumer.sent);
    text.family("consumer_sent_total", Counter, "Events sent from the spool.", sent);
    let missed = by_consumer(|consumer| consumer.missed);
    text.family("consumer_missed_total", Counter, "Events told to a consumer as missing.", missed);
    let behind = spool.consumers.iter().flat_map(|consumer| {
        let positions = consumer.acknowledged.iter().flat_map(|cursor| &cursor.positions);
        positions.filter_map(move |position| {
            let lane = spool.lanes.iter().find(|lane| lane.lane == position.lane)?;
            let last = lane.last.filter(|last| last.epoch == position.epoch)?;
            let labels = [("consumer", consumer.name.as_str()), ("lane", lane.lane().short_name())];
            Some((labels, last.sequence.saturating_sub(position.sequence)))
        })
    });
    let help = "Events of this run that a consumer has not acknowledged; absent where it is behind the run.";
    text.family("consumer_unacknowledged_events", Gauge, help, behind);
}

fn pipeline(text: &mut Text, pipeline: &PipelineCounters) {
    fn by_reason(counts: &[PolicyCount]) -> impl Iterator<Item = ([(&'static str, &str); 1], u64)> {
        counts.iter().map(|counted| ([("reason", counted.reason.as_str())], counted.count))
    }
    let help = "Events the policy left out, by reason, since it was put in force.";
    text.family("policy_filtered_total", Counter, help, by_reason(&pipeline.filtered_by));
    let help = "Published events that name nobody, by reason.";
    text.family("unattributed_total", Counter, help, by_reason(&pipeline.unattributed));
    text.one("redacted_total", Counter, "Arguments replaced by a token.", Some(pipeline.redacted));
}

fn subscribers(text: &mut Text, heartbeat: &Heartbeat) {
    let consumers = &heartbeat.consumers;
    text.one("subscribers", Gauge, "Who takes events now.", Some(consumers.len()));
    // One peer may subscribe several times.
    let mut by_peer: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for consumer in consumers {
        let (sent, missed) = by_peer.entry(&consumer.peer).or_default();
        *sent = sent.saturating_add(consumer.sent);
        *missed = missed.saturating_add(consumer.missed);
    }
    let peers = || by_peer.iter();
    let sent = peers().map(|(peer, (sent, _))| ([("peer", *peer)], sent));
    text.family("subscriber_sent_total", Counter, "Events sent to a subscriber.", sent);
    let missed = peers().map(|(peer, (_, missed))| ([("peer", *peer)], missed));
    let help = "Events that a subscriber missed because it was too slow.";
    text.family("subscriber_missed_total", Counter, help, missed);
}

fn peers(text: &mut Text, peers: &PeerCounters) {
    text.one("peers_accepted_total", Counter, "Connections that were let in over TCP.", Some(peers.accepted));
    let help = "Of these, those that the sensor ended.";
    text.one("peers_retired_total", Counter, help, Some(peers.retired));
    let refused = peers.refused.iter().map(|refused| ([("reason", refused.reason.as_str())], refused.count));
    text.family("peers_refused_total", Counter, "Peers and calls that were refused, by reason.", refused);
}

/// The type of the events that acts become; those that become none are `other`.
fn type_name(terms: &TypeTerms) -> &'static str {
    match EventType::try_from(terms.r#type).map_or("", EventType::short_name) {
        "" => "other",
        name => name,
    }
}

fn seconds(time: Timestamp) -> f64 {
    let nanoseconds = u32::try_from(time.nanos).unwrap_or_default();
    let since = Duration::new(u64::try_from(time.seconds).unwrap_or_default(), nanoseconds);
    since.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use activity_proto::v1::{Consumer, Hook, RefusalCount};

    use super::*;

    fn facts() -> Facts {
        let terms = |event_type: EventType, hits| TypeTerms {
            r#type: event_type.into(),
            hits,
            recorded: hits,
            published: hits,
            ..TypeTerms::default()
        };
        let consumer = |sent| Consumer { peer: "pid 7 uid 0".into(), sent, missed: 1 };
        Facts {
            heartbeat: Heartbeat {
                interval_seconds: 5,
                types: vec![terms(EventType::Unspecified, 2), terms(EventType::Open, 7)],
                cpu_ns: 1_500_000_000,
                rss_bytes: Some(4096),
                consumers: vec![consumer(3), consumer(4)],
                ..Heartbeat::default()
            },
            status: Status {
                version: "0.1.0".into(),
                hooks: vec![Hook {
                    name: "open".into(),
                    attached_to: "do_filp_open".into(),
                    live: true,
                    ..Hook::default()
                }],
                ..Status::default()
            },
            lanes: vec![LaneStatus { lane: Lane::File.into(), last_sequence: 9, ..LaneStatus::default() }],
            pipeline: PipelineCounters {
                filtered_by: vec![PolicyCount { reason: "noise".into(), count: 5 }],
                ..PipelineCounters::default()
            },
            peers: Some(PeerCounters {
                accepted: 2,
                refused: vec![RefusalCount { reason: "expired".into(), count: 6 }],
                ..PeerCounters::default()
            }),
            started: Timestamp { seconds: 1_767_225_600, nanos: 500_000_000 },
            epoch: 3,
            since_last: Duration::from_millis(250),
        }
    }

    #[test]
    fn every_term_is_there_by_type() {
        let page = page(&facts());
        for line in [
            "activity_sensor_hook_hits_total{type=\"open\"} 7",
            "activity_sensor_published_total{type=\"other\"} 2",
            "activity_sensor_shed_total{type=\"open\"} 0",
            "activity_sensor_conservation_error 0",
            "activity_sensor_cpu_seconds_total 1.5",
            "activity_sensor_resident_memory_bytes 4096",
            "activity_sensor_lane_events_total{lane=\"file\"} 9",
            "activity_sensor_hook_live{hook=\"open\",place=\"do_filp_open\"} 1",
            "activity_sensor_policy_filtered_total{reason=\"noise\"} 5",
            "activity_sensor_subscriber_sent_total{peer=\"pid 7 uid 0\"} 7",
            "activity_sensor_start_time_seconds 1767225600.5",
            "activity_sensor_heartbeat_age_seconds 0.25",
            "activity_sensor_peers_accepted_total 2",
            "activity_sensor_peers_retired_total 0",
            "activity_sensor_peers_refused_total{reason=\"expired\"} 6",
        ] {
            assert!(page.lines().any(|there| there == line), "{line} is not in\n{page}");
        }
        assert!(!page.contains("skipped"), "what the kernel does not count is not 0");
    }

    #[test]
    fn no_series_is_there_twice() {
        let page = page(&facts());
        let mut series = BTreeSet::new();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            assert!(series.insert(line.rsplit_once(' ').unwrap().0), "{line}");
        }
    }
}
