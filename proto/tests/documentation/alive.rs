//! Whether a sensor is at work.

use activity_proto::v1::{
    Consumer, ConsumerStatus, Cursor, Event, EventId, EventType, Heartbeat, Lane, LanePosition, Position,
    Silence, SilenceReason, SpoolLane, SpoolStatus, TypeTerms, event::Payload,
};

use super::own;

fn lanes() -> Vec<LanePosition> {
    [(Lane::Process, 41), (Lane::File, 6)]
        .map(|(lane, last_sequence)| LanePosition { lane: lane.into(), last_sequence })
        .to_vec()
}

fn spool() -> SpoolStatus {
    let position = |sequence| Position { lane: Lane::File.into(), epoch: 3, sequence };
    SpoolStatus {
        lanes: vec![SpoolLane {
            lane: Lane::File.into(),
            bytes: 4096,
            limit_bytes: 402_653_184,
            first: Some(position(0)),
            last: Some(position(6)),
            written: 6,
            ..SpoolLane::default()
        }],
        consumers: vec![ConsumerStatus {
            name: "siem".into(),
            connected: true,
            acknowledged: Some(Cursor { positions: vec![position(4)] }),
            seen: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 0 }),
            sent: 6,
            missed: 0,
            peer: "192.0.2.7:40000".into(),
        }],
        error: String::new(),
    }
}

pub fn alive() -> Vec<Event> {
    let opens = TypeTerms {
        r#type: EventType::Open.into(),
        hits: 30,
        kernel_filtered: 20,
        folded: 3,
        recorded: 7,
        filtered: 2,
        published: 6,
        totals: 1,
        ..TypeTerms::default()
    };
    let status = TypeTerms { r#type: EventType::Status.into(), published: 1, own: 1, ..TypeTerms::default() };
    let heartbeat = Heartbeat {
        uptime_ns: 3_600_000_000_000,
        interval_seconds: 5,
        lanes: lanes(),
        types: vec![opens, status],
        skipped: Some(0),
        cpu_ns: 8_600_000_000,
        rss_bytes: Some(61_865_984),
        object_sha256: "00ff…".into(),
        policy_version: "3f0a1b2c4d5e".into(),
        consumers: vec![Consumer { peer: "pid 4242 uid 0".into(), sent: 46, missed: 0 }],
        spool: Some(spool()),
        ..Heartbeat::default()
    };
    assert_eq!(heartbeat.conservation_error(), 0, "an example of what is promised");
    let silence = Silence {
        address: "unix:/run/activity-sensor/sensor.sock".into(),
        reason: SilenceReason::NoHeartbeat.into(),
        since: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 0 }),
        ended: None,
        lanes: lanes(),
        interval_seconds: Some(5),
    };
    let id = EventId {
        sensor_id: "5d1c…".into(),
        boot_id: "b007…".into(),
        epoch: 3,
        lane: Lane::Process.into(),
        sequence: 0,
    };
    let told = Event { host: "web-1".into(), id: Some(id), ..own(Payload::Silence(silence)) };
    vec![own(Payload::Heartbeat(heartbeat)), told]
}
