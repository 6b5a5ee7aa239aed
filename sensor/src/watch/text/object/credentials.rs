//! Who a thread is.

use std::fmt::Write as _;

use activity_proto::v1::{CredentialChange, Identity, LoginuidSet};

use super::Object;

/// What became different; without the old ones, or where nothing did, what is.
pub fn changed(change: &CredentialChange) -> Object {
    let new = change.new.unwrap_or_default();
    let mut body = change.old.map(|old| differences(&old, &new)).unwrap_or_default();
    if body.is_empty() {
        for (name, number) in numbers(&new).into_iter().filter(|(name, _)| SHORT.contains(name)) {
            push(&mut body, &format!("{name} {number}"));
        }
    }
    Object { body, keep_end: 0, ..Object::default() }
}

/// What says enough where nothing became different.
const SHORT: [&str; 4] = ["uid", "euid", "gid", "egid"];

fn numbers(of: &Identity) -> [(&'static str, u32); 8] {
    [
        ("uid", of.uid),
        ("euid", of.euid),
        ("suid", of.suid),
        ("fsuid", of.fsuid),
        ("gid", of.gid),
        ("egid", of.egid),
        ("sgid", of.sgid),
        ("fsgid", of.fsgid),
    ]
}

fn differences(old: &Identity, new: &Identity) -> String {
    let mut text = String::new();
    for ((name, old), (_, new)) in numbers(old).into_iter().zip(numbers(new)) {
        if old != new {
            push(&mut text, &format!("{name} {old}→{new}"));
        }
    }
    let (old, new) = (old.effective_capabilities, new.effective_capabilities);
    if old != new {
        push(&mut text, &format!("capabilities {old:x}→{new:x}"));
    }
    text
}

fn push(text: &mut String, word: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(word);
}

/// The login uid before and after, and its session.
pub fn loginuid_set(set: &LoginuidSet) -> Object {
    let uid = |uid: Option<u32>| uid.map_or_else(|| "unset".to_owned(), |uid| uid.to_string());
    let mut body = format!("{}→{}", uid(set.old_auid), uid(set.new_auid));
    if let Some(session) = set.new_session_id {
        // Writing to a String does not fail.
        let _ = write!(body, " session {session}");
    }
    let hint = if set.noticed { " [noticed later]".to_owned() } else { String::new() };
    Object { body, keep_end: 0, hint, ..Object::default() }
}
