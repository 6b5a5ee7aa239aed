//! Login sessions, by thread: begun when a login uid is set, inherited when a
//! thread is made, ended with the thread.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::generated::bpf_ktime_get_boot_ns};
use sensor_types::{act::Act, credentials::LoginuidSet, header::UNSET, session::Session};

use crate::{
    identity::Current,
    maps::{PROCESS_RING, SESSIONS, wanted},
    ring::{Lost, count, reserve},
};

/// A change of a thread's login uid.
#[derive(Clone, Copy)]
pub struct Login {
    pub old_loginuid: u32,
    pub old_sessionid: u32,
    pub new_loginuid: u32,
    pub new_sessionid: u32,
    /// Seen later than it happened.
    pub noticed: bool,
    pub result: i32,
}

/// The session a thread is in.
#[inline(always)]
pub fn of(tid: u32) -> Option<Session> {
    // SAFETY: read at once into a copy; a thread's entry is written by itself
    // and by the one that makes it, before it runs.
    unsafe { SESSIONS.get(&tid) }.copied()
}

/// A thread was made: it is in its maker's session.
#[inline(always)]
pub fn inherit(maker: u32, child: u32) {
    if let Some(session) = of(maker) {
        // Without room the child's login uid is still in its records.
        let _ = SESSIONS.insert(&child, &session, u64::from(BPF_NOEXIST));
    }
}

/// A thread has ended: its id may be another's soon.
#[inline(always)]
pub fn end(tid: u32) {
    let _ = SESSIONS.remove(&tid);
}

/// The key whose presence says that the daemon has put in what was there before
/// it: no thread has it.
const COMPLETE: u32 = 0;

/// Takes a change into the map: the first login uid begins a session, which
/// stays when another is written over it.
#[inline(always)]
pub fn changed(current: Current, login: &Login) {
    // SAFETY: the helper has no preconditions.
    begun(current, login, unsafe { bpf_ktime_get_boot_ns() });
}

#[inline(always)]
fn begun(current: Current, login: &Login, start_ns: u64) {
    let tid = current.tid();
    let mut session = of(tid).unwrap_or(Session {
        start_ns,
        loginuid: login.new_loginuid,
        sessionid: login.new_sessionid,
        last_loginuid: 0,
        last_sessionid: 0,
    });
    session.last_loginuid = login.new_loginuid;
    session.last_sessionid = login.new_sessionid;
    let _ = SESSIONS.insert(&tid, &session, 0);
}

/// Compares the thread's login uid with what is known of it: the hook that
/// tells of a setting is not there on every kernel. The daemon has put in what
/// was set before it came, so an entry that is missing is a new login.
#[inline(never)]
pub fn notice(current: &Current) -> u32 {
    let now = current.loginuid();
    let known = of(current.tid());
    let (old_loginuid, old_sessionid) =
        known.map_or((UNSET, UNSET), |session| (session.last_loginuid, session.last_sessionid));
    if now == old_loginuid {
        return 0;
    }
    let login = Login {
        old_loginuid,
        old_sessionid,
        new_loginuid: now,
        new_sessionid: current.sessionid(),
        noticed: true,
        result: 0,
    };
    if of(COMPLETE).is_none() {
        begun(*current, &login, 0);
        return 0;
    }
    changed(*current, &login);
    if wanted(Act::LoginuidSet) {
        count(Act::LoginuidSet, &record(*current, &login));
    }
    0
}

/// Records a setting.
#[inline(always)]
pub fn record(current: Current, login: &Login) -> Result<(), Lost> {
    let mut record = reserve::<LoginuidSet>(&PROCESS_RING)?;
    let set = record.as_mut_ptr();
    // SAFETY: `set` points to the reserved record.
    let header = unsafe {
        (*set).old_loginuid = login.old_loginuid;
        (*set).old_sessionid = login.old_sessionid;
        (*set).new_loginuid = login.new_loginuid;
        (*set).new_sessionid = login.new_sessionid;
        (*set).noticed = login.noticed.into();
        (*set).result = login.result;
        let header = current.write_known_header(&raw mut (*set).header, Act::LoginuidSet);
        // Whoever set it did so as the one before.
        (*set).header.loginuid = login.old_loginuid;
        (*set).header.sessionid = login.old_sessionid;
        header
    };
    record.finish(header)
}
