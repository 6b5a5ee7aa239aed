//! Acts of an ordinary hour, and acts of somebody who means harm.

use activity_proto::v1::{
    Access, Attribution, Confidence, Connect, Credentials, Event, EventType, Exec, Exit, Family, Gap,
    GapReason, Hook, Lane, Login, Method, NotCovered, Open, Outcome, PathSource, Process, Protocol, Status,
    Truncation, TypeCount, event::Payload,
};
use bytes::Bytes;
use prost_types::Timestamp;

/// An act of alice (1001) in audit session 7 on pts0.
pub fn act(millisecond: u32, pid: u32, exe: &str, payload: Payload) -> Event {
    let nanos = i32::try_from(millisecond % 1_000).unwrap() * 1_000_000;
    let comm = exe.rsplit('/').next().unwrap_or_default().to_owned();
    Event {
        time: Some(Timestamp { seconds: 1_767_276_187 + i64::from(millisecond / 1_000), nanos }),
        process: Some(Process {
            pid,
            comm: comm.into_bytes().into(),
            exe: exe.to_owned().into_bytes().into(),
            cwd: Bytes::from_static(b"/home/alice"),
            ..Process::default()
        }),
        credentials: Some(Credentials {
            uid: 1001,
            euid: 1001,
            user: "alice".into(),
            effective_user: "alice".into(),
            ..Credentials::default()
        }),
        login: Some(Login {
            auid: Some(1001),
            session_id: Some(7),
            tty: Bytes::from_static(b"pts0"),
            user: "alice".into(),
            ..Login::default()
        }),
        attribution: Some(Attribution {
            uid: Some(1001),
            user: "alice".into(),
            method: Method::Kernel.into(),
            confidence: Confidence::High.into(),
            chain: vec!["alice".into()],
            ..Attribution::default()
        }),
        outcome: Some(Outcome { success: true, errno: None }),
        payload: Some(payload),
        ..Event::default()
    }
}

/// The same act, after `sudo`.
pub fn as_root(mut event: Event) -> Event {
    event.credentials = Some(Credentials {
        uid: 0,
        euid: 0,
        user: "root".into(),
        effective_user: "root".into(),
        ..Credentials::default()
    });
    event
}

/// The same act, refused.
pub fn failed(mut event: Event, errno: u32) -> Event {
    event.outcome = Some(Outcome { success: false, errno: Some(errno) });
    event
}

pub fn exec(millisecond: u32, pid: u32, exe: &str, argv: &[&[u8]]) -> Event {
    let mut event = act(millisecond, pid, exe, Payload::Exec(Exec::default()));
    if let Some(process) = &mut event.process {
        process.argv = argv.iter().map(|word| Bytes::copy_from_slice(word)).collect();
    }
    event
}

pub fn exit(millisecond: u32, pid: u32, exe: &str, code: Option<u32>, signal: Option<u32>) -> Event {
    let exit = Exit { code, signal, duration_ns: 83_400_000 * u64::from(pid % 100) };
    let mut event = act(millisecond, pid, exe, Payload::Exit(exit));
    event.outcome = None;
    event
}

pub fn open(millisecond: u32, pid: u32, exe: &str, path: &[u8], access: &[Access]) -> Event {
    let open = Open {
        path: Bytes::copy_from_slice(path),
        path_source: PathSource::Fd.into(),
        access: access.iter().map(|&access| access.into()).collect(),
        ..Open::default()
    };
    act(millisecond, pid, exe, Payload::Open(open))
}

pub fn connect(millisecond: u32, pid: u32, exe: &str, protocol: Protocol, address: &str, port: u32) -> Event {
    let family = if address.contains(':') { Family::Inet6 } else { Family::Inet };
    let connect = Connect {
        family: family.into(),
        protocol: protocol.into(),
        address: address.into(),
        port: Some(port),
        ..Connect::default()
    };
    act(millisecond, pid, exe, Payload::Connect(connect))
}

pub fn unix(millisecond: u32, pid: u32, exe: &str, path: &[u8]) -> Event {
    let connect = Connect {
        family: Family::Unix.into(),
        protocol: Protocol::Stream.into(),
        path: Bytes::copy_from_slice(path),
        ..Connect::default()
    };
    act(millisecond, pid, exe, Payload::Connect(connect))
}

pub fn gap(millisecond: u32, reason: GapReason, counts: &[(EventType, u64)]) -> Event {
    let counts = counts.iter().map(|&(kind, count)| TypeCount { r#type: kind.into(), count }).collect();
    let gap = Gap {
        lane: Lane::File.into(),
        reason: reason.into(),
        counts,
        from_sequence: 10,
        to_sequence: 132,
        epoch: None,
    };
    let Event { time, .. } = act(millisecond, 0, "", Payload::Gap(Gap::default()));
    Event { time, payload: Some(Payload::Gap(gap)), ..Event::default() }
}

pub fn status(millisecond: u32) -> Event {
    let hook = |name: &str, reason: &str| Hook {
        name: name.into(),
        live: reason.is_empty(),
        reason: reason.into(),
        ..Hook::default()
    };
    let status = Status {
        plan: "tracepoint".into(),
        hooks: vec![
            hook("exec", ""),
            hook("fork", ""),
            hook("exit", ""),
            hook("open", ""),
            hook("connect", "the kernel has no tracepoint syscalls/sys_exit_connect"),
        ],
        not_covered: vec![
            NotCovered { what: "opens through io_uring".into(), count: Some(3) },
            NotCovered { what: "connects through io_uring".into(), count: Some(0) },
            NotCovered { what: "a path that is rewritten while the call runs".into(), count: None },
        ],
        version: "0.1.0".into(),
        kernel: "6.12.48".into(),
        policy_version: "3f0a1b2c4d5e".into(),
        policy_error: "/etc/activity-sensor/config.toml:7: unknown key `policy.rules.actoin`".into(),
        ..Status::default()
    };
    let Event { time, .. } = act(millisecond, 0, "", Payload::Status(Status::default()));
    Event { time, payload: Some(Payload::Status(status)), ..Event::default() }
}

/// What a newcomer may see in the first minute.
pub fn ordinary() -> Vec<Event> {
    use Access::{Create, Read, Truncate, Write};
    let mut folded =
        open(3_020, 4260, "/usr/bin/python3.12", b"/home/alice/data/report-2026-01.csv", &[Read]);
    folded.count = Some(12);
    let mut sampled = unix(4_301, 4271, "/usr/bin/curl", b"/run/systemd/resolve/io.systemd.Resolve");
    sampled.sampled = Some(100);
    let mut pending = connect(4_250, 4271, "/usr/bin/curl", Protocol::Tcp, "93.184.216.34", 443);
    pending.outcome = Some(Outcome { success: true, errno: Some(115) });
    let mut refused = failed(exec(5_002, 4280, "/usr/bin/bash", &[b"bash"]), 2);
    refused.payload =
        Some(Payload::Exec(Exec { filename: Bytes::from_static(b"./deploy.sh"), ..Exec::default() }));
    let mut secret =
        exec(6_118, 4290, "/usr/bin/mysql", &[b"mysql", b"-u", b"shop", b"-p<redacted:password>", b"shop"]);
    secret.redacted = vec!["password".into()];
    let mut guessed = exec(7_310, 4301, "/usr/sbin/logrotate", &[b"logrotate", b"/etc/logrotate.conf"]);
    guessed.attribution.as_mut().unwrap().method = Method::Inferred.into();
    guessed.login = None;
    vec![
        status(0),
        exec(123, 4242, "/usr/bin/bash", &[b"-bash"]),
        exec(1_007, 4250, "/usr/bin/id", &[b"id"]),
        exec(1_530, 4251, "/usr/bin/cat", &[b"cat", b"/etc/shadow"]),
        failed(open(1_533, 4251, "/usr/bin/cat", b"/etc/shadow", &[Read]), 13),
        exit(1_534, 4251, "/usr/bin/cat", Some(1), None),
        failed(connect(2_010, 4242, "/usr/bin/bash", Protocol::Tcp, "127.0.0.1", 1), 111),
        exec(3_001, 4260, "/usr/bin/python3.12", &[b"python3", b"report.py", b"--month", b"2026-01"]),
        folded,
        open(3_900, 4260, "/usr/bin/python3.12", b"/home/alice/report.pdf", &[Write, Create, Truncate]),
        exit(3_950, 4260, "/usr/bin/python3.12", Some(0), None),
        pending,
        connect(4_260, 4271, "/usr/bin/curl", Protocol::Tcp, "2606:2800:21f:cb07:6820:80da:af6b:8b2c", 443),
        connect(4_300, 4271, "/usr/bin/curl", Protocol::Udp, "192.0.2.53", 53),
        sampled,
        unix(4_302, 4272, "/usr/bin/xterm", b"\0/tmp/.X11-unix/X0"),
        refused,
        as_root(exec(5_400, 4285, "/usr/bin/vim.basic", &[b"vim", b"/etc/ssh/sshd_config"])),
        as_root(open(5_440, 4285, "/usr/bin/vim.basic", b"/etc/ssh/sshd_config", &[Read, Write])),
        gap(5_900, GapReason::RingFull, &[(EventType::Open, 123)]),
        secret,
        guessed,
        exit(8_000, 4299, "/usr/bin/sleep", None, Some(9)),
    ]
}

/// Names that try to look like something else.
pub fn nasty() -> Vec<Event> {
    use Access::Read;
    let mut cut = exec(10, 5001, "/usr/bin/echo", &[b"echo", &[b'x'; 300]]);
    cut.truncated = vec![Truncation { field: "argv".into(), full_length: Some(131_072) }];
    let mut long_user = exec(11, 4_194_304, "/usr/bin/true", &[b"true"]);
    long_user.credentials.as_mut().unwrap().effective_user = "svc-backup".into();
    long_user.credentials.as_mut().unwrap().euid = 999;
    long_user.attribution.as_mut().unwrap().user = "Иван.Петров".into();
    long_user.login.as_mut().unwrap().session_id = Some(123_456);
    let mut forged = open(12, 5003, "/usr/bin/cat", b"/tmp/x\n14:03:07.000 root   7 pts0 exec", &[Read]);
    forged.process.as_mut().unwrap().comm = Bytes::from_static(b"\x1b[2J a]open[1");
    let mut memory = exec(13, 5004, "/memfd:x", &[b"[kworker/0:1]"]);
    memory.process.as_mut().unwrap().memfd = true;
    let deep = [b"/".as_slice(), &[b'd'; 255], b"/", &[b'e'; 255]].concat();
    let mut removed = open(17, 5008, "/usr/bin/cat", b"/tmp/x EACCES [deleted]", &[]);
    let Some(Payload::Open(open_removed)) = &mut removed.payload else { unreachable!() };
    open_removed.deleted = true;
    vec![
        cut,
        long_user,
        forged,
        memory,
        open(14, 5005, "/usr/bin/cat", "/tmp/invoice\u{202e}fdp.exe".as_bytes(), &[Read]),
        open(15, 5006, "/usr/bin/cat", b"/tmp/caf\xe9/\x1b]0;owned\x07", &[Read]),
        open(
            16,
            5007,
            "/usr/bin/cat",
            "/home/日本語/とても長いディレクトリの名前/そして長いファイルの名前.txt".as_bytes(),
            &[Read],
        ),
        removed,
        open(18, 5009, "/usr/bin/cat", &deep, &[Read]),
        exec(19, 5010, "/tmp/日 本", &[b"/usr/sbin/sshd", b"-c", b"it's", b"", b"$(id)"]),
        unix(20, 5011, "/usr/bin/nc", b"@not-abstract"),
        Event { payload: None, ..act(21, 5012, "/usr/bin/true", Payload::Exec(Exec::default())) },
        Event::default(),
    ]
}
