//! Golden files: what scripts and collectors get to read.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::v1::{
    Access, Actor, ActorLink, Attribution, Confidence, Connect, Credentials, Device, EventId, EventType,
    Exec, Exit, Family, Gap, GapReason, Hook, HookCounters, Interpreter, Lane, Login, Method, NotCovered,
    Open, Outcome, PathSource, Place, Process, ProcessSource, Protocol, Reason, Session, Status, Switch,
    Truncation, TypeCount, event::Payload,
};

const NASTY: &[u8] = b"a b\n\x1b[31m\\\xff\xe2\x80\xae\xe6\x97\xa5";

fn id(lane: Lane, sequence: u64) -> Option<EventId> {
    let (sensor_id, boot_id) = ("5d1c".into(), "b007".into());
    Some(EventId { sensor_id, boot_id, epoch: 3, lane: lane.into(), sequence })
}

/// An event with every group of the envelope set.
fn event(payload: Payload) -> Event {
    Event {
        id: id(Lane::Process, 42),
        host: "web-1".into(),
        time: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 1 }),
        boottime_ns: 12_345_678_901,
        process: Some(process()),
        credentials: Some(Credentials {
            uid: 1001,
            euid: 0,
            gid: 1001,
            egid: 1001,
            user: "alice".into(),
            effective_user: "root".into(),
            group: "alice".into(),
            effective_group: "alice".into(),
        }),
        login: Some(Login {
            auid: Some(1001),
            session_id: Some(7),
            tty: Bytes::from_static(b"pts0"),
            user: "alice".into(),
            first_auid: Some(1000),
            since_boottime_ns: Some(9_007_199_254_740_993),
            first_session_id: Some(6),
        }),
        session: Some(Session {
            id: "s-1".into(),
            kind: "ssh".into(),
            user: "alice".into(),
            remote_address: "127.0.0.2".into(),
            remote_port: Some(50_000),
            auth_method: "publickey".into(),
            key_fingerprint: "SHA256:abc".into(),
            uid: Some(1000),
            tty: Bytes::from_static(b"pts0"),
            start: Some(prost_types::Timestamp { seconds: 1, nanos: 5 }),
            leader_uid: "b007-4100-7".into(),
            origin_id: "s-0".into(),
            logind_id: "c2".into(),
        }),
        attribution: Some(Attribution {
            uid: Some(1001),
            user: "alice".into(),
            method: Method::Inferred.into(),
            confidence: Confidence::Low.into(),
            chain: vec!["alice".into(), "root".into()],
            switches: vec![Switch {
                from: "alice".into(),
                to: "root".into(),
                by: "su".into(),
                command: vec![Bytes::from_static(b"su\x1b")],
                since: Some(prost_types::Timestamp { seconds: 1, nanos: 6 }),
            }],
            detached: true,
            others: vec![Actor {
                uid: 1002,
                user: "bob".into(),
                session_id: "s-2".into(),
                link: ActorLink::Owner.into(),
            }],
            reason: Reason::Detached.into(),
        }),
        place: Some(Place {
            cgroup_id: Some(u64::MAX),
            cgroup_path: Bytes::from_static(b"/user.slice"),
            container_id: "c0ffee".into(),
            container_runtime: "podman".into(),
            mount_namespace: Some(4_026_531_841),
        }),
        outcome: Some(Outcome { success: true, errno: None }),
        payload: Some(payload),
        ..Event::default()
    }
}

fn process() -> Process {
    Process {
        pid: 4242,
        tid: 4243,
        uid: "b007-4242-9".into(),
        parent_uid: "b007-4200-8".into(),
        ppid: 4200,
        start_boottime_ns: 9_007_199_254_740_993,
        comm: Bytes::from_static(NASTY),
        exe: Bytes::from_static(b"/usr/bin/true"),
        exe_inode: Some(77),
        exe_device: Some(Device { major: 254, minor: 1 }),
        argv: vec![Bytes::from_static(b"true"), Bytes::new(), Bytes::from_static(NASTY)],
        cwd: Bytes::from_static(b"/root"),
        source: ProcessSource::Kernel.into(),
        memfd: true,
        deleted: true,
    }
}

/// The one line, checked to be one and to mean the same as the value, laid
/// out for the reader of the golden file.
fn shown(event: &Event) -> String {
    let mut line = Vec::new();
    write_json(event, &mut line).unwrap();
    assert!(line.starts_with(br#"{"type":"#));
    assert!(!line.iter().any(u8::is_ascii_control));
    let value: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(value, to_json(event));
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn an_exec_has_every_key_of_the_interface() {
    let mut event = event(Payload::Exec(Exec {
        filename: Bytes::from_static(b"./true"),
        argv_length: 131_072,
        script: Bytes::from_static(b"/usr/local/bin/script"),
        interpreters: vec![Interpreter {
            path: Bytes::from_static(b"/usr/local/bin/script"),
            path_source: PathSource::Kernel.into(),
            device: Some(Device { major: 254, minor: 1 }),
            inode: Some(5),
        }],
        preload: vec![Bytes::from_static(b"LD_PRELOAD=/tmp/x.so")],
    }));
    event.tenant = Some("acme".into());
    event.redacted = vec!["password".into()];
    event.truncated = vec![
        Truncation { field: "argv".into(), full_length: Some(131_072) },
        Truncation { field: "cwd".into(), full_length: None },
    ];
    insta::assert_snapshot!(shown(&event));
}

#[test]
fn an_exit_has_code_or_signal() {
    let mut killed = event(Payload::Exit(Exit { code: None, signal: Some(9), duration_ns: 1_500_000_000 }));
    killed.outcome = None;
    insta::assert_snapshot!(shown(&killed));
    let ended = event(Payload::Exit(Exit { code: Some(0), signal: None, duration_ns: 1 }));
    assert_eq!(to_json(&ended)["exit"], json!({"code": 0, "durationNs": "1"}));
}

#[test]
fn a_refused_open_names_the_error_and_the_repeats() {
    let mut event = event(Payload::Open(Open {
        path: Bytes::from_static(NASTY),
        path_source: PathSource::Kernel.into(),
        device: Some(Device { major: 0, minor: 27 }),
        inode: Some(u64::MAX),
        access: vec![Access::Read.into(), Access::Write.into(), Access::Truncate.into(), 99],
        flags: 0o1002,
        mode: Some(0o100_640),
        unreachable: true,
        deleted: true,
        io_uring: true,
    }));
    event.id = id(Lane::File, 1);
    event.outcome = Some(Outcome { success: false, errno: Some(13) });
    event.count = Some(3);
    insta::assert_snapshot!(shown(&event));
}

#[test]
fn a_connect_in_progress_is_a_success_with_an_error_number() {
    let mut event = event(Payload::Connect(Connect {
        family: Family::Inet6.into(),
        protocol: Protocol::Tcp.into(),
        address: "::1".into(),
        port: Some(443),
        path: Bytes::new(),
        address_source: PathSource::Kernel.into(),
        local_address: "::1".into(),
        local_port: Some(50_000),
        peer_pid: None,
        datagram: true,
        fast_open: true,
        io_uring: true,
    }));
    event.outcome = Some(Outcome { success: true, errno: Some(115) });
    insta::assert_snapshot!(shown(&event));
}

#[test]
fn an_abstract_socket_begins_with_an_escaped_zero() {
    let event = event(Payload::Connect(Connect {
        family: Family::Unix.into(),
        protocol: Protocol::Stream.into(),
        path: Bytes::from_static(b"\0/tmp/.X11-unix/X0"),
        ..Connect::default()
    }));
    let expected = json!({"family": "unix", "protocol": "stream", "path": r"\x00/tmp/.X11-unix/X0"});
    assert_eq!(to_json(&event)["connect"], expected);
}

#[test]
fn a_gap_counts_by_type() {
    let event = Event {
        id: id(Lane::File, 9),
        payload: Some(Payload::Gap(Gap {
            lane: Lane::File.into(),
            from_sequence: 10,
            to_sequence: 132,
            reason: GapReason::RingFull.into(),
            counts: vec![
                TypeCount { r#type: EventType::Open.into(), count: 123 },
                TypeCount { r#type: 99, count: 1 },
            ],
            epoch: Some(3),
        })),
        ..Event::default()
    };
    insta::assert_snapshot!(shown(&event));
}

#[test]
fn a_status_lists_hooks_and_what_is_not_covered() {
    let counters = HookCounters {
        hits: 12,
        filtered: 1,
        recorded: 6,
        ring_full: 1,
        unreadable: 1,
        not_covered: 1,
        folded: 2,
    };
    let hook = |name: &str, reason: &str| Hook {
        name: name.into(),
        attached_to: format!("sched:sched_process_{name}"),
        live: reason.is_empty(),
        reason: reason.into(),
        counters: reason.is_empty().then_some(counters),
        how: "tracepoint".into(),
    };
    let event = Event {
        payload: Some(Payload::Status(Status {
            plan: "tracepoint".into(),
            hooks: vec![hook("exec", ""), hook("fork", "no such tracepoint")],
            not_covered: vec![
                NotCovered { what: "io_uring".into(), count: Some(0) },
                NotCovered { what: "open_by_handle_at".into(), count: None },
            ],
            version: "0.1.0".into(),
            kernel: "6.12.0".into(),
            object_sha256: "00ff".into(),
            records_all: false,
            policy_version: "3f0a1b2c4d5e".into(),
            policy_since: Some(prost_types::Timestamp { seconds: 0, nanos: 5 }),
            policy_error: "config.toml:2: it is wrong".into(),
        })),
        sampled: Some(100),
        ..Event::default()
    };
    insta::assert_snapshot!(shown(&event));
}

#[test]
fn what_is_not_set_is_absent() {
    assert_eq!(to_json(&Event::default()), json!({"type": "unknown"}));
    let event = Event {
        time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
        login: Some(Login { auid: Some(0), ..Login::default() }),
        process: Some(Process { pid: 1, ..Process::default() }),
        ..Event::default()
    };
    assert_eq!(to_json(&event), json!({"type": "unknown", "process": {"pid": 1}, "login": {"auid": 0}}));
}
