//! Who comes and goes.

use activity_proto::v1::{LoginFailed, Session, SessionEnd, SessionStart, Switch};

use super::{Object, word};

/// `ssh from 127.0.0.2:40022 by publickey SHA256:…`
pub fn start(start: &SessionStart, session: Option<&Session>) -> Object {
    let hint = if start.existing { " [was there before]" } else { "" };
    Object { body: described(session), keep_end: 0, hint: hint.to_owned(), ..Object::default() }
}

/// What is known by now.
pub fn update(session: Option<&Session>) -> Object {
    Object { body: described(session), keep_end: 0, ..Object::default() }
}

/// How long it was, and what goes on.
pub fn end(end: &SessionEnd, session: Option<&Session>) -> Object {
    let mut body = described(session);
    if let Some(duration) = end.duration_ns {
        push(&mut body, &format!("after {} s", duration / 1_000_000_000));
    }
    if end.remaining > 0 {
        push(&mut body, &format!("{} processes go on", end.remaining));
    }
    Object { body, keep_end: 0, ..Object::default() }
}

/// Who was refused, and where they came from.
pub fn failed(failed: &LoginFailed) -> Object {
    let mut body = word(failed.user.as_bytes());
    if failed.invalid_user {
        push(&mut body, "(no such user)");
    }
    push_from(&mut body, &failed.remote_address, failed.remote_port);
    push_how(&mut body, &failed.auth_method, &failed.key_fingerprint);
    Object { body, keep_end: 0, ..Object::default() }
}

/// `alice→root by sudo -i`
pub fn switch(switch: &Switch) -> Object {
    let mut body = format!("{}→{} by", word(switch.from.as_bytes()), word(switch.to.as_bytes()));
    if switch.command.is_empty() {
        push(&mut body, &word(switch.by.as_bytes()));
    }
    switch.command.iter().for_each(|argument| push(&mut body, &word(argument)));
    Object { body, keep_end: 0, ..Object::default() }
}

fn described(session: Option<&Session>) -> String {
    let Some(session) = session else { return String::new() };
    let mut body = word(session.kind.as_bytes());
    push_from(&mut body, &session.remote_address, session.remote_port);
    push_how(&mut body, &session.auth_method, &session.key_fingerprint);
    body
}

fn push_from(body: &mut String, address: &str, port: Option<u32>) {
    if address.is_empty() {
        return;
    }
    push(body, &format!("from {}", word(address.as_bytes())));
    if let Some(port) = port {
        body.push_str(&format!(":{port}"));
    }
}

fn push_how(body: &mut String, method: &str, key: &str) {
    if !method.is_empty() {
        push(body, &format!("by {}", word(method.as_bytes())));
    }
    if !key.is_empty() {
        push(body, &word(key.as_bytes()));
    }
}

fn push(body: &mut String, more: &str) {
    if !body.is_empty() {
        body.push(' ');
    }
    body.push_str(more);
}
