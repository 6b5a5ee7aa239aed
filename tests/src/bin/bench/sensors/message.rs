//! Events as a sensor fills them in.

use activity_proto::v1::{
    Accept, Access, Connect, Consumer, Device, Event, EventType, Exec, Exit, Family, Gap, GapReason,
    Heartbeat, Lane, LanePosition, Open, Outcome, PathSource, Process, Protocol, Ptrace, PtraceOperation,
    Rename, TypeCount, TypeTerms, Unlink, event::Payload,
};

/// A time as events carry it.
pub fn timestamp(nanoseconds: u64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: (nanoseconds / 1_000_000_000) as i64,
        nanos: (nanoseconds % 1_000_000_000) as i32,
    }
}

/// What a name is called by on disk: the same each time.
pub fn inode(path: &str) -> u64 {
    let hash = path
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    131_072 + hash % 4_000_000
}

/// The disk.
pub fn device() -> Option<Device> {
    Some(Device { major: 259, minor: 2 })
}

fn done(event: &Event, payload: Payload, errno: Option<u32>) -> Event {
    let outcome = Some(Outcome { success: errno.is_none(), errno });
    Event { outcome, payload: Some(payload), ..event.clone() }
}

/// A file is opened by whom `event` tells of.
pub fn open(event: &Event, path: String, write: bool, errno: Option<u32>) -> Event {
    let mut access = vec![if write { Access::Write.into() } else { Access::Read.into() }];
    if write {
        access.push(Access::Create.into());
    }
    let is_there = errno.is_none();
    let open = Open {
        inode: is_there.then(|| inode(&path)),
        device: device().filter(|_| is_there),
        mode: is_there.then_some(if path.starts_with("/usr") { 0o100_755 } else { 0o100_644 }),
        path: path.into(),
        path_source: if is_there { PathSource::Fd.into() } else { PathSource::User.into() },
        access,
        flags: if write { 0o1_101 } else { 0o2_000_000 },
        ..Open::default()
    };
    done(event, Payload::Open(open), errno)
}

/// A file gets another name.
pub fn rename(event: &Event, path: String, new_path: String) -> Event {
    let rename = Rename {
        inode: Some(inode(&path)),
        device: device(),
        path: path.into(),
        new_path: new_path.into(),
        path_source: PathSource::User.into(),
        exchange: false,
    };
    done(event, Payload::Rename(rename), None)
}

/// A file is removed.
pub fn unlink(event: &Event, path: String) -> Event {
    let unlink = Unlink {
        inode: Some(inode(&path)),
        device: device(),
        path: path.into(),
        path_source: PathSource::User.into(),
        directory: false,
    };
    done(event, Payload::Unlink(unlink), None)
}

/// A program begins.
pub fn exec(event: &Event) -> Event {
    let filename = event.process.as_ref().map(|process| process.exe.clone()).unwrap_or_default();
    let length =
        event.process.iter().flat_map(|process| &process.argv).map(|word| word.len() as u64 + 1).sum();
    done(event, Payload::Exec(Exec { filename, argv_length: length, ..Exec::default() }), None)
}

/// A process ends.
pub fn exit(event: &Event, code: u32, duration_ns: u64) -> Event {
    let exit = Exit { code: Some(code), signal: None, duration_ns };
    Event { payload: Some(Payload::Exit(exit)), ..event.clone() }
}

/// Another process is traced.
pub fn ptrace(event: &Event, pid: u32) -> Event {
    let target = Process { pid, tid: pid, exe: "/usr/bin/python3.13".into(), ..Process::default() };
    let operation = PtraceOperation::Attach.into();
    done(event, Payload::Ptrace(Ptrace { operation, target: Some(target), request: None }), None)
}

/// A connection is made.
pub fn connect(event: &Event, address: String, port: u32, local_port: u32, errno: Option<u32>) -> Event {
    let connect = Connect {
        family: Family::Inet.into(),
        protocol: Protocol::Tcp.into(),
        address,
        port: Some(port),
        address_source: PathSource::Kernel.into(),
        local_address: "10.1.0.17".into(),
        local_port: Some(local_port),
        ..Connect::default()
    };
    done(event, Payload::Connect(connect), errno)
}

/// A connection comes in.
pub fn accept(event: &Event, address: String, port: u32) -> Event {
    let accept = Accept {
        family: Family::Inet.into(),
        protocol: Protocol::Tcp.into(),
        address,
        port: Some(port),
        local_address: "10.1.0.17".into(),
        local_port: Some(22),
        ..Accept::default()
    };
    done(event, Payload::Accept(accept), None)
}

/// Events that were lost.
pub fn gap(lane: Lane, from_sequence: u64, to_sequence: u64) -> Event {
    let counts = vec![TypeCount { r#type: EventType::Open.into(), count: to_sequence - from_sequence + 1 }];
    let (lane, reason) = (lane.into(), GapReason::RingFull.into());
    let gap = Gap { lane, from_sequence, to_sequence, reason, counts, epoch: None };
    Event { payload: Some(Payload::Gap(gap)), ..Event::default() }
}

/// The sensor says that it lives, and what became of all that it saw.
pub fn heartbeat(now: u64, since: u64, sequences: [u64; 2], counts: &[u64; 32]) -> Event {
    let lanes = [Lane::Process, Lane::File].into_iter().zip(sequences);
    let lanes =
        lanes.map(|(lane, last_sequence)| LanePosition { lane: lane.into(), last_sequence }).collect();
    let seen = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let terms = |(kind, count): (usize, &u64)| TypeTerms {
        r#type: kind as i32,
        hits: count * 7,
        kernel_filtered: count * 5,
        recorded: count * 2,
        filtered: *count,
        published: *count,
        ..TypeTerms::default()
    };
    let beat = Heartbeat {
        uptime_ns: now - since,
        interval_seconds: 5,
        lanes,
        types: seen.map(terms).collect(),
        cpu_ns: sequences.iter().sum::<u64>() * 4_000,
        rss_bytes: Some((21 << 20) + (now >> 30) % 64 * 4096),
        object_sha256: "9b2c41d07f".repeat(6),
        policy_version: "3".into(),
        consumers: vec![Consumer { peer: "pid 812 uid 991".into(), sent: sequences.iter().sum(), missed: 0 }],
        ..Heartbeat::default()
    };
    Event { payload: Some(Payload::Heartbeat(beat)), ..Event::default() }
}
