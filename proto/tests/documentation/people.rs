//! Who comes and goes.

use activity_proto::v1::{
    Event, LoginFailed, Outcome, Session, SessionEnd, SessionStart, SessionUpdate, Switch, event::Payload,
};

use crate::own;

/// A login.
pub fn session() -> Session {
    Session {
        id: "b007…-7".into(),
        kind: "ssh".into(),
        user: "alice".into(),
        uid: Some(1001),
        ..Session::default()
    }
}

/// Logins, and steps to other users.
pub fn people() -> Vec<Event> {
    let of_session = |payload, session| Event { session: Some(session), ..own(payload) };
    let by_password = Session { auth_method: "password".into(), ..session() };
    vec![
        of_session(Payload::SessionStart(SessionStart { existing: true }), session()),
        of_session(Payload::SessionUpdate(SessionUpdate {}), by_password),
        of_session(
            Payload::SessionEnd(SessionEnd { duration_ns: Some(60_000_000_000), remaining: 1 }),
            session(),
        ),
        Event {
            outcome: Some(Outcome { success: false, errno: None }),
            ..own(Payload::LoginFailed(LoginFailed {
                user: "admin".into(),
                invalid_user: true,
                remote_address: "192.0.2.9".into(),
                remote_port: Some(40_022),
                auth_method: "password".into(),
                key_fingerprint: String::new(),
            }))
        },
        own(Payload::AccountSwitch(Switch {
            from: "alice".into(),
            to: "postgres".into(),
            by: "su".into(),
            command: vec!["su".into(), "-".into(), "postgres".into()],
            since: None,
        })),
    ]
}
