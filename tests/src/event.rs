//! Short ways into an event.

use activity_proto::v1::{Connect, Event, Exec, Exit, Heartbeat, Open, Process, event::Payload};

/// What tests ask of an event.
pub trait EventExt {
    /// The open, if it is one.
    fn open(&self) -> Option<&Open>;
    /// The connect, if it is one.
    fn connect(&self) -> Option<&Connect>;
    /// The program start, if it is one.
    fn exec(&self) -> Option<&Exec>;
    /// The process end, if it is one.
    fn exit(&self) -> Option<&Exit>;
    /// The heartbeat, if it is one.
    fn heartbeat(&self) -> Option<&Heartbeat>;
    /// The process; an empty one where there is none.
    fn who(&self) -> Process;
    /// The path of an open; empty for anything else.
    fn path(&self) -> &[u8];
    /// The arguments of a program start; empty for anything else.
    fn argv(&self) -> Vec<&[u8]>;
    /// Whether it went well; `None` where it can do nothing else.
    fn success(&self) -> Option<bool>;
    /// The error number, if it failed.
    fn errno(&self) -> Option<i32>;
    /// Login uid and session.
    fn login(&self) -> (Option<u32>, Option<u32>);
    /// Whether this field is said to be cut.
    fn is_cut(&self, field: &str) -> bool;
}

impl EventExt for Event {
    fn open(&self) -> Option<&Open> {
        match &self.payload {
            Some(Payload::Open(open)) => Some(open),
            _ => None,
        }
    }

    fn connect(&self) -> Option<&Connect> {
        match &self.payload {
            Some(Payload::Connect(connect)) => Some(connect),
            _ => None,
        }
    }

    fn exec(&self) -> Option<&Exec> {
        match &self.payload {
            Some(Payload::Exec(exec)) => Some(exec),
            _ => None,
        }
    }

    fn exit(&self) -> Option<&Exit> {
        match &self.payload {
            Some(Payload::Exit(exit)) => Some(exit),
            _ => None,
        }
    }

    fn heartbeat(&self) -> Option<&Heartbeat> {
        match &self.payload {
            Some(Payload::Heartbeat(heartbeat)) => Some(heartbeat),
            _ => None,
        }
    }

    fn who(&self) -> Process {
        self.process.clone().unwrap_or_default()
    }

    fn path(&self) -> &[u8] {
        self.open().map_or(&[], |open| &open.path)
    }

    fn argv(&self) -> Vec<&[u8]> {
        match (self.exec(), &self.process) {
            (Some(_), Some(process)) => process.argv.iter().map(AsRef::as_ref).collect(),
            _ => Vec::new(),
        }
    }

    fn success(&self) -> Option<bool> {
        self.outcome.map(|outcome| outcome.success)
    }

    fn errno(&self) -> Option<i32> {
        self.outcome?.errno.and_then(|errno| errno.try_into().ok())
    }

    fn login(&self) -> (Option<u32>, Option<u32>) {
        self.login.as_ref().map_or((None, None), |login| (login.auid, login.session_id))
    }

    fn is_cut(&self, field: &str) -> bool {
        self.truncated.iter().any(|cut| cut.field == field)
    }
}
