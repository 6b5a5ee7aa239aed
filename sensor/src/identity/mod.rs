//! Which human did it: login sessions, the users somebody becomes on the way,
//! and who is behind an act, with how that is known and how sure it is.
//!
//! The kernel programs tell of every act which login session it belongs to; that
//! is the evidence everything here starts from. What other processes do is added
//! where it says more: who is attached to a terminal multiplexer, who asked a
//! daemon for something. docs/identity.md has the whole table.

mod asks;
mod attribution;
mod begin;
mod chain;
mod existing;
mod login_program;
mod logind;
mod look;
mod multiplexer;
mod origins;
mod session;
#[cfg(test)]
mod tests;
mod who;

use std::{
    collections::VecDeque,
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use activity_proto::v1::{self, Event, LoginFailed, SessionState, SessionUpdate, event::Payload};

use self::{
    asks::Asks,
    attribution::Evidence,
    begin::Begin,
    login_program::Kind,
    look::{Looker, Seen},
    multiplexer::Attached,
    origins::Origins,
    session::{Session, Sessions},
};
pub use self::{
    existing::Found,
    login_program::{LoginPrograms, SESSION_KINDS},
    who::{Who, from_proc as who_from_proc},
};
use crate::{
    enrich::{
        processes::{ProcessId, Processes},
        users::Users,
    },
    logins::{Heard, Said},
};

/// How long the event of a login waits for what the log and the socket say.
const WAIT: Duration = Duration::from_millis(500);
/// How long the acts of a new session wait for that at most, in steps of this.
const MOMENT: Duration = Duration::from_millis(50);
const STEP: Duration = Duration::from_millis(1);
/// The same at the start of the sensor, for all that were there before.
const AT_START: Duration = Duration::from_secs(2);
/// Lines of the log that no session has matched yet, at most.
const HEARD_MAX: usize = 256;
/// How long such a line is kept.
const HEARD_FOR: Duration = Duration::from_secs(60);

/// What is known of people. One for the life of the sensor.
pub struct Identity {
    boot_id: String,
    programs: LoginPrograms,
    sessions: Sessions,
    attached: Attached,
    origins: Origins,
    asks: Asks,
    heard: VecDeque<(Instant, Heard)>,
    looker: Looker,
    log: Option<Receiver<Heard>>,
    waited: Option<Instant>,
    told: Vec<Event>,
    switches: Vec<v1::Switch>,
}

impl Identity {
    /// Knows nobody yet.
    pub fn new(boot_id: &str, programs: LoginPrograms) -> Self {
        Self {
            boot_id: boot_id.to_owned(),
            programs,
            sessions: Sessions::default(),
            attached: Attached::default(),
            origins: Origins::default(),
            asks: Asks::default(),
            heard: VecDeque::new(),
            looker: Looker::start(),
            log: None,
            waited: None,
            told: Vec::new(),
            switches: Vec::new(),
        }
    }

    /// logind is asked for its part of every session from now on.
    pub fn ask_logind(&mut self) {
        self.looker.ask_logind();
    }

    /// What login programs log comes from here.
    pub fn listen(&mut self, log: Receiver<Heard>) {
        self.log = Some(log);
    }

    /// Takes up the sessions that were there before the sensor; what the log
    /// said of them is among `past`.
    pub fn find_existing(
        &mut self,
        found: &[Found],
        past: Vec<Heard>,
        processes: &mut Processes,
        users: &mut Users,
    ) {
        for heard in past.into_iter().filter(|heard| matches!(heard.said, Said::Accepted(_))) {
            self.hear(heard);
        }
        for begin in existing::sessions(found, processes, &self.programs) {
            self.begin(begin, users, false);
        }
        existing::chains(found, processes, &self.sessions, users);
        let begun = Instant::now();
        let is_waiting = |it: &Self| it.sessions.are_being_looked_up() || it.looker.waits_for_logind();
        while is_waiting(self) && begun.elapsed() < AT_START {
            std::thread::sleep(STEP);
            self.take_in();
        }
    }

    /// Files of login programs that the kernel programs are to know.
    pub fn new_login_programs(&mut self) -> Vec<login_program::File> {
        self.programs.take_new()
    }

    /// Learns from an event and says in it who is behind it.
    pub fn enrich(&mut self, processes: &mut Processes, users: &mut Users, event: &mut Event) {
        self.learn(processes, users, event);
        let named = self.evidence(processes).of(event);
        if named.is_unknown_session {
            self.meet(processes, users, event);
        } else {
            event.session = named.session;
            event.attribution = Some(named.attribution);
        }
        for switch in self.switches.drain(..) {
            let payload = Some(Payload::AccountSwitch(switch));
            self.told.push(Event { payload, outcome: None, truncated: Vec::new(), ..event.clone() });
        }
    }

    /// An event of a session that nothing was heard of: its beginning was not
    /// recorded, or lost.
    fn meet(&mut self, processes: &mut Processes, users: &mut Users, event: &mut Event) {
        if let Some(begin) = Begin::met(event, processes, &self.programs) {
            self.begin(begin, users, true);
        }
        let named = self.evidence(processes).of(event);
        event.session = named.session;
        event.attribution = Some(named.attribution);
    }

    /// See [`Evidence::is_settled`].
    pub fn is_settled(&self, processes: &Processes, event: &Event) -> bool {
        self.evidence(processes).is_settled(event)
    }

    fn evidence<'a>(&'a self, processes: &'a Processes) -> Evidence<'a> {
        let Self { sessions, attached, programs, .. } = self;
        Evidence { processes, sessions, attached, programs }
    }

    fn learn(&mut self, processes: &mut Processes, users: &mut Users, event: &mut Event) {
        let Some(process) = &event.process else { return };
        let id = ProcessId { pid: process.pid, start_ns: process.start_boottime_ns };
        let succeeded = event.outcome.is_none_or(|outcome| outcome.success);
        if let Some(key) = session::key_of(event)
            && self.sessions.saw_leader(key, event, processes)
        {
            self.changed(key);
        }
        if let Some(key) = session::key_of(event)
            && let Some(entry) = processes.get_mut(id)
            && entry.who.session != Some(key)
            // A setting comes with the session before.
            && !matches!(event.payload, Some(Payload::LoginuidSet(_)))
        {
            entry.who.session = Some(key);
        }
        match &event.payload {
            Some(Payload::LoginuidSet(set)) if succeeded => {
                if let Some(begin) = Begin::set(event, set, processes, &self.programs) {
                    if let Some(entry) = processes.get_mut(id) {
                        entry.who =
                            Who { parent: entry.who.parent, session: Some(begin.key), ..Who::default() };
                    }
                    self.begin(begin, users, true);
                }
            }
            Some(Payload::Exec(_)) if succeeded => {
                self.programs.seen(process);
                self.asks.asked(event, processes);
                if let Some(asker) = self.asks.answered(event, processes)
                    && let Some(entry) = processes.get_mut(id)
                {
                    entry.who.asked_by = Some(asker);
                    self.sessions.asked(id, asker);
                }
                self.switched(processes, users, event, id, None);
            }
            Some(Payload::CredentialChange(change)) if succeeded => {
                let uid = change.new.as_ref().map(|new| new.uid);
                self.switched(processes, users, event, id, uid);
            }
            Some(Payload::Connect(connect)) => {
                let key = session::key_of(event);
                self.origins.connected(connect, key);
                self.asks.connected(event, connect);
                if let Some(peer) = connect.peer_pid {
                    self.attached.connected(processes, id, peer, event.boottime_ns);
                }
            }
            Some(Payload::Exit(_)) => {
                self.attached.exited(id, event.boottime_ns);
                if let Some(ended) = self.sessions.exited(id, event, processes) {
                    self.told.push(ended);
                }
            }
            _ => {}
        }
    }

    /// Whether the process goes on as another user, told by `uid` or by the
    /// credentials of its new program.
    fn switched(
        &mut self,
        processes: &mut Processes,
        users: &mut Users,
        event: &Event,
        id: ProcessId,
        uid: Option<u32>,
    ) {
        let Some(entry) = processes.get_mut(id) else { return };
        let Some(session) = session::key_of(event).and_then(|key| self.sessions.get(key)) else { return };
        let Some(uid) = uid.or_else(|| event.credentials.as_ref().map(|credentials| credentials.uid)) else {
            return;
        };
        // After an exec, what changed the user is the program before.
        // An exec has its ids from the program that ran until then.
        let is_exec = matches!(event.payload, Some(Payload::Exec(_)));
        let image = if is_exec { entry.image_before() } else { entry.image_at(u64::MAX) };
        if self.programs.kind_of(image.exe()).is_some() {
            return;
        }
        let (image, from) = ((*image).clone(), session.base(users));
        let step = chain::Step::to(uid, named(users, uid), &image, event.time);
        if let Some(switch) = entry.who.chain.add(&from, step, event.boottime_ns) {
            self.switches.push(switch);
        }
    }

    fn begin(&mut self, begin: Begin, users: &mut Users, is_new: bool) {
        let (key, leader) = (begin.key, begin.leader);
        let is_ssh = begin.kind == Kind::Ssh;
        self.sessions.begin(begin, &self.boot_id, users, Instant::now() + WAIT);
        self.looker.look(key, leader.pid, is_ssh);
        self.join(key);
        if is_ssh && is_new {
            self.wait_for(key);
        }
    }

    /// Waits a moment for what the log and the socket say, so that already the
    /// first acts of a session come with it. Rarely twice in a row: many logins at
    /// once must not hold up everybody's events.
    fn wait_for(&mut self, key: u32) {
        let now = Instant::now();
        if self.waited.is_some_and(|waited| now.duration_since(waited) < 4 * MOMENT) {
            return;
        }
        while !self.sessions.get(key).is_none_or(Session::is_complete) && now.elapsed() < MOMENT {
            std::thread::sleep(STEP);
            self.take_in();
        }
        self.waited = Some(Instant::now());
    }

    /// What sshd's log says.
    fn hear(&mut self, heard: Heard) {
        if let Said::Refused(refused) = &heard.said {
            let failed = LoginFailed {
                user: String::from_utf8_lossy(&refused.user).into_owned(),
                invalid_user: refused.invalid_user,
                remote_address: refused.peer.address.map(|address| address.to_string()).unwrap_or_default(),
                remote_port: Some(refused.peer.port.into()),
                auth_method: refused.method.clone(),
                key_fingerprint: refused.key.as_ref().map(|key| key.fingerprint.clone()).unwrap_or_default(),
            };
            let outcome = Some(v1::Outcome { success: false, errno: None });
            // Its time is that of the hearing.
            self.told.push(Event {
                payload: Some(Payload::LoginFailed(failed)),
                outcome,
                ..Event::default()
            });
            return;
        }
        let match_ = self.sessions.heard(&heard);
        if let Some(key) = match_ {
            self.changed(key);
            return;
        }
        if self.heard.len() >= HEARD_MAX {
            self.heard.pop_front();
        }
        self.heard.push_back((Instant::now(), heard));
    }

    /// Joins what was heard before to a session.
    fn join(&mut self, key: u32) {
        let found = self.heard.iter().position(|(_, heard)| self.sessions.is_of(key, heard));
        if let Some((_, heard)) = found.and_then(|at| self.heard.remove(at)) {
            self.sessions.heard(&heard);
            self.changed(key);
        }
    }

    /// Takes in what was looked up and logged.
    fn take_in(&mut self) {
        while let Some(heard) = self.log.as_ref().and_then(|log| log.try_recv().ok()) {
            self.hear(heard);
        }
        while let Some(seen) = self.looker.seen() {
            self.saw(seen);
        }
    }

    fn saw(&mut self, seen: Seen) {
        match seen {
            Seen::Peer { key, peer } => {
                let origin = peer.and_then(|peer| self.origins.of(peer));
                self.sessions.saw(key, peer, origin);
                self.join(key);
                self.changed(key);
            }
            Seen::Logind { key, logind, .. } => {
                if logind.is_some_and(|logind| self.sessions.saw_logind(key, logind)) {
                    self.changed(key);
                }
            }
        }
    }

    /// Takes in what was looked up and logged, and tells of the sessions whose wait
    /// is over.
    pub fn tick(&mut self, users: &mut Users) {
        self.take_in();
        let now = Instant::now();
        while self.heard.front().is_some_and(|(at, _)| now.duration_since(*at) > HEARD_FOR) {
            self.heard.pop_front();
        }
        self.told.extend(self.sessions.due(now, users));
    }

    fn changed(&mut self, key: u32) {
        let told = &mut self.told;
        self.sessions.updated(key, |start| {
            let payload = Some(Payload::SessionUpdate(SessionUpdate {}));
            told.push(Event { payload, ..start.clone() });
        });
    }

    /// Events of the sensor's own making: sessions, switches, refused logins.
    pub fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told)
    }

    /// Whether something waits to be told.
    pub fn is_waiting(&self) -> bool {
        self.sessions.is_waiting()
    }

    /// Who is on. Forgets sessions of which nothing is left.
    pub fn states(&mut self, processes: &Processes) -> Vec<SessionState> {
        self.sessions.forget(crate::clock::boottime_ns(), processes);
        self.sessions.states(processes)
    }
}

/// The user's name, or the number of one that has none.
fn named(users: &mut Users, uid: u32) -> String {
    let name = users.user(uid);
    if name.is_empty() { uid.to_string() } else { name }
}
