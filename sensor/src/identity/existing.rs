//! The sessions that were there before the sensor, from the process table as
//! /proc gave it.

use std::{collections::HashMap, sync::Arc};

use activity_proto::v1::{Event, Login, Process};

use super::{
    begin::Begin,
    chain::Step,
    login_program::{Kind, LoginPrograms},
    session::Sessions,
};
use crate::{
    clock,
    enrich::{
        processes::{ProcessId, Processes},
        users::Users,
    },
};

/// Programs that make another user of their child rather than of themselves.
const SWITCHERS: [&[u8]; 5] = [b"su", b"sudo", b"runuser", b"doas", b"pkexec"];

/// A process that was there before the sensor, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Which.
    pub id: ProcessId,
    /// Its real user id.
    pub real_uid: u32,
    /// Its login uid, where there is one, with the audit session.
    pub login: Option<(u32, u32)>,
}

/// The sessions of those processes.
pub fn sessions(found: &[Found], processes: &Processes, programs: &LoginPrograms) -> Vec<Begin> {
    let mut leaders: HashMap<u32, (ProcessId, u32)> = HashMap::new();
    for Found { id, login, .. } in found {
        let Some((uid, key)) = *login else { continue };
        let parent = processes.get(*id).and_then(|entry| entry.who.parent);
        let leads = parent.and_then(|parent| processes.get(parent)?.who.session) != Some(key);
        let first = leaders.get(&key).is_none_or(|(known, _)| id.start_ns < known.start_ns);
        if leads && first {
            leaders.insert(key, (*id, uid));
        }
    }
    let mut begins: Vec<Begin> = leaders
        .into_iter()
        .filter_map(|(key, (leader, uid))| begin(processes, programs, key, leader, uid))
        .collect();
    begins.sort_by_key(|begin| begin.key);
    begins
}

fn begin(
    processes: &Processes,
    programs: &LoginPrograms,
    key: u32,
    leader: ProcessId,
    uid: u32,
) -> Option<Begin> {
    let entry = processes.get(leader)?;
    let kind = programs.kind_of(entry.image_at(u64::MAX).exe());
    let wall = clock::wall_offset_ns();
    let start = kind.map(|_| crate::decode::timestamp(leader.start_ns.saturating_add(wall)));
    let mut process = Process { pid: leader.pid, start_boottime_ns: leader.start_ns, ..Process::default() };
    processes.describe(u64::MAX, &mut process);
    let now = clock::boottime_ns();
    let event = Event {
        time: Some(crate::decode::timestamp(now.saturating_add(wall))),
        boottime_ns: now,
        process: Some(process),
        login: Some(Login { auid: Some(uid), session_id: Some(key), ..Login::default() }),
        ..Event::default()
    };
    let is_over = kind.is_none();
    Some(Begin { key, uid, kind: kind.unwrap_or(Kind::Unknown), leader, seen: false, is_over, start, event })
}

/// The users on the way, from the users that the processes of a session have.
pub fn chains(found: &[Found], processes: &mut Processes, sessions: &Sessions, users: &mut Users) {
    let mut order: Vec<&Found> = found.iter().filter(|found| found.login.is_some()).collect();
    // Parents before their children.
    order.sort_by_key(|found| found.id.start_ns);
    for found in order {
        let Some(entry) = processes.get(found.id) else { continue };
        let Some(session) = entry.who.session.and_then(|key| sessions.get(key)) else { continue };
        if found.id.pid == session.leader.pid {
            continue;
        }
        let parent = entry.who.parent.and_then(|parent| processes.get(parent));
        let parent = parent.filter(|parent| parent.who.session == entry.who.session);
        let mut chain = parent.map(|parent| parent.who.chain.of_child()).unwrap_or_default();
        let by_parent = parent.map(|parent| parent.image_at(u64::MAX));
        let by_parent = by_parent.filter(|image| SWITCHERS.contains(&image.name()));
        let by = Arc::clone(by_parent.unwrap_or_else(|| entry.image_at(u64::MAX)));
        let step = Step::to(found.real_uid, users.user(found.real_uid), &by, None);
        chain.add(&session.base(users), step, 0);
        if let Some(entry) = processes.get_mut(found.id) {
            entry.who.chain = chain;
        }
    }
}
