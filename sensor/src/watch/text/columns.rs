//! The columns left of the object: when, who, in which login, what, by which
//! process. They are never cut: a wide value widens its column up to a limit,
//! and beyond that moves the rest of its own line.

use std::fmt::Write as _;

use activity_proto::{
    json::escape_bytes,
    v1::{Attribution, Confidence, Credentials, Event, EventType, Login, Method, Process},
};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    line::{Ink, Line},
    quote::word,
};

/// Width of the longest of the types that are seen all the time.
const TYPE_WIDTH: usize = 7;

/// A column that widens with what it has shown, so that it moves seldom.
#[derive(Debug)]
struct Column {
    width: usize,
    most: usize,
}

impl Column {
    /// Pads the line to the end of this column, which began at `start`, and
    /// to the space behind it.
    fn end(&mut self, line: &mut Line, start: usize) {
        let used = line.width() - start;
        self.width = self.width.max(used.min(self.most));
        line.pad(start + self.width.max(used) + 1);
    }
}

/// The widths at the moment.
#[derive(Debug)]
pub struct Columns {
    /// Wide enough for milliseconds or for seconds.
    time: usize,
    user: Column,
    login: Column,
    kind: Column,
    process: Column,
}

impl Columns {
    /// Columns for a terminal where room is scarce, or for one where it is not.
    pub fn new(narrow: bool) -> Self {
        let column = |width, most| Column { width, most };
        let kind = column(TYPE_WIDTH, TYPE_WIDTH);
        if narrow {
            Self { time: 8, user: column(6, 10), login: column(6, 8), kind, process: column(11, 16) }
        } else {
            Self { time: 12, user: column(10, 16), login: column(7, 10), kind, process: column(14, 22) }
        }
    }

    /// Appends the names of the columns.
    pub fn push_header(&mut self, line: &mut Line) {
        let mut named = |name, column: &mut Column| {
            let start = line.width();
            line.push(Ink::Faint, name);
            column.end(line, start);
        };
        named("TIME", &mut Column { width: self.time, most: self.time });
        named("USER", &mut self.user);
        named("LOGIN", &mut self.login);
        named("TYPE", &mut self.kind);
        named("PROCESS", &mut self.process);
        line.push(Ink::Faint, "OBJECT");
    }

    /// Appends the local time of the event.
    pub fn push_time(&self, line: &mut Line, event: &Event, zone: &TimeZone) {
        let time = event.time.and_then(|time| Timestamp::new(time.seconds, time.nanos).ok());
        if let Some(time) = time {
            let at = zone.to_datetime(time);
            let millisecond = at.subsec_nanosecond() / 1_000_000;
            let text = format!("{:02}:{:02}:{:02}.{millisecond:03}", at.hour(), at.minute(), at.second());
            line.push(Ink::Faint, text.get(..self.time).unwrap_or(&text));
        }
        line.pad(self.after_time());
    }

    /// Where the column behind the time begins.
    pub fn after_time(&self) -> usize {
        self.time + 1
    }

    /// Appends everything left of the object.
    pub fn push(&mut self, line: &mut Line, event: &Event, zone: &TimeZone) {
        self.push_time(line, event, zone);

        let start = line.width();
        push_user(line, event);
        self.user.end(line, start);

        let start = line.width();
        line.push(Ink::Faint, &login(event.login.as_ref()));
        self.login.end(line, start);

        let start = line.width();
        let kind = event.event_type();
        let name = if kind == EventType::Unspecified { "unknown" } else { kind.short_name() };
        line.push(type_ink(kind), name);
        self.kind.end(line, start);

        let start = line.width();
        if let Some(process) = &event.process {
            push_process(line, process);
        }
        self.process.end(line, start);
    }
}

fn type_ink(kind: EventType) -> Ink {
    match kind {
        EventType::Exec => Ink::Exec,
        EventType::Connect | EventType::Listen | EventType::Accept | EventType::Socket => Ink::Connect,
        EventType::Exit | EventType::Heartbeat => Ink::Faint,
        EventType::Open
        | EventType::Rename
        | EventType::Link
        | EventType::Unlink
        | EventType::Chmod
        | EventType::Chown
        | EventType::FileReceive
        | EventType::Unspecified => Ink::Plain,
        EventType::CredentialChange
        | EventType::LoginuidSet
        | EventType::SessionStart
        | EventType::SessionUpdate
        | EventType::SessionEnd
        | EventType::AccountSwitch
        | EventType::Mount
        | EventType::Ptrace
        | EventType::BpfLoad
        | EventType::ModuleLoad
        | EventType::ExecMapping => Ink::Switched,
        EventType::Gap
        | EventType::Status
        | EventType::Silence
        | EventType::Tamper
        | EventType::LoginFailed => Ink::Alarm,
    }
}

/// `alice`, `alice→root` when she has become somebody else, `alice?` when it
/// is not known for certain that it was her.
fn push_user(line: &mut Line, event: &Event) {
    let effective = event.credentials.as_ref().map(|of| (of.euid, name(&of.effective_user, of.euid)));
    let human = human(event);
    if let Some((_, human)) = &human {
        line.push(Ink::User, human);
        if event.attribution.as_ref().is_some_and(is_uncertain) {
            line.push(Ink::User, "?");
        }
    }
    match (human, effective) {
        (Some((uid, _)), Some((euid, _))) if uid == euid => {}
        (Some(_), Some((_, effective))) => {
            line.push(Ink::Switched, "→");
            line.push(Ink::Switched, &effective);
        }
        (Some(_), None) => {}
        (None, _) => line.push(Ink::Faint, "-"),
    }
}

/// The human behind the act; for what no human is behind, the user it ran as.
fn human(event: &Event) -> Option<(u32, String)> {
    let attributed = |of: &Attribution| of.uid.map(|uid| (uid, name(&of.user, uid)));
    let logged_in = |of: &Login| of.auid.map(|auid| (auid, name(&of.user, auid)));
    let ran_as = |of: &Credentials| (of.uid, name(&of.user, of.uid));
    event
        .attribution
        .as_ref()
        .and_then(attributed)
        .or_else(|| event.login.as_ref().and_then(logged_in))
        .or_else(|| event.credentials.as_ref().map(ran_as))
}

fn is_uncertain(attribution: &Attribution) -> bool {
    attribution.method() == Method::Inferred || attribution.confidence() == Confidence::Low
}

fn name(user: &str, uid: u32) -> String {
    if user.is_empty() { uid.to_string() } else { escape_bytes(user.as_bytes()).into_owned() }
}

/// The audit session and the terminal, such as `7 pts0`.
fn login(login: Option<&Login>) -> String {
    let mut text = String::new();
    if let Some(login) = login {
        if let Some(session) = login.session_id {
            // Writing to a String does not fail.
            let _ = write!(text, "{session}");
        }
        if !login.tty.is_empty() {
            let space = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{space}{}", escape_bytes(&login.tty));
        }
    }
    if text.is_empty() { "-".to_owned() } else { text }
}

/// `bash[4242]`; a name that could pass for something else is in quotes.
fn push_process(line: &mut Line, process: &Process) {
    line.push(Ink::Plain, &word(&process.comm));
    line.push(Ink::Faint, &format!("[{}]", process.pid));
}
