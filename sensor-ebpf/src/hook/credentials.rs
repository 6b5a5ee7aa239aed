//! Who a thread is: its users, groups and capabilities, and its login uid.

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit},
    programs::{BtfTracePointContext, FEntryContext, FExitContext},
};
use sensor_types::{
    act::Act,
    credentials::{CredentialChange, Ids},
};

use super::syscall::SystemCall;
use crate::{
    identity::Current,
    kernel::Address,
    maps::{OldLogin, PROCESS_RING, SETTING_LOGINUID, offset},
    ring::{Lost, count, reserve},
    session::{self, Login},
};

/// What `struct cred` says.
#[inline(always)]
fn ids(cred: Address) -> Option<Ids> {
    Some(Ids {
        uid: cred.read(offset!(cred_uid))?,
        euid: cred.read(offset!(cred_euid))?,
        suid: cred.read(offset!(cred_suid))?,
        fsuid: cred.read(offset!(cred_fsuid))?,
        gid: cred.read(offset!(cred_gid))?,
        egid: cred.read(offset!(cred_egid))?,
        sgid: cred.read(offset!(cred_sgid))?,
        fsgid: cred.read(offset!(cred_fsgid))?,
        capabilities: cred.read(offset!(cred_capabilities))?,
    })
}

#[inline(always)]
fn same(one: &Ids, other: &Ids) -> bool {
    one.uid == other.uid
        && one.euid == other.euid
        && one.suid == other.suid
        && one.fsuid == other.fsuid
        && one.gid == other.gid
        && one.egid == other.egid
        && one.sgid == other.sgid
        && one.fsgid == other.fsgid
        && one.capabilities == other.capabilities
}

#[inline(always)]
fn record(current: Current, old: Option<&Ids>, new: &Ids, result: i32) -> Result<(), Lost> {
    let mut record = reserve::<CredentialChange>(&PROCESS_RING)?;
    let change = record.as_mut_ptr();
    // SAFETY: `change` points to the reserved record.
    let header = unsafe {
        (*change).old = *old.unwrap_or(new);
        (*change).new = *new;
        (*change).old_known = old.is_some().into();
        (*change).result = result;
        current.write_header(&raw mut (*change).header, Act::CredentialChange)
    };
    record.finish(header)
}

/// `int commit_creds(struct cred *new)`
///
/// The one place where a thread's credentials change, whatever call or
/// set-user-ID program changes them; the old ones are still in place.
#[fentry]
fn commit_creds(ctx: FEntryContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    let (Some(old), Some(new)) = (own_ids(current), ids(Address(ctx.arg(0)))) else {
        count(Act::CredentialChange, &Err(Lost::Unreadable));
        return 0;
    };
    if !same(&old, &new) {
        let outcome = current.check_policy().and_then(|()| record(current, Some(&old), &new, 0));
        count(Act::CredentialChange, &outcome);
    }
    0
}

/// `trace_sys_exit(struct pt_regs *regs, long ret)`, for the calls that change
/// credentials: what they were before is gone.
#[btf_tracepoint(function = "sys_exit")]
fn call_credentials(ctx: BtfTracePointContext) -> i32 {
    let Some(call) = SystemCall::of(&ctx) else { return 0 };
    let Some(current) = Current::get() else { return 0 };
    // setfsuid and setfsgid return what was before, and never fail.
    let result = if call.result < 0 { call.result as i32 } else { 0 };
    let outcome = current.check_policy().and_then(|()| {
        let new = own_ids(current).ok_or(Lost::Unreadable)?;
        record(current, None, &new, result)
    });
    count(Act::CredentialChange, &outcome);
    0
}

#[inline(always)]
fn own_ids(current: Current) -> Option<Ids> {
    ids(current.task.follow(offset!(task_cred))?)
}

/// `ssize_t proc_loginuid_write(struct file *file, const char __user *buf, size_t count, loff_t *ppos)`
///
/// The only way to set a login uid. `audit_set_loginuid`, which it calls,
/// takes a structure by value, and 5.10 attaches to no such function.
#[fentry]
fn setting_loginuid(_ctx: FEntryContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    let old = OldLogin { loginuid: current.loginuid(), sessionid: current.sessionid() };
    let _ = SETTING_LOGINUID.insert(&current.pid_tgid, &old, 0);
    0
}

/// The same at its return.
#[fexit]
fn set_loginuid(ctx: FExitContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    // SAFETY: this thread's entry is written by nobody else.
    let Some(old) = (unsafe { SETTING_LOGINUID.get(&current.pid_tgid) }).copied() else { return 0 };
    let _ = SETTING_LOGINUID.remove(&current.pid_tgid);
    let written: i64 = ctx.arg(4);
    let login = Login {
        old_loginuid: old.loginuid,
        old_sessionid: old.sessionid,
        new_loginuid: current.loginuid(),
        new_sessionid: current.sessionid(),
        noticed: 0,
        time_ns: 0,
        result: if written < 0 { written as i32 } else { 0 },
        by_login_program: session::runs_login_program(current),
    };
    if written >= 0 {
        session::changed(current, &login);
    }
    count(Act::LoginuidSet, &session::record(current, &login));
    0
}
