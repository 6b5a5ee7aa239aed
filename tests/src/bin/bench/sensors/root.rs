//! Somebody becomes root.

use activity_proto::v1::{CredentialChange, Credentials, Event, Identity, Switch, event::Payload};
use prost_types::Timestamp;

const ROOT: &str = "root";

/// Who sudo's process is from `since` on, and what a sensor tells of that.
pub fn becomes(event: &Event, since: Timestamp) -> (Event, [Event; 2]) {
    let mut root = event.clone();
    let before = root.credentials.replace(credentials()).unwrap_or_default();
    let command = event.process.iter().flat_map(|process| process.argv.iter().skip(1).cloned()).collect();
    let switch =
        Switch { from: before.user, to: ROOT.into(), by: "sudo".into(), command, since: Some(since) };
    if let Some(attribution) = &mut root.attribution {
        attribution.chain.push(ROOT.into());
        attribution.switches.push(switch.clone());
    }
    let change = CredentialChange { old: Some(identity(before.uid)), new: Some(identity(0)) };
    let told = [Payload::CredentialChange(change), Payload::AccountSwitch(switch)]
        .map(|payload| Event { payload: Some(payload), ..root.clone() });
    (root, told)
}

fn credentials() -> Credentials {
    let name = || ROOT.to_owned();
    Credentials {
        user: name(),
        effective_user: name(),
        group: name(),
        effective_group: name(),
        ..Credentials::default()
    }
}

fn identity(uid: u32) -> Identity {
    Identity { uid, euid: uid, suid: uid, fsuid: uid, ..Identity::default() }
}
