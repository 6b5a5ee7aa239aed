//! From evidence to a name: who is behind an event, how that is known and how
//! sure it is.

use activity_proto::v1::{self, Actor, ActorLink, Attribution, Confidence, Event, Method, Reason};

use super::{
    chain::{Chains, Step},
    login_program::LoginPrograms,
    multiplexer::{self, Attached, Client},
    session::{Session, Sessions, key_of},
};
use crate::enrich::processes::{Entry, ProcessId, Processes};

/// Parents that are looked at, at most, on the way up to a session's leader.
pub const DEPTH: usize = 64;

/// All that is known.
pub struct Evidence<'a> {
    /// The process table.
    pub processes: &'a Processes,
    /// Login sessions.
    pub sessions: &'a Sessions,
    /// Clients of terminal multiplexers.
    pub attached: &'a Attached,
    /// Programs that begin sessions.
    pub programs: &'a LoginPrograms,
}

/// What an event is to say.
#[derive(Default)]
pub struct Named {
    /// The session the act belongs to.
    pub session: Option<v1::Session>,
    /// Who is behind it.
    pub attribution: Attribution,
    /// The event's session is not among the known ones.
    pub is_unknown_session: bool,
}

impl Evidence<'_> {
    /// Who is behind an event.
    pub fn of(&self, event: &Event) -> Named {
        let Some(process) = &event.process else { return Named::default() };
        let id = ProcessId { pid: process.pid, start_ns: process.start_boottime_ns };
        let entry = self.processes.get(id);
        // Login uids are a thread's own; what is known of the process is no match
        // for the kernel's word.
        let Some(key) = key_of(event) else { return self.without_login(event, entry) };
        let Some(session) = self.sessions.get(key) else {
            return Named { is_unknown_session: true, ..Named::default() };
        };
        let mut named = self.in_session(event, entry, id, key, session);
        self.write_chain(event, entry, &mut named.attribution);
        named
    }

    /// Whether nothing that is heard later makes another act of this program another
    /// human's, as somebody who comes to a terminal multiplexer does.
    pub fn is_settled(&self, event: &Event) -> bool {
        let (Some(process), Some(attribution)) = (&event.process, &event.attribution) else { return false };
        let id = ProcessId { pid: process.pid, start_ns: process.start_boottime_ns };
        let entry = self.processes.get(id);
        entry.is_some()
            && attribution.method() == Method::Kernel
            && attribution.confidence() == Confidence::High
            && attribution.others.is_empty()
            && self.server_of(entry, id, event.boottime_ns).is_none()
    }

    /// What nobody logged in for.
    fn without_login(&self, event: &Event, entry: Option<&Entry>) -> Named {
        let in_container = event.place.as_ref().is_some_and(|place| !place.container_id.is_empty());
        let reason = if in_container { Reason::Container } else { Reason::NoLogin };
        let asker = entry.and_then(|entry| self.sessions.get(entry.who.asked_by?));
        let attribution = match asker {
            Some(asker) => inferred(asker, Vec::new(), reason),
            None => Attribution { reason: reason.into(), ..Attribution::default() },
        };
        Named { session: asker.map(|asker| asker.message.clone()), attribution, is_unknown_session: false }
    }

    fn in_session(
        &self,
        event: &Event,
        entry: Option<&Entry>,
        id: ProcessId,
        key: u32,
        session: &Session,
    ) -> Named {
        let time = event.boottime_ns;
        let named = |session: &Session, attribution| Named {
            session: Some(session.message.clone()),
            attribution,
            is_unknown_session: false,
        };
        if let Some(asker) = session.asked_by.or(entry.and_then(|entry| entry.who.asked_by))
            && let Some(asker) = self.sessions.get(asker)
            && !asker.is_same_person(session)
        {
            let owner = actor(session, ActorLink::Owner);
            return named(session, inferred(asker, vec![owner], Reason::Unspecified));
        }
        if let Some(server) = self.server_of(entry, id, time) {
            let began = entry.map_or(0, Entry::began_ns);
            let clients = self.attached.clients(self.processes, server);
            let clients = multiplexer::behind(&clients, began, time);
            if !clients.is_empty() {
                return self.in_multiplexer(session, key, began, &clients);
            }
        }
        let mut attribution = of_session(session);
        let login = event.login.as_ref();
        // A setting is the act of who it was before.
        let is_rewritten = login.and_then(|login| login.auid) != Some(session.uid)
            || login.is_some_and(|login| login.first_session_id.is_some());
        if is_rewritten {
            attribution.method = Method::Session.into();
            lower(&mut attribution, Confidence::Medium, Reason::Rewritten);
        }
        if self.has_left(session, id, time) {
            attribution.method = Method::Inherited.into();
            attribution.detached = true;
            lower(&mut attribution, Confidence::Low, Reason::Detached);
        }
        named(session, attribution)
    }

    /// The multiplexer's server that a process runs in, or is.
    fn server_of(&self, entry: Option<&Entry>, id: ProcessId, time: u64) -> Option<ProcessId> {
        let entry = entry?;
        if multiplexer::is_one(entry.image_at(time)) {
            return Some(id);
        }
        entry.who.multiplexer
    }

    /// In a terminal that several may type into.
    fn in_multiplexer(&self, owner: &Session, key: u32, began: u64, clients: &[Client]) -> Named {
        let sessions = |client: &Client| self.sessions.get(client.session);
        let is_own = |client: &&Client| {
            client.session == key || sessions(client).is_some_and(|session| session.is_same_person(owner))
        };
        let own = clients.iter().find(is_own);
        let mut others: Vec<(&Client, &Session)> = Vec::new();
        for client in clients.iter().filter(|client| !is_own(client)) {
            if let Some(session) = sessions(client)
                && !others.iter().any(|(_, known)| known.is_same_person(session))
            {
                others.push((client, session));
            }
        }
        let mut attribution = of_session(owner);
        match (own, others.as_slice()) {
            (Some(own), []) => {
                let session = sessions(own).unwrap_or(owner);
                if own.session != key {
                    // Another login of the same person's, to which the server
                    // was not started.
                    lower(&mut attribution, Confidence::Medium, Reason::Unspecified);
                    attribution.method = Method::Session.into();
                }
                return Named { session: Some(session.message.clone()), attribution, ..Named::default() };
            }
            (None, [(client, session)]) if !client.came_after(began) => {
                let owner = actor(owner, ActorLink::Owner);
                let attribution = inferred(session, vec![owner], Reason::Unspecified);
                return Named { session: Some(session.message.clone()), attribution, ..Named::default() };
            }
            _ => {}
        }
        lower(&mut attribution, Confidence::Low, Reason::SharedTerminal);
        attribution.others = others.iter().map(|(_, session)| actor(session, ActorLink::Attached)).collect();
        Named { session: Some(owner.message.clone()), attribution, ..Named::default() }
    }

    /// Whether the session is over, or the process no longer hangs below what
    /// began it.
    fn has_left(&self, session: &Session, id: ProcessId, time: u64) -> bool {
        if session.over_ns.is_some_and(|over| over <= time) {
            return true;
        }
        let mut at = id;
        for _ in 0..DEPTH {
            if at.pid == session.leader.pid {
                return false;
            }
            let Some(parent) = self.processes.get(at).and_then(|entry| entry.who.parent) else {
                return false;
            };
            match self.processes.get(parent) {
                Some(entry) if !entry.is_over(time) => at = parent,
                _ => return true,
            }
        }
        false
    }

    /// The users from the login to the one of the moment.
    fn write_chain(&self, event: &Event, entry: Option<&Entry>, attribution: &mut Attribution) {
        let Some(uid) = attribution.uid else { return };
        let steps: &[Step] = entry.map_or(&[], |entry| entry.who.chain.at(event.boottime_ns));
        attribution.chain.push(attribution.user.clone());
        attribution.chain.extend(steps.iter().map(|step| step.switch.to.clone()));
        attribution.switches.extend(steps.iter().map(|step| step.switch.clone()));
        let Some(credentials) = &event.credentials else { return };
        // A login program works as root before it becomes the user.
        let logs_in = entry
            .is_some_and(|entry| self.programs.kind_of(entry.image_at(event.boottime_ns).exe()).is_some());
        if credentials.euid != Chains::last_uid(steps, uid) && !logs_in {
            let name = &credentials.effective_user;
            let name = if name.is_empty() { credentials.euid.to_string() } else { name.clone() };
            attribution.chain.push(name);
        }
        attribution.chain.retain(|name| !name.is_empty());
    }
}

/// That of an act of the session's own, nothing else being known.
pub fn of_session(session: &Session) -> Attribution {
    let (confidence, reason) = session.certainty;
    Attribution {
        uid: Some(session.uid),
        user: session.message.user.clone(),
        method: Method::Kernel.into(),
        confidence: confidence.into(),
        reason: reason.into(),
        ..Attribution::default()
    }
}

fn inferred(session: &Session, others: Vec<Actor>, reason: Reason) -> Attribution {
    Attribution {
        method: Method::Inferred.into(),
        confidence: Confidence::Low.into(),
        reason: reason.into(),
        others,
        ..of_session(session)
    }
}

/// Not surer than this, and why; the reason of the lesser confidence stays.
fn lower(attribution: &mut Attribution, to: Confidence, reason: Reason) {
    let is_lower = i32::from(to) < attribution.confidence;
    if is_lower || attribution.reason == i32::from(Reason::Unspecified) {
        attribution.reason = reason.into();
    }
    if is_lower {
        attribution.confidence = to.into();
    }
}

fn actor(session: &Session, link: ActorLink) -> Actor {
    Actor {
        uid: session.uid,
        user: session.message.user.clone(),
        session_id: session.message.id.clone(),
        link: link.into(),
    }
}
