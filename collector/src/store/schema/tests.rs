//! Every payload and odd bytes as rows.

use activity_proto::v1::{
    Accept, BpfLoad, Chmod, Chown, Connect, Credentials, Event, EventId, EventType, Exec, ExecMapping, Exit,
    FileReceive, Gap, Heartbeat, Link, Listen, Login, LoginFailed, Mount, MountOperation, Open, Outcome,
    Process, Ptrace, PtraceOperation, Rename, Session, Silence, SilenceReason, Truncation, TypeCount, Unlink,
    event::Payload,
};
use bytes::Bytes;
use datafusion::arrow::json::writer::{LineDelimited, WriterBuilder};
use proptest::prelude::*;
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
    row.as_object_mut().unwrap().retain(|column, _| column != "event" && column != "rest");
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

/// The events that are read from the rows of events, and whether each was kept whole.
fn kept(events: &[Bytes]) -> Vec<(Bytes, bool)> {
    let rows: Vec<Row> = events.iter().cloned().map(Row::new).collect();
    let batch = batch(&rows, None).unwrap();
    let whole = rows.iter().map(|row| row.whole().is_some());
    super::events(&batch).unwrap().into_iter().zip(whole).collect()
}

#[test]
fn what_a_newer_sensor_sent_is_kept_as_it_came() {
    let unknown = [
        &b"\x12\x01h\x9a\x06\x01x"[..],
        // In a process, and behind what all events of a sensor share.
        b"\x2a\x05\x08\x07\xfa\x3e\x00",
        b"\x0a\x03\x0a\x01s\x12\x01h\x0a\x02\x28\x07\xfa\x7f\x00",
        b"\xff\xff",
    ];
    for event in unknown.map(Bytes::from_static) {
        assert_eq!(kept(std::slice::from_ref(&event)), [(event, true)]);
    }
    assert_eq!(row(Bytes::from_static(b"\x12\x01h\x9a\x06\x01x")), json!({"host": "h"}));
}

#[test]
fn every_kind_of_event_is_put_together_again() {
    for event in every_kind() {
        let (read, is_whole) = kept(std::slice::from_ref(&event)).remove(0);
        assert_eq!(read, event);
        let is_known = Event::decode(event.clone()).is_ok_and(|known| known.encode_to_vec() == event);
        assert_eq!(is_whole, !is_known);
    }
}

#[test]
fn what_all_events_of_a_sensor_share_comes_before_each() {
    let id = EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch: 3, ..EventId::default() };
    let common = Event { host: "h".into(), id: Some(id), ..Event::default() }.encode_to_vec();
    let id = EventId { lane: Lane::File.into(), sequence: 9, ..EventId::default() };
    let own = Event { id: Some(id), redacted: vec!["a".into(), "a".into()], ..open() }.encode_to_vec();
    let sent = Bytes::from([common, own].concat());
    let (read, is_whole) = kept(std::slice::from_ref(&sent)).remove(0);
    assert!(!is_whole);
    assert_eq!(Event::decode(read).unwrap(), Event::decode(sent).unwrap());
}

/// Bytes as a text of a user may have, odd ones too.
fn odd() -> impl Strategy<Value = Bytes> {
    const PARTS: [&str; 9] = ["", "/home/a", "\\", "\\x41", "\n", "ä", "\u{1b}[0m", "-7", "x-"];
    let text =
        proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..4).prop_map(|it| it.concat());
    prop_oneof![
        text.prop_map(Bytes::from),
        proptest::collection::vec(any::<u8>(), 0..6).prop_map(Bytes::from)
    ]
}

fn word() -> impl Strategy<Value = String> {
    odd().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), any::<u64>()]
}

/// What a payload may be made of.
type Drawn = (Vec<Bytes>, Vec<String>, Vec<u64>);

fn payload(kind: usize, (bytes, words, numbers): &Drawn) -> Option<Payload> {
    let (path, new_path) = (bytes[0].clone(), bytes[1].clone());
    let inode = (numbers[0] % 3 > 0).then_some(numbers[1]);
    let port = (numbers[2] % 3 > 0).then_some(numbers[3] as u32);
    let (address, local_address) = (words[0].clone(), words[1].clone());
    Some(match kind {
        0 => Payload::Open(Open { path, inode, flags: numbers[0] as u32, ..Open::default() }),
        1 => Payload::Exec(Exec { filename: path, script: new_path, ..Exec::default() }),
        2 => Payload::Exit(Exit { code: port, duration_ns: numbers[1], ..Exit::default() }),
        3 => Payload::Connect(Connect { address, port, path, local_address, ..Connect::default() }),
        4 => Payload::Accept(Accept { address, port, path, local_address, ..Accept::default() }),
        5 => Payload::Listen(Listen { address, port, path, ..Listen::default() }),
        6 => Payload::Rename(Rename { path, new_path, inode, ..Rename::default() }),
        7 => Payload::Chmod(Chmod { path, inode, mode: numbers[2] as u32, ..Chmod::default() }),
        8 => Payload::Mount(Mount { path, source: new_path, ..Mount::default() }),
        9 => Payload::Gap(Gap { from_sequence: numbers[0], ..Gap::default() }),
        10 => Payload::Silence(Silence { address, ..Silence::default() }),
        11 => Payload::Link(Link { path, new_path, inode, ..Link::default() }),
        12 => Payload::Unlink(Unlink { path, inode, ..Unlink::default() }),
        13 => Payload::Chown(Chown { path, inode, ..Chown::default() }),
        14 => Payload::FileReceive(FileReceive { path, inode, ..FileReceive::default() }),
        15 => Payload::ExecMapping(ExecMapping { path, inode, ..ExecMapping::default() }),
        16 => Payload::LoginFailed(LoginFailed {
            remote_address: address,
            remote_port: port,
            ..LoginFailed::default()
        }),
        _ => return None,
    })
}

prop_compose! {
    fn any_event()(
        kind in 0..19_usize,
        drawn in (
            proptest::collection::vec(odd(), 8),
            proptest::collection::vec(word(), 10),
            proptest::collection::vec(number(), 12),
        ),
        has in proptest::collection::vec(any::<bool>(), 6),
        seconds in prop_oneof![Just(0), Just(-1), any::<i64>()],
        nanos in prop_oneof![0..1_000_000_000, any::<i32>()],
    ) -> Event {
        let (bytes, words, numbers) = &drawn;
        let process = Process {
            pid: numbers[4] as u32,
            ppid: numbers[5] as u32,
            uid: if has[0] { format!("{}-{}", words[2], numbers[6]) } else { words[2].clone() },
            parent_uid: words[3].clone(),
            start_boottime_ns: if has[1] { numbers[6] } else { numbers[7] },
            comm: bytes[2].clone(),
            exe: bytes[3].clone(),
            argv: bytes[4..4 + numbers[8] as usize % 4].to_vec(),
            cwd: bytes[7].clone(),
            ..Process::default()
        };
        let session = Session {
            id: words[4].clone(),
            remote_address: words[5].clone(),
            remote_port: has[2].then_some(numbers[9] as u32),
            ..Session::default()
        };
        let id = EventId { sensor_id: words[6].clone(), boot_id: words[7].clone(), sequence: numbers[10], ..EventId::default() };
        Event {
            id: has[3].then_some(id),
            host: words[8].clone(),
            time: has[4].then_some(prost_types::Timestamp { seconds, nanos }),
            boottime_ns: numbers[11],
            process: has[5].then_some(process),
            session: has[0].then_some(session),
            count: has[1].then_some(numbers[0]),
            payload: payload(kind, &drawn),
            ..Event::default()
        }
    }
}

proptest! {
    #[test]
    fn any_event_is_put_together_again_exactly(events in proptest::collection::vec(any_event(), 1..20)) {
        let events: Vec<Bytes> = events.iter().map(|event| event.encode_to_vec().into()).collect();
        let read: Vec<Bytes> = kept(&events).into_iter().map(|(event, _)| event).collect();
        prop_assert_eq!(read, events);
    }

    #[test]
    fn any_bytes_are_kept(bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        let (read, is_whole) = kept(std::slice::from_ref(&bytes)).remove(0);
        let decoded = |bytes: &Bytes| Event::decode(bytes.clone());
        prop_assert!(read == bytes || !is_whole && decoded(&read) == decoded(&bytes));
    }
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
