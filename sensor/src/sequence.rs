//! Gives every event its identity: without holes per epoch and lane.

use activity_proto::v1::{Event, EventId, EventType, Lane};
use sensor_types::act::Act;

/// The type of the events that an act becomes. Unspecified for what becomes no
/// event of its own: a lost fork costs the program's name on events of the
/// child, a lost level of interpreters a part of an exec event.
pub fn event_type_of(act: Act) -> EventType {
    match act {
        Act::Exec => EventType::Exec,
        Act::Exit => EventType::Exit,
        Act::Open => EventType::Open,
        Act::Connect => EventType::Connect,
        Act::Listen => EventType::Listen,
        Act::Accept => EventType::Accept,
        Act::Socket => EventType::Socket,
        Act::Rename => EventType::Rename,
        Act::Link => EventType::Link,
        Act::Unlink => EventType::Unlink,
        Act::Chmod => EventType::Chmod,
        Act::Chown => EventType::Chown,
        Act::Mount => EventType::Mount,
        Act::CredentialChange => EventType::CredentialChange,
        Act::LoginuidSet => EventType::LoginuidSet,
        Act::Ptrace => EventType::Ptrace,
        Act::Bpf => EventType::BpfLoad,
        Act::ModuleLoad => EventType::ModuleLoad,
        Act::FileReceive => EventType::FileReceive,
        Act::ExecMapping => EventType::ExecMapping,
        Act::Fork | Act::Interpreter | Act::IoUringOpen | Act::IoUringConnect => EventType::Unspecified,
    }
}

/// The lane of an event type: files apart, so that their number never stands
/// in the way of the others.
pub fn lane_of(event_type: EventType) -> Lane {
    match event_type {
        EventType::Open
        | EventType::Rename
        | EventType::Link
        | EventType::Unlink
        | EventType::Chmod
        | EventType::Chown
        | EventType::FileReceive
        | EventType::Mount
        | EventType::ExecMapping => Lane::File,
        EventType::Exec
        | EventType::Exit
        | EventType::Connect
        | EventType::Listen
        | EventType::Accept
        | EventType::Socket
        | EventType::CredentialChange
        | EventType::LoginuidSet
        | EventType::Ptrace
        | EventType::BpfLoad
        | EventType::ModuleLoad
        | EventType::Tamper
        | EventType::SessionStart
        | EventType::SessionUpdate
        | EventType::SessionEnd
        | EventType::LoginFailed
        | EventType::AccountSwitch
        | EventType::Gap
        | EventType::Status
        | EventType::Heartbeat
        | EventType::Silence
        | EventType::Unspecified => Lane::Process,
    }
}

/// Numbers events. What the ids of one epoch share is added where events are
/// encoded.
#[derive(Default)]
pub struct Sequencer {
    process: u64,
    file: u64,
}

impl Sequencer {
    /// Gives the event the next number of the lane.
    pub fn number(&mut self, event: &mut Event, lane: Lane) {
        let last = match lane {
            Lane::File => &mut self.file,
            Lane::Process | Lane::Unspecified => &mut self.process,
        };
        *last += 1;
        event.id = Some(EventId { lane: lane.into(), sequence: *last, ..EventId::default() });
    }

    /// The last number given out in the lane.
    pub fn last(&self, lane: Lane) -> u64 {
        match lane {
            Lane::File => self.file,
            Lane::Process | Lane::Unspecified => self.process,
        }
    }
}
