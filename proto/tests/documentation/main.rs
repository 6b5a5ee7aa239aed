//! The examples in docs/events.md are what the serializer writes.

#![expect(clippy::unwrap_used, reason = "a test")]

mod alive;
mod people;

use std::collections::BTreeSet;

use activity_proto::{
    json::to_json,
    v1::{
        Accept, Access, Attribution, BpfLoad, Chmod, Chown, Confidence, Connect, CredentialChange,
        Credentials, Device, Event, EventId, EventType, Exec, ExecMapping, Exit, Family, FileReceive, Gap,
        GapReason, Hook, HookCounters, Identity, Interpreter, Lane, Link, Listen, Login, LoginuidSet, Method,
        ModuleLoad, Mount, MountOperation, NotCovered, Open, Outcome, PathSource, Place, Process,
        ProcessSource, Protocol, Ptrace, PtraceOperation, Rename, Session, Socket, Status, Switch, Tamper,
        TamperObject, TypeCount, Unlink, event::Payload,
    },
};
use alive::alive;
use people::{people, session};
use serde_json::Value;

const DOCUMENT: &str = include_str!("../../../docs/events.md");

const KERNEL: i32 = PathSource::Kernel as i32;
const DEVICE: Option<Device> = Some(Device { major: 254, minor: 1 });

fn good(payload: Payload) -> Event {
    Event { outcome: Some(Outcome { success: true, errno: None }), ..own(payload) }
}

fn bad(payload: Payload, errno: u32) -> Event {
    Event { outcome: Some(Outcome { success: false, errno: Some(errno) }), ..own(payload) }
}

fn own(payload: Payload) -> Event {
    Event { payload: Some(payload), ..Event::default() }
}

/// An event with all that events have.
fn whole() -> Event {
    Event {
        host: "web-1".into(),
        id: Some(EventId {
            sensor_id: "5d1c…".into(),
            boot_id: "b007…".into(),
            epoch: 3,
            lane: Lane::File.into(),
            sequence: 42,
        }),
        time: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 1 }),
        boottime_ns: 12_345_678_901,
        process: Some(Process {
            pid: 4242,
            tid: 4242,
            uid: "b007-4242-12000000000".into(),
            parent_uid: "b007-4200-9000000000".into(),
            ppid: 4200,
            start_boottime_ns: 12_000_000_000,
            comm: "rm".into(),
            exe: "/usr/bin/rm".into(),
            exe_inode: Some(77),
            exe_device: DEVICE,
            argv: vec!["rm".into(), "notes".into()],
            cwd: "/home/alice".into(),
            source: ProcessSource::Kernel.into(),
            ..Process::default()
        }),
        credentials: Some(Credentials {
            uid: 1001,
            euid: 1001,
            gid: 1001,
            egid: 1001,
            user: "alice".into(),
            effective_user: "alice".into(),
            group: "alice".into(),
            effective_group: "alice".into(),
        }),
        login: Some(Login {
            auid: Some(1001),
            session_id: Some(7),
            tty: "pts0".into(),
            user: "alice".into(),
            first_auid: None,
            since_boottime_ns: Some(11_000_000_000),
            first_session_id: None,
        }),
        session: Some(Session {
            remote_address: "192.0.2.7".into(),
            remote_port: Some(50_000),
            auth_method: "publickey".into(),
            key_fingerprint: "SHA256:…".into(),
            tty: "pts0".into(),
            start: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 0 }),
            leader_uid: "b007-4100-8000000000".into(),
            ..session()
        }),
        attribution: Some(Attribution {
            uid: Some(1001),
            user: "alice".into(),
            method: Method::Kernel.into(),
            confidence: Confidence::High.into(),
            chain: vec!["alice".into(), "root".into()],
            switches: vec![Switch {
                from: "alice".into(),
                to: "root".into(),
                by: "sudo".into(),
                command: vec!["sudo".into(), "-i".into()],
                since: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 1 }),
            }],
            ..Attribution::default()
        }),
        place: Some(Place {
            cgroup_id: Some(4401),
            cgroup_path: "/user.slice".into(),
            mount_namespace: Some(4_026_531_841),
            ..Place::default()
        }),
        ..good(Payload::Unlink(Unlink {
            path: "/home/alice/notes".into(),
            path_source: KERNEL,
            device: DEVICE,
            inode: Some(131),
            directory: false,
        }))
    }
}

fn files() -> Vec<Event> {
    let inode = Some(131);
    vec![
        bad(
            Payload::Open(Open {
                path: "/etc/shadow".into(),
                path_source: PathSource::KernelCopy.into(),
                access: vec![Access::Read.into()],
                flags: 0o2_000_000,
                ..Open::default()
            }),
            13,
        ),
        good(Payload::FileReceive(FileReceive {
            path: "/etc/shadow".into(),
            path_source: KERNEL,
            device: DEVICE,
            inode: Some(12),
            access: vec![Access::Read.into()],
            mode: Some(0o100_640),
            ..FileReceive::default()
        })),
        good(Payload::ExecMapping(ExecMapping {
            path: "/tmp/x.so".into(),
            path_source: KERNEL,
            device: DEVICE,
            inode: Some(99),
            mode: Some(0o100_755),
            ..ExecMapping::default()
        })),
        good(Payload::Rename(Rename {
            path: "/home/alice/a".into(),
            new_path: "/home/alice/b".into(),
            path_source: KERNEL,
            device: DEVICE,
            inode,
            exchange: false,
        })),
        good(Payload::Link(Link {
            path: "../secret".into(),
            new_path: "/home/alice/here".into(),
            path_source: KERNEL,
            symbolic: true,
            ..Link::default()
        })),
        good(Payload::Unlink(Unlink {
            path: "/srv/old".into(),
            path_source: KERNEL,
            device: DEVICE,
            inode: Some(8),
            directory: true,
        })),
        good(Payload::Chmod(Chmod {
            path: "/home/alice/run".into(),
            path_source: KERNEL,
            device: DEVICE,
            inode,
            mode: 0o4755,
            old_mode: Some(0o644),
        })),
        good(Payload::Chown(Chown {
            path: "/home/alice/run".into(),
            path_source: KERNEL,
            device: DEVICE,
            inode,
            uid: None,
            gid: Some(27),
        })),
        good(Payload::Mount(Mount {
            operation: MountOperation::Mount.into(),
            path: "/mnt".into(),
            path_source: KERNEL,
            source: "/dev/sdb1".into(),
            filesystem: "ext4".into(),
            flags: 0,
        })),
    ]
}

fn processes_and_sockets() -> Vec<Event> {
    vec![
        good(Payload::Exec(Exec {
            filename: "./report".into(),
            argv_length: 28,
            script: "./report".into(),
            interpreters: vec![Interpreter {
                path: "/home/alice/report".into(),
                path_source: KERNEL,
                device: DEVICE,
                inode: Some(131),
            }],
            preload: vec!["LD_PRELOAD=/tmp/x.so".into()],
        })),
        own(Payload::Exit(Exit { code: Some(0), signal: None, duration_ns: 83_400_000 })),
        good(Payload::Connect(Connect {
            family: Family::Inet.into(),
            protocol: Protocol::Udp.into(),
            address: "192.0.2.53".into(),
            port: Some(53),
            address_source: KERNEL,
            local_address: "192.0.2.1".into(),
            local_port: Some(50_000),
            datagram: true,
            ..Connect::default()
        })),
        good(Payload::Listen(Listen {
            family: Family::Inet6.into(),
            protocol: Protocol::Tcp.into(),
            address: "::".into(),
            port: Some(8080),
            ..Listen::default()
        })),
        good(Payload::Accept(Accept {
            family: Family::Inet6.into(),
            protocol: Protocol::Tcp.into(),
            address: "2001:db8::7".into(),
            port: Some(50_000),
            local_address: "2001:db8::1".into(),
            local_port: Some(8080),
            ..Accept::default()
        })),
        good(Payload::Socket(Socket {
            family: Family::Packet.into(),
            protocol: Protocol::Packet.into(),
            protocol_number: 3,
        })),
    ]
}

fn powers() -> Vec<Event> {
    let alice = Identity {
        uid: 1001,
        euid: 1001,
        suid: 1001,
        fsuid: 1001,
        gid: 1001,
        egid: 1001,
        sgid: 1001,
        fsgid: 1001,
        effective_capabilities: 0,
    };
    let as_root = Identity { euid: 0, suid: 0, fsuid: 0, effective_capabilities: 0x1ff_ffff_ffff, ..alice };
    vec![
        good(Payload::CredentialChange(CredentialChange { old: Some(alice), new: Some(as_root) })),
        good(Payload::LoginuidSet(LoginuidSet {
            new_auid: Some(1001),
            new_session_id: Some(7),
            by_login_program: true,
            ..LoginuidSet::default()
        })),
        bad(
            Payload::Ptrace(Ptrace {
                operation: PtraceOperation::Attach.into(),
                target: Some(Process {
                    pid: 900,
                    uid: "b007-900-5000000000".into(),
                    start_boottime_ns: 5_000_000_000,
                    comm: "sshd".into(),
                    exe: "/usr/sbin/sshd".into(),
                    argv: vec!["sshd".into(), "-D".into()],
                    cwd: "/".into(),
                    source: ProcessSource::Proc.into(),
                    ..Process::default()
                }),
                request: None,
            }),
            1,
        ),
        good(Payload::BpfLoad(BpfLoad { name: "spy".into(), program_type: 2, program_id: Some(77) })),
        good(Payload::ModuleLoad(ModuleLoad { name: "dummy".into() })),
        good(Payload::Tamper(Tamper {
            command: "BPF_MAP_UPDATE_ELEM".into(),
            object: TamperObject::Map.into(),
            object_id: 12,
            name: "SETTINGS".into(),
        })),
    ]
}

fn of_the_sensor() -> Vec<Event> {
    let counters = HookCounters { hits: 10, filtered: 4, recorded: 6, ..HookCounters::default() };
    vec![
        own(Payload::Gap(Gap {
            lane: Lane::File.into(),
            from_sequence: 43,
            to_sequence: 42,
            reason: GapReason::RingFull.into(),
            counts: vec![TypeCount { r#type: EventType::Open.into(), count: 123 }],
            epoch: None,
        })),
        own(Payload::Status(Status {
            plan: "trampoline".into(),
            hooks: vec![
                Hook {
                    name: "open".into(),
                    attached_to: "do_filp_open".into(),
                    live: true,
                    counters: Some(counters),
                    how: "fexit".into(),
                    ..Hook::default()
                },
                Hook {
                    name: "mount".into(),
                    attached_to: "path_mount".into(),
                    reason: "switched off in the configuration".into(),
                    how: "fexit".into(),
                    ..Hook::default()
                },
            ],
            not_covered: vec![NotCovered { what: "files opened through io_uring".into(), count: Some(3) }],
            version: "0.1.0".into(),
            kernel: "6.12.48".into(),
            object_sha256: "00ff…".into(),
            records_all: false,
            policy_version: "3f0a1b2c4d5e".into(),
            policy_since: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 0 }),
            policy_error: String::new(),
        })),
    ]
}

/// Every example in the document.
fn documented() -> Vec<Value> {
    let blocks = DOCUMENT.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| serde_json::from_str(block).unwrap()).collect()
}

#[test]
fn every_example_is_what_the_serializer_writes() {
    let written: Vec<Value> =
        [vec![whole()], files(), processes_and_sockets(), powers(), people(), of_the_sensor(), alive()]
            .concat()
            .iter()
            .map(to_json)
            .collect();
    let documented = documented();
    for example in &documented {
        assert!(written.contains(example), "the serializer does not write {example}");
    }
    for event in &written {
        assert!(documented.contains(event), "docs/events.md does not have {event}");
    }
}

#[test]
fn every_type_has_a_section_with_an_example() {
    let types: BTreeSet<String> =
        documented().iter().map(|example| example["type"].as_str().unwrap().to_owned()).collect();
    for name in EventType::SHORT_NAMES {
        assert!(DOCUMENT.contains(&format!("### `{name}`\n")), "{name} has no section");
        assert!(types.contains(*name), "{name} has no example");
    }
}
