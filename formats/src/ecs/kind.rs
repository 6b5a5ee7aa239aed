//! What kind of event it is, in the words that ECS allows.

use activity_proto::v1::{Access, Event, MountOperation, Open, event::Payload};

use crate::ocsf::{gap_message, silence_message, tamper_message};

/// Fields of `event` that follow from its type.
pub struct Kind {
    pub kind: &'static str,
    pub categories: &'static [&'static str],
    pub types: &'static [&'static str],
    /// A refusal makes it `denied` as well, which only some categories know.
    pub can_be_denied: bool,
    pub outcome: Option<&'static str>,
    pub duration_ns: Option<u64>,
    pub reason: Option<&'static str>,
    pub message: Option<String>,
}

impl Kind {
    fn event(categories: &'static [&'static str], types: &'static [&'static str]) -> Self {
        Self {
            kind: "event",
            categories,
            types,
            can_be_denied: false,
            outcome: None,
            duration_ns: None,
            reason: None,
            message: None,
        }
    }

    /// Something of the sensor itself.
    fn own(kind: &'static str, message: Option<String>) -> Self {
        Self { kind, message, ..Self::event(&["host"], &["info"]) }
    }

    /// Of an event.
    pub fn of(event: &Event) -> Self {
        let Some(payload) = &event.payload else { return Self::event(&[], &["info"]) };
        match payload {
            Payload::Exec(_) => Self::event(&["process"], &["start"]),
            Payload::Exit(exit) => {
                Self { duration_ns: Some(exit.duration_ns), ..Self::event(&["process"], &["end"]) }
            }
            Payload::Open(open) => Self::event(&["file"], opened(open)),
            Payload::FileReceive(_) => Self::event(&["file"], &["access"]),
            Payload::Rename(_) | Payload::Chmod(_) | Payload::Chown(_) => Self::event(&["file"], &["change"]),
            Payload::Link(_) => Self::event(&["file"], &["creation"]),
            Payload::Unlink(_) => Self::event(&["file"], &["deletion"]),
            Payload::Mount(mount) if mount.operation == MountOperation::Unmount as i32 => {
                Self::event(&["host"], &["end"])
            }
            Payload::Mount(_) => Self::event(&["host"], &["change"]),
            Payload::Connect(_) => {
                Self { can_be_denied: true, ..Self::event(&["network"], &["connection", "start"]) }
            }
            Payload::Accept(_) => Self::event(&["network"], &["connection", "start"]),
            Payload::Listen(_) | Payload::Socket(_) => Self::event(&["network"], &["info"]),
            Payload::CredentialChange(_) | Payload::LoginuidSet(_) => Self::event(&["process"], &["change"]),
            Payload::Ptrace(_) => Self::event(&["process"], &["access"]),
            Payload::BpfLoad(_) | Payload::ModuleLoad(_) => Self::event(&["driver"], &["start"]),
            Payload::ExecMapping(_) => Self::event(&["library"], &["start"]),
            Payload::SessionStart(_) => {
                Self { outcome: Some("success"), ..Self::event(&["authentication", "session"], &["start"]) }
            }
            Payload::SessionUpdate(_) => Self::event(&["session"], &["info"]),
            Payload::SessionEnd(end) => {
                Self { duration_ns: end.duration_ns, ..Self::event(&["session"], &["end"]) }
            }
            Payload::LoginFailed(failed) => Self {
                outcome: Some("failure"),
                reason: failed.invalid_user.then_some("there is no such user"),
                ..Self::event(&["authentication"], &["start"])
            },
            Payload::AccountSwitch(_) => Self::event(&["session"], &["info"]),
            Payload::Status(_) => Self::own("state", None),
            Payload::Heartbeat(_) => Self::own("metric", None),
            Payload::Gap(gap) => Self::own("state", Some(gap_message(gap))),
            Payload::Silence(silence) => Self::own("state", Some(silence_message(silence))),
            Payload::Tamper(tamper) => {
                Self { message: Some(tamper_message(tamper)), ..Self::event(&["configuration"], &["change"]) }
            }
        }
    }
}

fn opened(open: &Open) -> &'static [&'static str] {
    let has = |access: Access| open.access.contains(&access.into());
    if has(Access::Create) {
        &["creation"]
    } else if has(Access::Truncate) {
        &["change"]
    } else {
        &["access"]
    }
}
