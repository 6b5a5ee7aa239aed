//! What begins a session.

use activity_proto::v1::{self, Event, LoginuidSet};
use prost_types::Timestamp;

use super::{
    login_program::{Kind, LoginPrograms},
    session::key_of,
};
use crate::enrich::processes::{ProcessId, Processes};

/// What begins a session.
pub struct Begin {
    /// The audit session.
    pub key: u32,
    /// The login uid.
    pub uid: u32,
    /// By which program.
    pub kind: Kind,
    /// The process that set the login uid.
    pub leader: ProcessId,
    /// `None`: it was there before the sensor, or its beginning was lost.
    pub seen: bool,
    /// Its leader lives.
    pub is_over: bool,
    /// Its start, as far as known.
    pub start: Option<Timestamp>,
    /// The envelope of its start event.
    pub event: Event,
}

impl Begin {
    /// A login uid was set: a session begins if a login program did so, or if
    /// there was none.
    pub fn set(
        event: &Event,
        set: &LoginuidSet,
        processes: &Processes,
        programs: &LoginPrograms,
    ) -> Option<Self> {
        let (uid, key) = (set.new_auid?, set.new_session_id?);
        let process = event.process.as_ref()?;
        let leader = ProcessId { pid: process.pid, start_ns: process.start_boottime_ns };
        let entry = processes.get(leader);
        let image =
            entry.map(|entry| if set.at_exec { entry.image_before() } else { entry.image_at(u64::MAX) });
        let is_root = event.credentials.as_ref().is_some_and(|credentials| credentials.euid == 0);
        let kind = image.and_then(|image| programs.kind_of(image.exe())).filter(|_| is_root || set.at_exec);
        let kind = kind.or(set.by_login_program.then_some(Kind::Service));
        let had_one = set.old_auid.is_some() || entry.is_some_and(|entry| entry.who.session.is_some());
        if kind.is_none() && had_one {
            return None;
        }
        let login =
            v1::Login { auid: Some(uid), session_id: Some(key), ..event.login.clone().unwrap_or_default() };
        let event = Event { login: Some(login), outcome: None, truncated: Vec::new(), ..event.clone() };
        let start = event.time;
        let kind = kind.unwrap_or(Kind::Claimed);
        Some(Self { key, uid, kind, leader, seen: true, is_over: false, start, event })
    }

    /// An event of a session of which nothing was heard.
    pub fn met(event: &Event, processes: &Processes, programs: &LoginPrograms) -> Option<Self> {
        let login = event.login.as_ref()?;
        let (key, uid) = (key_of(event)?, login.first_auid.or(login.auid)?);
        let process = event.process.as_ref()?;
        let mut leader = ProcessId { pid: process.pid, start_ns: process.start_boottime_ns };
        for _ in 0..super::attribution::DEPTH {
            let parent = processes.get(leader).and_then(|entry| entry.who.parent);
            match parent.and_then(|id| Some((id, processes.get(id)?))) {
                Some((id, entry)) if entry.who.session == Some(key) => leader = id,
                _ => break,
            }
        }
        let image = processes.get(leader).map(|entry| entry.image_at(u64::MAX));
        let kind = image.and_then(|image| programs.kind_of(image.exe())).unwrap_or(Kind::Unknown);
        let event = Event { outcome: None, truncated: Vec::new(), ..event.clone() };
        Some(Self { key, uid, kind, leader, seen: false, is_over: false, start: None, event })
    }
}
