//! An event of every type.

use activity_proto::v1::*;
use bytes::Bytes;
use event::Payload;
use prost_types::Timestamp;

/// What a user can name at worst.
pub const NASTY: &[u8] = b"/tmp/a b\n\x1b[31m\\\xff|=\xe2\x80\xae\xe6\x97\xa5.txt";

/// Every payload with its fields set.
pub fn payloads() -> Vec<Payload> {
    let mut all = processes();
    all.extend(files());
    all.extend(sockets());
    all.extend(system());
    all.extend(people());
    all.extend(own());
    all
}

fn device() -> Option<Device> {
    Some(Device { major: 254, minor: 1 })
}

pub fn process() -> Process {
    Process {
        pid: 4242,
        tid: 4243,
        uid: "b007-4242-9".into(),
        parent_uid: "b007-4200-8".into(),
        ppid: 4200,
        start_boottime_ns: 9_007_199_254_740_993,
        comm: "id".into(),
        exe: "/usr/bin/id".into(),
        exe_inode: Some(77),
        exe_device: device(),
        argv: vec!["id".into(), "-u n".into(), Bytes::from_static(NASTY)],
        cwd: "/root".into(),
        source: ProcessSource::Kernel.into(),
        memfd: true,
        deleted: true,
    }
}

fn processes() -> Vec<Payload> {
    let identity = Identity { uid: 1001, euid: 0, suid: 0, fsuid: 0, gid: 1001, ..Identity::default() };
    vec![
        Payload::Exec(Exec {
            filename: "./id".into(),
            argv_length: 30,
            script: "/usr/local/bin/script".into(),
            interpreters: vec![],
            preload: vec!["LD_PRELOAD=/tmp/x.so".into(), "LD_AUDIT".into()],
        }),
        Payload::Exit(Exit { code: Some(3), signal: None, duration_ns: 1_500_000_000 }),
        Payload::CredentialChange(CredentialChange { old: None, new: Some(identity) }),
        Payload::LoginuidSet(LoginuidSet {
            new_auid: Some(1001),
            new_session_id: Some(7),
            ..LoginuidSet::default()
        }),
        Payload::Ptrace(Ptrace {
            operation: PtraceOperation::MemoryWrite.into(),
            target: Some(Process { pid: 1, ..process() }),
            request: None,
        }),
    ]
}

fn files() -> Vec<Payload> {
    let path = Bytes::from_static(NASTY);
    let source = PathSource::Kernel.into();
    let new_path: Bytes = "/etc/new".into();
    let inode = Some(u64::MAX);
    vec![
        Payload::Open(Open {
            path: path.clone(),
            path_source: source,
            device: device(),
            inode,
            access: vec![Access::Write.into(), Access::Create.into(), 99],
            flags: 0o1002,
            mode: Some(0o100_640),
            unreachable: true,
            deleted: true,
            io_uring: true,
        }),
        Payload::FileReceive(FileReceive {
            path: path.clone(),
            mode: Some(0o140_777),
            inode,
            ..FileReceive::default()
        }),
        Payload::ExecMapping(ExecMapping {
            path: path.clone(),
            mode: Some(0o100_777),
            inode,
            ..ExecMapping::default()
        }),
        Payload::Rename(Rename {
            path: path.clone(),
            new_path: new_path.clone(),
            device: device(),
            ..Rename::default()
        }),
        Payload::Link(Link { path: path.clone(), new_path, symbolic: true, ..Link::default() }),
        Payload::Unlink(Unlink { path: path.clone(), inode, directory: true, ..Unlink::default() }),
        Payload::Chmod(Chmod { path: path.clone(), mode: 0o4755, old_mode: Some(0o755), ..Chmod::default() }),
        Payload::Chown(Chown { path, uid: Some(0), gid: None, ..Chown::default() }),
        Payload::Mount(Mount {
            operation: MountOperation::Mount.into(),
            path: "/mnt".into(),
            source: "/dev/sdb1".into(),
            filesystem: "ext4".into(),
            ..Mount::default()
        }),
    ]
}

fn sockets() -> Vec<Payload> {
    let (family, protocol) = (Family::Inet6.into(), Protocol::Tcp.into());
    vec![
        Payload::Connect(Connect {
            family,
            protocol,
            address: "2001:db8::1".into(),
            port: Some(443),
            local_address: "::1".into(),
            local_port: Some(50_000),
            ..Connect::default()
        }),
        Payload::Listen(Listen {
            family,
            protocol,
            address: "::".into(),
            port: Some(80),
            path: Bytes::new(),
        }),
        Payload::Accept(Accept {
            family: Family::Inet.into(),
            protocol,
            address: "192.0.2.7".into(),
            port: Some(65_535),
            local_address: "192.0.2.1".into(),
            local_port: Some(22),
            ..Accept::default()
        }),
        Payload::Socket(Socket {
            family: Family::Packet.into(),
            protocol: Protocol::Raw.into(),
            protocol_number: 3,
        }),
    ]
}

fn system() -> Vec<Payload> {
    vec![
        Payload::BpfLoad(BpfLoad { name: "probe".into(), program_type: 5, program_id: Some(42) }),
        Payload::ModuleLoad(ModuleLoad { name: "dummy".into() }),
        Payload::Tamper(Tamper {
            command: "BPF_MAP_UPDATE_ELEM".into(),
            object: TamperObject::Map.into(),
            object_id: 9,
            name: "settings".into(),
        }),
    ]
}

fn people() -> Vec<Payload> {
    vec![
        Payload::SessionStart(SessionStart { existing: false }),
        Payload::SessionUpdate(SessionUpdate {}),
        Payload::SessionEnd(SessionEnd { duration_ns: Some(60_000_000_000), remaining: 1 }),
        Payload::LoginFailed(LoginFailed {
            user: "mallory\n".into(),
            invalid_user: true,
            remote_address: "192.0.2.66".into(),
            remote_port: Some(40_000),
            auth_method: "password".into(),
            key_fingerprint: String::new(),
        }),
        Payload::AccountSwitch(switch()),
    ]
}

fn switch() -> Switch {
    Switch {
        from: "alice".into(),
        to: "root".into(),
        by: "sudo".into(),
        command: vec!["sudo".into(), "id".into()],
        since: Some(Timestamp { seconds: 1_767_225_600, nanos: 0 }),
    }
}

fn own() -> Vec<Payload> {
    let lane = Lane::File.into();
    vec![
        Payload::Status(Status { plan: "tracepoint".into(), version: "0.1.0".into(), ..Status::default() }),
        Payload::Heartbeat(Heartbeat {
            uptime_ns: 5,
            interval_seconds: 10,
            stopping: true,
            ..Heartbeat::default()
        }),
        Payload::Gap(Gap {
            lane,
            from_sequence: 10,
            to_sequence: 132,
            reason: GapReason::RingFull.into(),
            counts: vec![TypeCount { r#type: EventType::Open.into(), count: 123 }],
            epoch: Some(3),
        }),
        Payload::Silence(Silence {
            address: "web-1@192.0.2.1:50051".into(),
            reason: SilenceReason::Disconnected.into(),
            since: Some(Timestamp { seconds: 10, nanos: 0 }),
            ended: Some(Timestamp { seconds: 75, nanos: 0 }),
            ..Silence::default()
        }),
    ]
}

/// An event with an envelope as small as it comes.
pub fn small(payload: Payload) -> Event {
    let lane = Lane::Process.into();
    let (sensor_id, boot_id) = ("5d1c".to_owned(), "b007".to_owned());
    let id = EventId { sensor_id, boot_id, epoch: 3, lane, sequence: 42 };
    let process = Process { pid: 7, uid: "b007-7-1".into(), comm: "sh".into(), ..Process::default() };
    Event {
        id: Some(id),
        host: "web-1".into(),
        time: Some(Timestamp { seconds: 1_767_225_600, nanos: 123_456_789 }),
        process: Some(process),
        outcome: Some(Outcome { success: true, errno: None }),
        payload: Some(payload),
        ..Event::default()
    }
}

/// An event with every group of the envelope.
pub fn full(payload: Payload) -> Event {
    Event {
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
            tty: "pts0".into(),
            user: "alice".into(),
            first_auid: Some(1000),
            ..Login::default()
        }),
        session: Some(session()),
        attribution: Some(attribution()),
        place: Some(Place {
            cgroup_id: Some(u64::MAX),
            cgroup_path: "/user.slice".into(),
            container_id: "c0ffee".into(),
            container_runtime: "podman".into(),
            mount_namespace: Some(4_026_531_841),
        }),
        outcome: Some(Outcome { success: false, errno: Some(13) }),
        count: Some(3),
        truncated: vec![Truncation { field: "argv".into(), full_length: Some(131_072) }],
        tenant: Some("acme".into()),
        redacted: vec!["password".into()],
        sampled: Some(100),
        ..small(payload)
    }
}

fn session() -> Session {
    Session {
        id: "s-1".into(),
        kind: "ssh".into(),
        user: "alice".into(),
        remote_address: "127.0.0.2".into(),
        remote_port: Some(50_000),
        auth_method: "publickey".into(),
        key_fingerprint: "SHA256:abc".into(),
        uid: Some(1001),
        tty: "pts0".into(),
        start: Some(Timestamp { seconds: 1_767_225_000, nanos: 5 }),
        leader_uid: "b007-4100-7".into(),
        origin_id: "s-0".into(),
        logind_id: "c2".into(),
    }
}

fn attribution() -> Attribution {
    Attribution {
        uid: Some(1001),
        user: "alice".into(),
        method: Method::Kernel.into(),
        confidence: Confidence::High.into(),
        chain: vec!["alice".into(), "root".into()],
        switches: vec![switch()],
        others: vec![Actor { uid: 1002, user: "bob".into(), ..Actor::default() }],
        ..Attribution::default()
    }
}

/// Every payload with every envelope, and what a newer sensor sends.
pub fn all() -> Vec<Event> {
    let mut events = vec![Event::default(), Event { host: "web-1".into(), ..Event::default() }];
    for payload in payloads() {
        events.push(full(payload.clone()));
        events.push(small(payload.clone()));
        events.push(Event { payload: Some(payload), ..Event::default() });
    }
    events.extend(defaults().into_iter().map(|payload| Event { payload: Some(payload), ..Event::default() }));
    events.extend(defaults().into_iter().map(full));
    events
}

/// Every payload with nothing set, and values that this build has no name for.
fn defaults() -> Vec<Payload> {
    vec![
        Payload::Exec(Exec::default()),
        Payload::Exit(Exit { signal: Some(9), ..Exit::default() }),
        Payload::Open(Open { access: vec![99], mode: Some(0o020_000), ..Open::default() }),
        Payload::Open(Open { access: vec![Access::Truncate.into()], path: "/".into(), ..Open::default() }),
        Payload::Connect(Connect { family: 99, protocol: 99, port: Some(70_000), ..Connect::default() }),
        Payload::Connect(Connect {
            family: Family::Unix.into(),
            path: Bytes::from_static(b"\0x"),
            ..Connect::default()
        }),
        Payload::Connect(Connect { family: Family::Vsock.into(), address: "2".into(), ..Connect::default() }),
        Payload::Gap(Gap { from_sequence: 3, to_sequence: 2, reason: 99, lane: 99, ..Gap::default() }),
        Payload::Status(Status::default()),
        Payload::Listen(Listen::default()),
        Payload::Accept(Accept::default()),
        Payload::Socket(Socket::default()),
        Payload::Rename(Rename::default()),
        Payload::Link(Link::default()),
        Payload::Unlink(Unlink::default()),
        Payload::Chmod(Chmod::default()),
        Payload::Chown(Chown::default()),
        Payload::Mount(Mount { operation: 99, ..Mount::default() }),
        Payload::Mount(Mount { operation: MountOperation::Unmount.into(), ..Mount::default() }),
        Payload::Mount(Mount { operation: MountOperation::Move.into(), ..Mount::default() }),
        Payload::CredentialChange(CredentialChange::default()),
        Payload::LoginuidSet(LoginuidSet::default()),
        Payload::Ptrace(Ptrace::default()),
        Payload::BpfLoad(BpfLoad::default()),
        Payload::ModuleLoad(ModuleLoad::default()),
        Payload::FileReceive(FileReceive::default()),
        Payload::ExecMapping(ExecMapping::default()),
        Payload::Tamper(Tamper::default()),
        Payload::SessionStart(SessionStart { existing: true }),
        Payload::SessionUpdate(SessionUpdate {}),
        Payload::SessionEnd(SessionEnd::default()),
        Payload::LoginFailed(LoginFailed::default()),
        Payload::AccountSwitch(Switch::default()),
        Payload::Heartbeat(Heartbeat::default()),
        Payload::Silence(Silence::default()),
    ]
}
