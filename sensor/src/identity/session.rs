//! Login sessions: from the setting of a login uid to the end of the process
//! that set it, with what is learned of them on the way.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    time::Instant,
};

use activity_proto::v1::{
    self, Confidence, Event, Reason, SessionEnd, SessionStart, SessionState, event::Payload,
};

use super::{attribution, begin::Begin, chain::From, login_program::Kind, logind::Logind};
use crate::{
    enrich::{
        processes::{ProcessId, Processes},
        users::Users,
    },
    logins::{Accepted, Heard, Said},
};

/// Sessions that are remembered at most; those that are over go first.
const MAX: usize = 16 * 1024;

/// How long a session that is over is remembered, in nanoseconds.
const REMEMBERED_NS: u64 = 60_000_000_000;

/// The audit session that an act's session began with: the kernel's word.
pub fn key_of(event: &Event) -> Option<u32> {
    let login = event.login.as_ref()?;
    login.first_session_id.or(login.session_id)
}

/// Whether the session was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Not before this, unless all is known.
    Until(Instant),
    Yes,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    /// As the events have it.
    pub message: v1::Session,
    /// The login uid it began with.
    pub uid: u32,
    /// How sure it is that this is the human, and why not more.
    pub certainty: (Confidence, Reason),
    /// The process that set the login uid.
    pub leader: ProcessId,
    /// When that ended.
    pub over_ns: Option<u64>,
    /// The session that asked a daemon for this one.
    pub asked_by: Option<u32>,
    /// The user it began as: its own, or of one that was only claimed the user of
    /// the process that did.
    first_uid: u32,
    kind: Kind,
    seen: bool,
    peer: Option<(IpAddr, u16)>,
    is_looked_up: bool,
    is_accepted: bool,
    told: Told,
    event: Event,
}

impl Session {
    /// The user that its chains begin with.
    pub fn base(&self, users: &mut Users) -> From {
        let known = self.first_uid == self.uid && !self.message.user.is_empty();
        let name = if known { self.message.user.clone() } else { users.user(self.first_uid) };
        From { uid: self.first_uid, name }
    }

    /// Whether two sessions are the same human's, as far as can be told: the
    /// same account, and where both have one the same key.
    pub fn is_same_person(&self, other: &Self) -> bool {
        let (own, others) = (&self.message.key_fingerprint, &other.message.key_fingerprint);
        self.uid == other.uid && (own.is_empty() || others.is_empty() || own == others)
    }

    /// Whether nothing more is to be heard of it.
    pub fn is_complete(&self) -> bool {
        self.kind != Kind::Ssh || (self.is_looked_up && self.is_accepted)
    }

    /// How it began is heard after one of its acts.
    fn began_by(&mut self, begin: &Begin) {
        (self.kind, self.certainty, self.leader) = (begin.kind, begin.kind.certainty(), begin.leader);
        self.message.kind = begin.kind.name().to_owned();
        (self.message.start, self.seen) = (begin.start, true);
    }

    fn accepts(&self, heard: &Heard, accepted: &Accepted) -> bool {
        if self.kind != Kind::Ssh || self.is_accepted {
            return false;
        }
        let address = accepted.peer.address.map(|address| address.to_canonical());
        let is_peer =
            self.peer.is_some() && address.map(|address| (address, accepted.peer.port)) == self.peer;
        let is_leader = heard.pid == Some(self.leader.pid);
        // A line without a number is of a log that only sshd writes.
        if heard.pid.is_some() { is_leader && (is_peer || self.peer.is_none()) } else { is_peer }
    }

    fn take(&mut self, accepted: &Accepted) {
        self.is_accepted = true;
        self.message.auth_method.clone_from(&accepted.method);
        self.message.key_fingerprint =
            accepted.key.as_ref().map(|key| key.fingerprint.clone()).unwrap_or_default();
        // logind's word for it gives way.
        if self.peer.is_none()
            && let Some(address) = accepted.peer.address
        {
            self.message.remote_address = address.to_string();
            self.message.remote_port = Some(accepted.peer.port.into());
        }
    }

    fn event(&self, payload: Payload) -> Event {
        Event { payload: Some(payload), ..self.envelope() }
    }

    fn envelope(&self) -> Event {
        let attribution = attribution::of_session(self);
        Event { session: Some(self.message.clone()), attribution: Some(attribution), ..self.event.clone() }
    }
}

/// All sessions, by the audit session they began with.
#[derive(Debug, Default)]
pub struct Sessions {
    by_key: HashMap<u32, Session>,
    waiting: usize,
}

impl Sessions {
    /// The session of that key.
    pub fn get(&self, key: u32) -> Option<&Session> {
        self.by_key.get(&key)
    }

    /// A session begins. Its event waits for the log and the socket.
    pub fn begin(&mut self, begin: Begin, boot_id: &str, users: &mut Users, until: Instant) {
        if let Some(known) = self.by_key.get_mut(&begin.key) {
            // An act of it was told before its setting was noticed.
            if begin.seen && !known.seen {
                known.began_by(&begin);
            }
            return;
        }
        if self.by_key.len() >= MAX {
            self.by_key.retain(|_, session| session.over_ns.is_none());
        }
        if self.by_key.len() >= MAX {
            return;
        }
        let mut event = begin.event;
        let leader = event.process.as_ref().filter(|process| process.pid == begin.leader.pid);
        let leader_uid = leader.map(|process| process.uid.clone()).unwrap_or_default();
        if begin.seen {
            event.time = begin.start.or(event.time);
        }
        let message = v1::Session {
            id: format!("{boot_id}-{}", begin.key),
            kind: begin.kind.name().to_owned(),
            user: users.user(begin.uid),
            uid: Some(begin.uid),
            tty: event.login.as_ref().map(|login| login.tty.clone()).unwrap_or_default(),
            start: begin.start,
            leader_uid: if begin.seen || !begin.is_over { leader_uid } else { String::new() },
            ..v1::Session::default()
        };
        let session = Session {
            message,
            uid: begin.uid,
            certainty: begin.kind.certainty(),
            leader: begin.leader,
            over_ns: begin.is_over.then_some(0),
            asked_by: None,
            first_uid: match (&event.credentials, begin.kind) {
                (Some(credentials), Kind::Claimed | Kind::Unknown) => credentials.uid,
                _ => begin.uid,
            },
            kind: begin.kind,
            seen: begin.seen,
            peer: None,
            is_looked_up: false,
            is_accepted: false,
            told: Told::Until(until),
            event,
        };
        self.waiting += 1;
        self.by_key.insert(begin.key, session);
    }

    /// A process of systemd's was asked for by another session.
    pub fn asked(&mut self, leader: ProcessId, by: u32) {
        let Some(origin) = self.by_key.get(&by).map(|session| session.message.id.clone()) else { return };
        let own = self.by_key.values_mut().find(|session| session.leader == leader);
        if let Some(session) = own.filter(|session| session.kind == Kind::Systemd) {
            session.kind = Kind::Run0;
            session.message.kind = Kind::Run0.name().to_owned();
            session.message.origin_id = origin;
            session.asked_by = Some(by);
        }
    }

    /// The session an accepted login belongs to, which takes it in.
    pub fn heard(&mut self, heard: &Heard) -> Option<u32> {
        let Said::Accepted(accepted) = &heard.said else { return None };
        let (key, session) = self.by_key.iter_mut().find(|(_, session)| session.accepts(heard, accepted))?;
        session.take(accepted);
        Some(*key)
    }

    /// Whether an accepted login is that session's.
    pub fn is_of(&self, key: u32, heard: &Heard) -> bool {
        let Said::Accepted(accepted) = &heard.said else { return false };
        self.by_key.get(&key).is_some_and(|session| session.accepts(heard, accepted))
    }

    /// What was seen at the socket of a session.
    pub fn saw(&mut self, key: u32, peer: Option<(IpAddr, u16)>, origin: Option<u32>) {
        let origin = origin.and_then(|key| Some(self.by_key.get(&key)?.message.id.clone()));
        let Some(session) = self.by_key.get_mut(&key) else { return };
        session.is_looked_up = true;
        session.peer = peer;
        if let Some((address, port)) = peer {
            session.message.remote_address = address.to_string();
            session.message.remote_port = Some(port.into());
        }
        session.message.origin_id = origin.unwrap_or_else(|| std::mem::take(&mut session.message.origin_id));
    }

    /// What logind says of a session. Whether that was not known before.
    pub fn saw_logind(&mut self, key: u32, logind: Logind) -> bool {
        self.by_key.get_mut(&key).is_some_and(|session| logind.fill(&mut session.message))
    }

    /// The process that a session from before began with is known to the tick of
    /// a clock; an event of its own, or of a child's, says exactly which it is.
    /// Whether this one does.
    pub fn saw_leader(&mut self, key: u32, event: &Event, processes: &Processes) -> bool {
        let Some(process) = &event.process else { return false };
        let session = self.by_key.get_mut(&key);
        let session = session.filter(|it| it.message.leader_uid.is_empty() && it.over_ns.is_none());
        let Some(session) = session else { return false };
        let id = ProcessId { pid: process.pid, start_ns: process.start_boottime_ns };
        let uid = if id.pid == session.leader.pid && same(processes, session.leader, id) {
            &process.uid
        } else if process.ppid == session.leader.pid
            && processes.get(session.leader).is_some_and(|leader| !leader.is_over(event.boottime_ns))
        {
            &process.parent_uid
        } else {
            return false;
        };
        session.message.leader_uid.clone_from(uid);
        !uid.is_empty()
    }

    /// More is known of a session: `tell` is given its envelope if its start was
    /// told before.
    pub fn updated(&mut self, key: u32, tell: impl FnOnce(&Event)) {
        if let Some(session) = self.by_key.get(&key).filter(|session| session.told == Told::Yes) {
            tell(&session.envelope());
        }
    }

    /// Start events of the sessions that are known enough, or have waited enough.
    pub fn due(&mut self, now: Instant, users: &mut Users) -> Vec<Event> {
        if self.waiting == 0 {
            return Vec::new();
        }
        let is_due = |session: &Session| match session.told {
            Told::Until(until) => session.is_complete() || until <= now,
            Told::Yes => false,
        };
        let mut starts: Vec<Event> = Vec::new();
        for session in self.by_key.values_mut().filter(|session| is_due(session)) {
            session.told = Told::Yes;
            self.waiting = self.waiting.saturating_sub(1);
            if session.message.user.is_empty() {
                session.message.user = users.user(session.uid);
            }
            starts.push(session.event(Payload::SessionStart(SessionStart { existing: !session.seen })));
        }
        starts.sort_by_key(|event| event.boottime_ns);
        starts
    }

    /// Whether something is still to be found out about the far end of one.
    pub fn are_being_looked_up(&self) -> bool {
        self.by_key.values().any(|session| session.kind == Kind::Ssh && !session.is_looked_up)
    }

    /// Whether a session waits to be told of.
    pub fn is_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// A process has ended, and with it the session it began.
    pub fn exited(&mut self, id: ProcessId, exit: &Event, processes: &Processes) -> Option<Event> {
        let key = processes.get(id)?.who.session?;
        let session = self.by_key.get_mut(&key)?;
        if session.over_ns.is_some() || session.leader.pid != id.pid || !same(processes, session.leader, id) {
            return None;
        }
        session.over_ns = Some(exit.boottime_ns);
        let remaining = processes.iter().filter(|(_, entry)| entry.who.session == Some(key)).count();
        let begun = session.event.boottime_ns;
        let end = SessionEnd {
            duration_ns: session.seen.then(|| exit.boottime_ns.saturating_sub(begun)),
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
        };
        let ended = session.event(Payload::SessionEnd(end));
        Some(Event { time: exit.time, boottime_ns: exit.boottime_ns, ..ended })
    }

    /// Lets go of sessions that are over, once no event of theirs can be on its way.
    pub fn forget(&mut self, now_ns: u64, processes: &Processes) {
        let is_old = |session: &Session| {
            session.over_ns.is_some_and(|over| over.saturating_add(REMEMBERED_NS) < now_ns)
        };
        if !self.by_key.values().any(is_old) {
            return;
        }
        let alive: HashSet<u32> = processes.iter().filter_map(|(_, entry)| entry.who.session).collect();
        self.by_key.retain(|key, session| !is_old(session) || alive.contains(key));
    }

    /// Sessions that have processes, or have not ended.
    pub fn states(&self, processes: &Processes) -> Vec<SessionState> {
        let mut states: HashMap<u32, SessionState> = HashMap::new();
        for (key, session) in &self.by_key {
            let (confidence, reason) = session.certainty;
            states.insert(
                *key,
                SessionState {
                    session: Some(session.message.clone()),
                    ended: session.over_ns.is_some(),
                    processes: 0,
                    now: Vec::new(),
                    confidence: confidence.into(),
                    reason: reason.into(),
                },
            );
        }
        for (_, entry) in processes.iter() {
            let Some(state) = entry.who.session.and_then(|key| states.get_mut(&key)) else { continue };
            state.processes += 1;
            let steps = entry.who.chain.at(u64::MAX);
            if let Some(step) = steps.last()
                && !state.now.contains(&step.switch.to)
            {
                state.now.push(step.switch.to.clone());
            }
        }
        let mut states: Vec<_> =
            states.into_values().filter(|state| !state.ended || state.processes > 0).collect();
        states.sort_by(|one, other| {
            let start = |state: &SessionState| {
                state
                    .session
                    .as_ref()
                    .and_then(|session| session.start)
                    .map(|time| (time.seconds, time.nanos))
            };
            start(one).cmp(&start(other))
        });
        states
    }
}

/// Whether both are one process, of which one may be known in ticks only.
fn same(processes: &Processes, one: ProcessId, other: ProcessId) -> bool {
    one == other || (processes.get(one).is_some() && processes.get(other).is_some())
}
