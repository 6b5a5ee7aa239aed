//! Login sessions, by thread: begun when a login uid is set, inherited when a
//! thread is made, ended with the thread.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::generated::bpf_ktime_get_boot_ns};
use sensor_types::{
    act::Act,
    credentials::LoginuidSet,
    header::UNSET,
    session::{Program, Session},
};

use crate::{
    identity::Current,
    maps::{LOGIN_PROGRAMS, PROCESS_RING, SESSIONS, offset, wanted},
    ring::{Lost, count, reserve},
};

/// A change of a thread's login uid.
#[derive(Clone, Copy)]
pub struct Login {
    pub old_loginuid: u32,
    pub old_sessionid: u32,
    pub new_loginuid: u32,
    pub new_sessionid: u32,
    /// See [`LoginuidSet::noticed`].
    pub noticed: u32,
    /// Of one that was noticed, right before the act that it was noticed at; else
    /// 0.
    pub time_ns: u64,
    pub result: i32,
    pub by_login_program: bool,
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

/// Whether the thread runs a program that begins sessions.
#[inline(always)]
pub fn runs_login_program(current: Current) -> bool {
    program(current).is_some_and(|program| {
        // SAFETY: nothing of the entry is kept.
        unsafe { LOGIN_PROGRAMS.get(&program) }.is_some()
    })
}

#[inline(always)]
fn program(current: Current) -> Option<Program> {
    let inode =
        current.task.follow(offset!(task_mm))?.follow(offset!(mm_exe_file))?.follow(offset!(file_inode))?;
    let device: u32 = inode.follow(offset!(inode_sb))?.read(offset!(super_block_dev))?;
    Some(Program { inode: inode.read(offset!(inode_ino))?, device: device.into() })
}

/// Takes a change into the map. A login program begins a session, also one that
/// runs in somebody's session itself, having been restarted by hand. What else
/// sets a login uid begins one only where there is none.
#[inline(always)]
pub fn changed(current: Current, login: &Login) {
    // SAFETY: the helper has no preconditions.
    begun(current, login, unsafe { bpf_ktime_get_boot_ns() });
}

#[inline(always)]
fn begun(current: Current, login: &Login, start_ns: u64) {
    let tid = current.tid();
    let known = if login.by_login_program { None } else { of(tid) };
    let mut session = known.unwrap_or(Session {
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
pub fn notice(current: &Current, act: Act, time_ns: u64) -> u32 {
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
        noticed: 1 + act as u32,
        time_ns: time_ns - 1,
        result: 0,
        by_login_program: runs_login_program(*current),
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
        (*set).noticed = login.noticed;
        (*set).result = login.result;
        (*set).by_login_program = login.by_login_program.into();
        (*set).reserved = 0;
        let header = current.write_known_header(&raw mut (*set).header, Act::LoginuidSet);
        // Whoever set it did so as the one before.
        if login.time_ns != 0 {
            (*set).header.boottime_ns = login.time_ns;
        }
        (*set).header.loginuid = login.old_loginuid;
        (*set).header.sessionid = login.old_sessionid;
        header
    };
    record.finish(header)
}
