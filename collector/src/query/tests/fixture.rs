//! A made-up month: two hosts, people who work on them, and everything that a review has to
//! find. What is in it is written here and nowhere else; tests count on it.

use activity_proto::v1::{
    Attribution, Confidence, Connect, Credentials, Event, EventId, EventType, Exec, Family, Gap, GapReason,
    Heartbeat, Lane, Login, LoginFailed, Method, Open, Outcome, Process, Protocol, Session, SessionEnd,
    SessionStart, SessionUpdate, Silence, SilenceReason, Switch, TypeCount, event::Payload,
};
use bytes::Bytes;
use jiff::Timestamp;
use prost::Message as _;

use crate::store::{
    Layout,
    tests::{AT_ONCE, open},
};

/// Somebody in a session.
#[derive(Clone)]
pub struct Someone {
    pub human: &'static str,
    pub uid: u32,
    pub host: &'static str,
    pub session: Session,
    /// Empty as oneself; otherwise who one has become.
    pub switched: Vec<&'static str>,
}

/// Events as they are made.
#[derive(Default)]
pub struct Month {
    pub events: Vec<Event>,
    sequence: u64,
    sessions: u32,
}

pub fn time(text: &str) -> prost_types::Timestamp {
    let time: Timestamp = text.parse().unwrap();
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}

impl Month {
    pub fn event(&mut self, host: &str, at: &str, payload: Payload) -> &mut Event {
        self.sequence += 1;
        let lane = if matches!(payload, Payload::Open(_)) { Lane::File } else { Lane::Process };
        self.events.push(Event {
            id: Some(EventId {
                sensor_id: format!("sensor-of-{host}"),
                boot_id: "boot".into(),
                epoch: 1,
                lane: lane.into(),
                sequence: self.sequence,
            }),
            host: host.into(),
            time: Some(time(at)),
            boottime_ns: self.sequence,
            payload: Some(payload),
            ..Event::default()
        });
        self.events.last_mut().unwrap()
    }

    /// Somebody logs in by ssh with a key.
    pub fn login(
        &mut self,
        human: &'static str,
        uid: u32,
        host: &'static str,
        from: &str,
        at: &str,
    ) -> Someone {
        self.sessions += 1;
        let mut session = Session {
            id: format!("boot-{}", self.sessions),
            kind: "ssh".into(),
            user: human.into(),
            remote_address: from.into(),
            remote_port: Some(50_000 + self.sessions),
            uid: Some(uid),
            start: Some(time(at)),
            tty: "pts0".into(),
            ..Session::default()
        };
        let mut someone = Someone { human, uid, host, session: session.clone(), switched: Vec::new() };
        self.act(&someone, at, Payload::SessionStart(SessionStart::default()));
        session.auth_method = "publickey".into();
        session.key_fingerprint = format!("SHA256:{human}");
        someone.session = session;
        self.act(&someone, at, Payload::SessionUpdate(SessionUpdate {}));
        someone
    }

    pub fn logout(&mut self, who: &Someone, at: &str) {
        self.act(who, at, Payload::SessionEnd(SessionEnd::default()));
    }

    pub fn act(&mut self, who: &Someone, at: &str, payload: Payload) -> &mut Event {
        let user = who.switched.last().copied().unwrap_or(who.human);
        let uid = if user == "root" { 0 } else { who.uid };
        let mut chain = vec![who.human.to_owned()];
        chain.extend(who.switched.iter().map(|user| (*user).to_owned()));
        let who = who.clone();
        let event = self.event(who.host, at, payload);
        event.credentials = Some(Credentials {
            uid,
            euid: uid,
            user: user.into(),
            effective_user: user.into(),
            ..Credentials::default()
        });
        event.attribution = Some(Attribution {
            uid: Some(who.uid),
            user: who.human.into(),
            method: Method::Kernel.into(),
            confidence: Confidence::High.into(),
            chain,
            ..Attribution::default()
        });
        event.login = Some(Login { auid: Some(who.uid), tty: who.session.tty.clone(), ..Login::default() });
        event.session = Some(who.session);
        event.outcome = Some(Outcome { success: true, errno: None });
        event.process = Some(Process {
            pid: 42,
            tid: 42,
            exe: "/usr/bin/bash".into(),
            comm: "bash".into(),
            ..Process::default()
        });
        event
    }

    /// A program with its arguments.
    pub fn exec(&mut self, who: &Someone, at: &str, exe: &'static str, argv: &[&'static str]) {
        let event = self.act(who, at, Payload::Exec(Exec { filename: exe.into(), ..Exec::default() }));
        event.process = Some(Process {
            pid: 43,
            tid: 43,
            exe: exe.into(),
            comm: exe.rsplit('/').next().unwrap().into(),
            argv: argv.iter().map(|word| Bytes::from_static(word.as_bytes())).collect(),
            cwd: "/home".into(),
            ..Process::default()
        });
    }

    /// A file is opened for reading.
    pub fn open(&mut self, who: &Someone, at: &str, path: &'static str, exe: &'static str) -> &mut Event {
        let access = vec![activity_proto::v1::Access::Read.into()];
        let event = self.act(who, at, Payload::Open(Open { path: path.into(), access, ..Open::default() }));
        event.process = Some(Process { pid: 44, tid: 44, exe: exe.into(), ..Process::default() });
        event
    }

    pub fn connect(&mut self, who: &Someone, at: &str, address: &str, port: u32, exe: &'static str) {
        let connect = Connect {
            family: Family::Inet.into(),
            protocol: Protocol::Tcp.into(),
            address: address.into(),
            port: Some(port),
            ..Connect::default()
        };
        let event = self.act(who, at, Payload::Connect(connect));
        event.process = Some(Process { pid: 45, tid: 45, exe: exe.into(), ..Process::default() });
    }

    /// By sudo to root.
    pub fn sudo(&mut self, who: &Someone, at: &str, command: &[&'static str]) -> Someone {
        let mut root = who.clone();
        root.switched.push("root");
        let switch = Switch {
            from: who.human.into(),
            to: "root".into(),
            by: "sudo".into(),
            command: command.iter().map(|word| Bytes::from_static(word.as_bytes())).collect(),
            since: None,
        };
        let event = self.act(&root, at, Payload::AccountSwitch(switch));
        event.outcome = None;
        root
    }

    pub fn refused(&mut self, user: &str, from: &str, host: &str, at: &str) {
        let failed = LoginFailed {
            user: user.into(),
            invalid_user: user == "admin",
            remote_address: from.into(),
            remote_port: Some(40_000),
            auth_method: "password".into(),
            ..LoginFailed::default()
        };
        let event = self.event(host, at, Payload::LoginFailed(failed));
        event.outcome = Some(Outcome { success: false, errno: None });
    }

    pub fn gap(&mut self, host: &str, at: &str, reason: GapReason, opens: u64) {
        let counts = vec![TypeCount { r#type: EventType::Open.into(), count: opens }];
        let gap = Gap { lane: Lane::File.into(), reason: reason.into(), counts, ..Gap::default() };
        self.event(host, at, Payload::Gap(gap));
    }

    /// Noticed, and once more when it is over.
    pub fn silence(&mut self, host: &str, address: &str, since: &str, ended: Option<&str>) {
        let reason =
            if ended.is_some() { SilenceReason::NoHeartbeat } else { SilenceReason::NeverReached }.into();
        let silence =
            Silence { address: address.into(), reason, since: Some(time(since)), ..Silence::default() };
        self.event(host, since, Payload::Silence(silence.clone()));
        if let Some(ended) = ended {
            let silence = Silence { ended: Some(time(ended)), ..silence };
            self.event(host, ended, Payload::Silence(silence));
        }
    }

    pub fn heartbeats(&mut self, host: &str, from: &str, to: &str) {
        let (mut at, to): (Timestamp, Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
        while at < to {
            self.event(host, &at.to_string(), Payload::Heartbeat(Heartbeat::default()));
            at += jiff::SignedDuration::from_hours(1);
        }
    }

    /// Puts everything into a store: the first half in files, the rest in the log.
    pub fn store(mut self, layout: &Layout) {
        self.events.sort_by_key(|event| event.time.map(|time| (time.seconds, time.nanos)));
        let encoded: Vec<Bytes> = self.events.iter().map(|event| event.encode_to_vec().into()).collect();
        let (files, fresh) = encoded.split_at(encoded.len() / 2);
        let mut store = open(layout, AT_ONCE);
        for part in files.chunks(files.len() / 3 + 1) {
            store.append(part).unwrap();
            store.maintain(Vec::new).unwrap();
        }
        store.append(fresh).unwrap();
        store.close().unwrap();
    }
}
