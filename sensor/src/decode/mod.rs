//! From a record of the kernel to an event.
//!
//! Every length and offset is checked; a record of the wrong form is an
//! error, never a panic, and is counted by the caller. Nothing is looked up
//! here: what only user space knows is added by `enrich`.

mod bpf_command;
mod change;
mod credentials;
mod environment;
mod file;
mod network;
mod path;
mod process;
pub mod redact;
mod system;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use activity_proto::v1::{Credentials, Event, Interpreter, Login, Outcome, Place, Process, Truncation};
use bytes::Bytes;
use sensor_types::{
    act::Act,
    header::{Header, UNSET},
    process::Fork,
    span::{CUT, Span, UNREADABLE},
};
use thiserror::Error;
use zerocopy::FromBytes;

use crate::config::HooksConfig;
use redact::Redactor;

/// Why a record is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Shorter than its fixed part.
    #[error("the record is too short")]
    TooShort,
    /// Its kind is not known.
    #[error("the record is of unknown kind {0}")]
    UnknownKind(u32),
    /// A string would lie outside the record.
    #[error("a string lies outside the record")]
    OutOfBounds,
    /// An act that is counted, or of no interest, but never recorded.
    #[error("the record is of an act that is not recorded")]
    NotRecorded,
}

/// What a record says.
#[derive(Debug)]
pub enum Decoded {
    /// A process was made. Feeds the process table only.
    Fork(Fork),
    /// Part of an exec event that is still to come.
    Level(Level),
    /// An act, as far as the kernel tells it.
    Event(Box<Event>),
}

/// One level of what leads to a program, told while the exec is under way.
#[derive(Debug)]
pub struct Level {
    /// The process.
    pub pid: u32,
    /// The thread that called exec.
    pub tid: u32,
    /// `CLOCK_BOOTTIME`, nanoseconds.
    pub time_ns: u64,
    /// The file.
    pub interpreter: Interpreter,
}

/// Decodes records. One for the life of the sensor.
pub struct Decoder {
    /// Begins every process uid: tells apart the boots of a machine.
    boot: String,
    redactor: Arc<Redactor>,
    details: Details,
}

/// Parts of exec events that the configuration can switch off.
#[derive(Clone, Copy, Debug)]
struct Details {
    interpreters: bool,
    preload: bool,
}

impl Decoder {
    /// A decoder for this boot.
    pub fn new(boot_id: &str, redactor: Arc<Redactor>) -> Self {
        let details = Details { interpreters: true, preload: true };
        Self { boot: boot_id.chars().take(8).collect(), redactor, details }
    }

    /// Leaves out the details that the configuration switches off.
    #[must_use]
    pub fn with_hooks(self, hooks: &HooksConfig) -> Self {
        let details = Details { interpreters: hooks.interpreters, preload: hooks.preload };
        Self { details, ..self }
    }

    /// Decodes one record; `wall_offset_ns` is how far the wall clock is
    /// ahead of the kernel's times.
    ///
    /// # Errors
    /// When the record has the wrong form.
    pub fn decode(&self, record: &[u8], wall_offset_ns: u64) -> Result<Decoded, DecodeError> {
        let header: Header = fixed(record)?;
        let act = Act::from_number(header.kind).ok_or(DecodeError::UnknownKind(header.kind))?;
        let mut event = match act {
            Act::Fork => return Ok(Decoded::Fork(fixed(record)?)),
            Act::Interpreter => return file::level(record).map(Decoded::Level),
            _ => Box::new(self.envelope(&header, wall_offset_ns)),
        };
        match act {
            Act::Exec => process::exec(record, &mut event, &self.redactor, self.details)?,
            Act::Exit => process::exit(record, &mut event)?,
            Act::Open => file::open(record, &mut event)?,
            Act::FileReceive => file::received(record, &mut event)?,
            Act::ExecMapping => file::mapped(record, &mut event)?,
            Act::Connect => network::connect(record, &mut event)?,
            Act::Listen => network::listen(record, &mut event)?,
            Act::Accept => network::accept(record, &mut event)?,
            Act::Socket => network::socket(record, &mut event)?,
            Act::Rename => change::rename(record, &mut event)?,
            Act::Link => change::link(record, &mut event)?,
            Act::Unlink => change::unlink(record, &mut event)?,
            Act::Chmod => change::chmod(record, &mut event)?,
            Act::Chown => change::chown(record, &mut event)?,
            Act::Mount => change::mount(record, &mut event)?,
            Act::CredentialChange => credentials::changed(record, &mut event)?,
            Act::LoginuidSet => credentials::loginuid_set(record, &mut event)?,
            Act::Ptrace => system::ptrace(record, &mut event, self)?,
            Act::Bpf => system::bpf(record, &mut event)?,
            Act::ModuleLoad => system::module(record, &mut event)?,
            Act::Fork | Act::Interpreter | Act::IoUringOpen | Act::IoUringConnect => {
                return Err(DecodeError::NotRecorded);
            }
        }
        Ok(Decoded::Event(event))
    }

    /// A process's identity: boot, pid and start, so that a pid used again is
    /// another process.
    pub fn process_uid(&self, pid: u32, start_ns: u64) -> String {
        format!("{}-{pid}-{start_ns}", self.boot)
    }

    fn envelope(&self, header: &Header, wall_offset_ns: u64) -> Event {
        Event {
            time: Some(timestamp(header.boottime_ns.saturating_add(wall_offset_ns))),
            boottime_ns: header.boottime_ns,
            process: Some(Process {
                pid: header.pid,
                tid: header.tid,
                uid: self.process_uid(header.pid, header.start_ns),
                parent_uid: self.process_uid(header.parent_pid, header.parent_start_ns),
                ppid: header.parent_pid,
                start_boottime_ns: header.start_ns,
                comm: until_nul(&header.comm),
                ..Process::default()
            }),
            credentials: Some(Credentials {
                uid: header.uid,
                euid: header.euid,
                gid: header.gid,
                egid: header.egid,
                ..Credentials::default()
            }),
            login: login(header),
            place: Some(Place {
                cgroup_id: (header.cgroup_id != 0).then_some(header.cgroup_id),
                mount_namespace: (header.mount_namespace != 0).then_some(header.mount_namespace),
                ..Place::default()
            }),
            ..Event::default()
        }
    }
}

/// The login fields, absent where the kernel has none.
fn login(header: &Header) -> Option<Login> {
    let login = Login {
        auid: set(header.loginuid),
        session_id: set(header.sessionid),
        tty: until_nul(&header.tty),
        user: String::new(),
        first_auid: set(header.session_loginuid).filter(|&first| first != header.loginuid),
        first_session_id: set(header.session_sessionid).filter(|&first| first != header.sessionid),
        since_boottime_ns: (header.session_start_ns != 0).then_some(header.session_start_ns),
    };
    (login != Login::default()).then_some(login)
}

/// An id of the audit subsystem; absent where it is unset.
fn set(id: u32) -> Option<u32> {
    (id != UNSET).then_some(id)
}

/// A wall-clock time as the events carry it.
pub fn timestamp(nanoseconds: u64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanoseconds % 1_000_000_000).unwrap_or(0),
    }
}

/// The fixed part that a record begins with; a copy, since nothing promises
/// that a record lies where its words are aligned.
fn fixed<T: FromBytes>(record: &[u8]) -> Result<T, DecodeError> {
    T::read_from_prefix(record).map(|(fixed, _)| fixed).map_err(|_| DecodeError::TooShort)
}

/// The bytes of a string in the record.
fn text<'a>(record: &'a [u8], span: &Span) -> Result<&'a [u8], DecodeError> {
    let start = span.offset as usize;
    let end = start.checked_add(span.length as usize).ok_or(DecodeError::OutOfBounds)?;
    record.get(start..end).ok_or(DecodeError::OutOfBounds)
}

/// The bytes before the first NUL.
fn until_nul(bytes: &[u8]) -> Bytes {
    bytes.split(|&byte| byte == 0).next().map(Bytes::copy_from_slice).unwrap_or_default()
}

/// Notes in the event that a field carries less than there was: some of it was
/// cut, or could not be read. Two spans may make one field, which is noted once.
fn note_cut(event: &mut Event, field: &str, span: &Span) {
    if span.flags & (CUT | UNREADABLE) != 0 && !event.truncated.iter().any(|cut| cut.field == field) {
        event.truncated.push(Truncation {
            field: field.to_owned(),
            full_length: (span.full_length != 0 && span.flags & UNREADABLE == 0)
                .then(|| span.full_length.into()),
        });
    }
}

/// The outcome of a call that returns a negative error number.
fn outcome(result: i32) -> Outcome {
    match u32::try_from(result) {
        Ok(_) => Outcome { success: true, errno: None },
        Err(_) => Outcome { success: false, errno: Some(errno(result)) },
    }
}

/// The error number user space sees: an interrupted call that the kernel would
/// start again (`ERESTARTSYS` 512 to `ERESTART_RESTARTBLOCK` 516) is `EINTR`.
fn errno(result: i32) -> u32 {
    const EINTR: u32 = 4;
    match result.unsigned_abs() {
        512..=516 => EINTR,
        errno => errno,
    }
}
