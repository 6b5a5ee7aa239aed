//! Every payload and odd bytes as rows.

use activity_proto::v1::{
    Accept, BpfLoad, Chmod, Connect, Credentials, Event, EventId, EventType, Exec, Exit, Gap, Heartbeat,
    Login, Mount, MountOperation, Open, Outcome, Process, Ptrace, PtraceOperation, Rename, Silence,
    SilenceReason, Truncation, TypeCount, event::Payload,
};
use bytes::Bytes;
use datafusion::arrow::json::writer::{LineDelimited, WriterBuilder};
use prost::Message as _;
use serde_json::{Value, json};

use super::*;

fn with(payload: Payload) -> Event {
    Event { payload: Some(payload), ..Event::default() }
}

fn open() -> Event {
    Event {
        time: Some(prost_types::Timestamp { seconds: 1, nanos: 5 }),
        process: Some(Process {
            pid: 7,
            comm: Bytes::from_static(b"a\x1b[31m"),
            argv: vec![Bytes::from_static(b"ls"), Bytes::new(), Bytes::from_static(b"\xff\\")],
            ..Process::default()
        }),
        credentials: Some(Credentials { euid: 1000, ..Credentials::default() }),
        login: Some(Login { auid: Some(0), ..Login::default() }),
        outcome: Some(Outcome { success: false, errno: Some(13) }),
        truncated: vec![Truncation { field: "argv".into(), full_length: None }],
        ..with(Payload::Open(Open {
            path: Bytes::from_static("/tmp/ä\n".as_bytes()),
            path_source: PathSource::User.into(),
            access: vec![Access::Read.into(), Access::Create.into(), 99],
            ..Open::default()
        }))
    }
}

fn gap() -> Event {
    let counts = vec![TypeCount { r#type: EventType::Open.into(), count: 4 }];
    let reason = GapReason::SlowSubscriber.into();
    let lane = Lane::File.into();
    with(Payload::Gap(Gap { lane, from_sequence: 3, to_sequence: 6, reason, counts, epoch: None }))
}

/// Events of every payload, with odd bytes, and one that cannot be decoded.
pub fn every_kind() -> Vec<Bytes> {
    let events = [
        open(),
        gap(),
        with(Payload::Exec(Exec { filename: "/bin/x".into(), ..Exec::default() })),
        with(Payload::Exit(Exit { code: Some(0), ..Exit::default() })),
        with(Payload::Connect(Connect {
            family: Family::Inet6.into(),
            address: "::1".into(),
            port: Some(0),
            ..Connect::default()
        })),
        with(Payload::Status(Default::default())),
        with(Payload::Rename(Default::default())),
        with(Payload::CredentialChange(Default::default())),
        with(Payload::Tamper(Default::default())),
        with(Payload::Heartbeat(Default::default())),
        with(Payload::Silence(Default::default())),
        Event::default(),
    ];
    let mut encoded: Vec<Bytes> = events.iter().map(|event| event.encode_to_vec().into()).collect();
    encoded.push(Bytes::from_static(b"\xff\xff"));
    // A payload of a newer sensor, in field 99.
    encoded.push(Bytes::from_static(b"\x12\x01h\x9a\x06\x01x"));
    encoded
}

/// A row as JSON, without what is NULL.
fn row(event: impl Into<Bytes>) -> Value {
    let batch = batch(&[Row::new(event.into())], None).unwrap();
    let mut out = Vec::new();
    let mut writer = WriterBuilder::new().build::<_, LineDelimited>(&mut out);
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let mut row: Value = serde_json::from_slice(&out).unwrap();
    row.as_object_mut().unwrap().remove("event");
    row
}

#[test]
fn what_is_set_is_there_and_what_a_user_named_is_escaped() {
    let expected = json!({
        "time": "1970-01-01T00:00:01.000000005Z", "type": "open",
        "comm": "a\\x1b[31m", "argv": ["ls", "", "\\xff\\\\"], "pid": 7,
        "path": "/tmp/ä\\x0a", "path_source": "user", "access": ["read", "create", "99"], "flags": 0,
        "success": false, "error": "EACCES", "errno": 13, "truncated": ["argv"],
        "uid": 0, "euid": 1000, "gid": 0, "egid": 0, "auid": 0,
    });
    assert_eq!(row(open().encode_to_vec()), expected);
}

#[test]
fn what_is_unset_is_null() {
    assert_eq!(row(Event::default().encode_to_vec()), json!({}));
    let exit = with(Payload::Exit(Exit { code: Some(0), ..Exit::default() }));
    assert_eq!(row(exit.encode_to_vec()), json!({"type": "exit", "exit_code": 0, "duration_ns": 0}));
}

#[test]
fn a_gap_says_where_why_and_how_many() {
    let expected = json!({
        "type": "gap", "lane": "file", "gap_reason": "slow_subscriber",
        "gap_from": 3, "gap_to": 6, "gap_counts": "{\"open\":4}", "gap_missing": 4,
    });
    let mut event = gap();
    event.id = Some(EventId { lane: Lane::File.into(), ..EventId::default() });
    let mut row = row(event.encode_to_vec());
    row.as_object_mut().unwrap().remove("epoch");
    assert_eq!(row, expected);
}

#[test]
fn a_silence_and_a_heartbeat_are_asked_for_by_columns_of_their_own() {
    let silence = Silence {
        address: "unix:/a".into(),
        reason: SilenceReason::NoHeartbeat.into(),
        since: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
        ..Silence::default()
    };
    let expected = json!({
        "type": "silence", "address": "unix:/a", "silence_reason": "no_heartbeat",
        "silence_since": "1970-01-01T00:00:01Z",
    });
    assert_eq!(row(with(Payload::Silence(silence)).encode_to_vec()), expected);
    let heartbeat = Heartbeat { in_flight: 2, ..Heartbeat::default() };
    let expected = json!({"type": "heartbeat", "conservation_error": -2});
    assert_eq!(row(with(Payload::Heartbeat(heartbeat)).encode_to_vec()), expected);
}

#[test]
fn what_a_newer_sensor_sent_is_kept_as_it_came() {
    for event in every_kind() {
        let batch = batch(&[Row::new(event.clone())], None).unwrap();
        let raw = batch.column_by_name("event").unwrap();
        assert_eq!(raw.as_any().downcast_ref::<BinaryArray>().unwrap().value(0), event);
    }
    assert_eq!(row(Bytes::from_static(b"\x12\x01h\x9a\x06\x01x")), json!({"host": "h"}));
}

#[test]
fn a_projection_has_the_columns_asked_for_in_their_order() {
    let rows = [Row::new(Bytes::new())];
    let batch = batch(&rows, Some(&[3, TIME])).unwrap();
    assert_eq!(batch.schema().field(0).name(), COLUMNS[3].0);
    assert_eq!(batch.schema().field(1).name(), "time");
    // `count(*)` asks for no column, and rows all the same.
    assert_eq!(super::batch(&rows, Some(&[])).unwrap().num_rows(), 1);
}

#[test]
fn acts_on_names_sockets_and_processes_fill_their_columns() {
    let shown = |payload| row(with(payload).encode_to_vec());
    let rename = Rename { path: "/a".into(), new_path: "/b".into(), inode: Some(7), ..Rename::default() };
    let expected = json!({"type": "rename", "path": "/a", "new_path": "/b", "inode": 7});
    assert_eq!(shown(Payload::Rename(rename)), expected);
    let chmod = Chmod { path: "/a".into(), mode: 0o4755, ..Chmod::default() };
    assert_eq!(shown(Payload::Chmod(chmod)), json!({"type": "chmod", "path": "/a", "mode": 0o4755}));
    let accept = Accept {
        family: Family::Inet.into(),
        protocol: Protocol::Tcp.into(),
        address: "192.0.2.7".into(),
        port: Some(50_000),
        local_address: "192.0.2.1".into(),
        local_port: Some(22),
        ..Accept::default()
    };
    let expected = json!({
        "type": "accept", "family": "inet", "protocol": "tcp", "address": "192.0.2.7", "port": 50_000,
        "local_address": "192.0.2.1", "local_port": 22,
    });
    assert_eq!(shown(Payload::Accept(accept)), expected);
    let mount = Mount { operation: MountOperation::Move.into(), path: "/a".into(), ..Mount::default() };
    assert_eq!(shown(Payload::Mount(mount)), json!({"type": "mount", "path": "/a", "operation": "move"}));
    let ptrace = Ptrace {
        operation: PtraceOperation::Attach.into(),
        target: Some(Process { pid: 9, exe: "/bin/sh".into(), ..Process::default() }),
        request: None,
    };
    let expected = json!({"type": "ptrace", "operation": "attach", "target_pid": 9, "target_exe": "/bin/sh"});
    assert_eq!(shown(Payload::Ptrace(ptrace)), expected);
    let load = BpfLoad { name: "spy".into(), ..BpfLoad::default() };
    assert_eq!(shown(Payload::BpfLoad(load)), json!({"type": "bpf_load", "object": "spy"}));
}
