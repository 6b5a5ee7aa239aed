//! How much an event asks for attention by itself, without knowing more than it says.

use activity_proto::v1::{Event, PtraceOperation, event::Payload};

/// Levels that all formats know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// What happens all day.
    Informational,
    /// Worth a look where it comes often.
    Low,
    /// Worth a look.
    Medium,
    /// Somebody should look now.
    High,
}

impl Severity {
    /// Of an event. This is a mapping, no detection: it knows types and outcomes only.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let Some(payload) = &event.payload else { return Self::Informational };
        match payload {
            Payload::Tamper(_) => Self::High,
            Payload::Silence(silence) if silence.ended.is_none() => Self::High,
            Payload::Gap(_) | Payload::BpfLoad(_) | Payload::ModuleLoad(_) => Self::Medium,
            Payload::Ptrace(ptrace) if ptrace.operation == PtraceOperation::MemoryWrite as i32 => {
                Self::Medium
            }
            Payload::LoginFailed(_) | Payload::Ptrace(_) | Payload::Socket(_) | Payload::ExecMapping(_) => {
                Self::Low
            }
            Payload::Exec(_)
            | Payload::Exit(_)
            | Payload::Open(_)
            | Payload::Connect(_)
            | Payload::Status(_)
            | Payload::Listen(_)
            | Payload::Accept(_)
            | Payload::Rename(_)
            | Payload::Link(_)
            | Payload::Unlink(_)
            | Payload::Chmod(_)
            | Payload::Chown(_)
            | Payload::Mount(_)
            | Payload::CredentialChange(_)
            | Payload::LoginuidSet(_)
            | Payload::FileReceive(_)
            | Payload::SessionStart(_)
            | Payload::SessionUpdate(_)
            | Payload::SessionEnd(_)
            | Payload::AccountSwitch(_)
            | Payload::Heartbeat(_)
            | Payload::Silence(_) => Self::refused(event),
        }
    }

    fn refused(event: &Event) -> Self {
        let failed = event.outcome.as_ref().is_some_and(|outcome| !outcome.success);
        if failed { Self::Low } else { Self::Informational }
    }

    /// `severity_id` of OCSF.
    #[must_use]
    pub fn ocsf(self) -> u32 {
        match self {
            Self::Informational => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
        }
    }

    /// Of CEF, from 0 to 10.
    #[must_use]
    pub fn cef(self) -> u32 {
        match self {
            Self::Informational => 1,
            Self::Low => 3,
            Self::Medium => 5,
            Self::High => 8,
        }
    }

    /// Of syslog: 6 informational, 5 notice, 4 warning, 2 critical.
    #[must_use]
    pub fn syslog(self) -> u32 {
        match self {
            Self::Informational => 6,
            Self::Low => 5,
            Self::Medium => 4,
            Self::High => 2,
        }
    }
}
