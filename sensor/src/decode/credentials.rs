//! Who a thread is, changed.

use activity_proto::v1::{self, Event, Identity, event::Payload};
use sensor_types::{
    act::Act,
    credentials::{CredentialChange, Ids, LoginuidSet},
};

use super::{DecodeError, fixed, outcome, set};

/// A thread's users, groups or capabilities changed.
pub fn changed(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let change: CredentialChange = fixed(record)?;
    event.outcome = Some(outcome(change.result));
    event.payload = Some(Payload::CredentialChange(v1::CredentialChange {
        old: (change.old_known == 1).then(|| identity(&change.old)),
        new: Some(identity(&change.new)),
    }));
    Ok(())
}

fn identity(ids: &Ids) -> Identity {
    Identity {
        uid: ids.uid,
        euid: ids.euid,
        suid: ids.suid,
        fsuid: ids.fsuid,
        gid: ids.gid,
        egid: ids.egid,
        sgid: ids.sgid,
        fsgid: ids.fsgid,
        effective_capabilities: ids.capabilities,
    }
}

/// A thread's login uid was set.
pub fn loginuid_set(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let change: LoginuidSet = fixed(record)?;
    event.outcome = Some(outcome(change.result));
    event.payload = Some(Payload::LoginuidSet(v1::LoginuidSet {
        old_auid: set(change.old_loginuid),
        old_session_id: set(change.old_sessionid),
        new_auid: set(change.new_loginuid),
        new_session_id: set(change.new_sessionid),
        noticed: change.noticed != 0,
        at_exec: change.noticed == 1 + Act::Exec as u32,
        by_login_program: change.by_login_program == 1,
    }));
    Ok(())
}
