//! An event as a row: the ways to what its columns show.

use std::{borrow::Cow, cell::OnceCell};

use activity_proto::{
    json::to_json,
    v1::{
        Attribution, Credentials, Event, EventId, Exec, Exit, Gap, Heartbeat, Login, LoginFailed,
        MountOperation, Open, Outcome, Place, Process, PtraceOperation, Session, Silence, Switch,
        event::Payload,
    },
};
use bytes::Bytes;
use prost::Message as _;

use super::{name, rest, text};

/// A time in nanoseconds since 1970, as far as they go.
pub fn nanoseconds(time: Option<&prost_types::Timestamp>) -> Option<i64> {
    let time = time?;
    time.seconds.checked_mul(1_000_000_000)?.checked_add(time.nanos.into())
}

/// An event with the bytes it came as.
pub struct Row {
    /// As it came.
    pub raw: Bytes,
    /// What it says.
    pub event: Event,
    /// It in the order of its fields.
    encoded: OnceCell<Bytes>,
    /// What no column carries of it; `None` where it is kept whole.
    rest: OnceCell<Option<Vec<u8>>>,
}

impl Row {
    /// An event that cannot be decoded is kept: a row with nothing but its bytes.
    pub fn new(raw: Bytes) -> Self {
        let event = Event::decode(raw.clone()).unwrap_or_default();
        Self { raw, event, encoded: OnceCell::new(), rest: OnceCell::new() }
    }

    /// The same one, kept as it came.
    pub fn into_whole(self) -> Self {
        Self { rest: OnceCell::from(None), ..self }
    }

    /// What no column carries of it; `None` where it is kept whole.
    pub fn rest(&self) -> Option<&[u8]> {
        self.rest.get_or_init(|| rest::rest(&self.raw, &self.event, self.in_order())).as_deref()
    }

    fn in_order(&self) -> &Bytes {
        self.encoded.get_or_init(|| self.event.encode_to_vec().into())
    }

    /// The bytes it came as, where it is kept whole.
    pub fn whole(&self) -> Option<&[u8]> {
        self.rest().is_none().then_some(&self.raw)
    }

    /// As it is read from its columns again: the bytes it came as where it is kept whole,
    /// else in the order of its fields.
    pub fn encoded(&self) -> Bytes {
        if self.rest().is_some() { self.in_order().clone() } else { self.raw.clone() }
    }

    /// Wall clock of the act in nanoseconds since 1970.
    pub fn time(&self) -> Option<i64> {
        nanoseconds(self.event.time.as_ref())
    }

    pub fn id(&self) -> Option<&EventId> {
        self.event.id.as_ref()
    }

    pub fn process(&self) -> Option<&Process> {
        self.event.process.as_ref()
    }

    pub fn credentials(&self) -> Option<&Credentials> {
        self.event.credentials.as_ref()
    }

    pub fn login(&self) -> Option<&Login> {
        self.event.login.as_ref()
    }

    pub fn session(&self) -> Option<&Session> {
        self.event.session.as_ref()
    }

    pub fn attribution(&self) -> Option<&Attribution> {
        self.event.attribution.as_ref()
    }

    pub fn place(&self) -> Option<&Place> {
        self.event.place.as_ref()
    }

    pub fn outcome(&self) -> Option<&Outcome> {
        self.event.outcome.as_ref()
    }

    pub fn exec(&self) -> Option<&Exec> {
        if let Some(Payload::Exec(exec)) = &self.event.payload { Some(exec) } else { None }
    }

    pub fn exit(&self) -> Option<&Exit> {
        if let Some(Payload::Exit(exit)) = &self.event.payload { Some(exit) } else { None }
    }

    pub fn open(&self) -> Option<&Open> {
        if let Some(Payload::Open(open)) = &self.event.payload { Some(open) } else { None }
    }

    pub fn gap(&self) -> Option<&Gap> {
        if let Some(Payload::Gap(gap)) = &self.event.payload { Some(gap) } else { None }
    }

    pub fn heartbeat(&self) -> Option<&Heartbeat> {
        if let Some(Payload::Heartbeat(heartbeat)) = &self.event.payload { Some(heartbeat) } else { None }
    }

    pub fn silence(&self) -> Option<&Silence> {
        if let Some(Payload::Silence(silence)) = &self.event.payload { Some(silence) } else { None }
    }

    pub fn login_failed(&self) -> Option<&LoginFailed> {
        if let Some(Payload::LoginFailed(failed)) = &self.event.payload { Some(failed) } else { None }
    }

    /// A step from one user to another.
    pub fn switch(&self) -> Option<&Switch> {
        if let Some(Payload::AccountSwitch(switch)) = &self.event.payload { Some(switch) } else { None }
    }

    /// Who somebody became, or tried to log in as.
    pub fn to_user(&self) -> Option<&str> {
        let of_switch = self.switch().map(|switch| switch.to.as_str());
        of_switch.or_else(|| self.login_failed().map(|failed| failed.user.as_str()))
    }

    /// Address, port, method and key of the login it belongs to, or of the one that was refused.
    pub fn login_way(&self) -> Option<(&str, Option<u32>, &str, &str)> {
        if let Some(of) = self.login_failed() {
            return Some((&of.remote_address, of.remote_port, &of.auth_method, &of.key_fingerprint));
        }
        let of = self.session()?;
        Some((&of.remote_address, of.remote_port, &of.auth_method, &of.key_fingerprint))
    }

    /// The file, socket or place that was acted on.
    pub fn path(&self) -> Option<&[u8]> {
        let path = match self.event.payload.as_ref()? {
            Payload::Exec(exec) => &exec.filename,
            Payload::Open(open) => &open.path,
            Payload::FileReceive(received) => &received.path,
            Payload::ExecMapping(mapping) => &mapping.path,
            Payload::Rename(rename) => &rename.path,
            Payload::Link(link) => &link.path,
            Payload::Unlink(unlink) => &unlink.path,
            Payload::Chmod(chmod) => &chmod.path,
            Payload::Chown(chown) => &chown.path,
            Payload::Mount(mount) => &mount.path,
            Payload::Connect(connect) => &connect.path,
            Payload::Listen(listen) => &listen.path,
            Payload::Accept(accept) => &accept.path,
            _ => return None,
        };
        Some(path.as_ref()).filter(|path: &&[u8]| !path.is_empty())
    }

    /// Whose word the path or the address is.
    pub fn path_source(&self) -> Option<i32> {
        Some(match self.event.payload.as_ref()? {
            Payload::Open(open) => open.path_source,
            Payload::FileReceive(received) => received.path_source,
            Payload::ExecMapping(mapping) => mapping.path_source,
            Payload::Rename(rename) => rename.path_source,
            Payload::Link(link) => link.path_source,
            Payload::Unlink(unlink) => unlink.path_source,
            Payload::Chmod(chmod) => chmod.path_source,
            Payload::Chown(chown) => chown.path_source,
            Payload::Mount(mount) => mount.path_source,
            Payload::Connect(connect) => connect.address_source,
            _ => return None,
        })
    }

    /// The second name of an act that has two.
    pub fn new_path(&self) -> Option<&[u8]> {
        Some(match self.event.payload.as_ref()? {
            Payload::Rename(rename) => &rename.new_path,
            Payload::Link(link) => &link.new_path,
            _ => return None,
        })
    }

    pub fn inode(&self) -> Option<u64> {
        match self.event.payload.as_ref()? {
            Payload::Open(open) => open.inode,
            Payload::FileReceive(received) => received.inode,
            Payload::ExecMapping(mapping) => mapping.inode,
            Payload::Rename(rename) => rename.inode,
            Payload::Link(link) => link.inode,
            Payload::Unlink(unlink) => unlink.inode,
            Payload::Chmod(chmod) => chmod.inode,
            Payload::Chown(chown) => chown.inode,
            _ => None,
        }
    }

    /// Type and permissions; of a chmod the permissions after it.
    pub fn mode(&self) -> Option<u32> {
        match self.event.payload.as_ref()? {
            Payload::Open(open) => open.mode,
            Payload::FileReceive(received) => received.mode,
            Payload::ExecMapping(mapping) => mapping.mode,
            Payload::Chmod(chmod) => Some(chmod.mode),
            _ => None,
        }
    }

    pub fn access(&self) -> &[i32] {
        match &self.event.payload {
            Some(Payload::Open(open)) => &open.access,
            Some(Payload::FileReceive(received)) => &received.access,
            _ => &[],
        }
    }

    /// Family and protocol of a socket.
    pub fn socket(&self) -> Option<(i32, i32)> {
        Some(match self.event.payload.as_ref()? {
            Payload::Connect(connect) => (connect.family, connect.protocol),
            Payload::Listen(listen) => (listen.family, listen.protocol),
            Payload::Accept(accept) => (accept.family, accept.protocol),
            Payload::Socket(socket) => (socket.family, socket.protocol),
            _ => return None,
        })
    }

    /// The other end, or where it listens; of a silence, where the sensor is reached.
    pub fn end(&self) -> Option<(&str, Option<u32>)> {
        Some(match self.event.payload.as_ref()? {
            Payload::Connect(connect) => (&connect.address, connect.port),
            Payload::Listen(listen) => (&listen.address, listen.port),
            Payload::Accept(accept) => (&accept.address, accept.port),
            Payload::Silence(silence) => (&silence.address, None),
            _ => return None,
        })
    }

    /// This end.
    pub fn local_end(&self) -> Option<(&str, Option<u32>)> {
        Some(match self.event.payload.as_ref()? {
            Payload::Connect(connect) => (&connect.local_address, connect.local_port),
            Payload::Accept(accept) => (&accept.local_address, accept.local_port),
            _ => return None,
        })
    }

    /// The process that was reached into.
    pub fn target(&self) -> Option<&Process> {
        match self.event.payload.as_ref()? {
            Payload::Ptrace(ptrace) => ptrace.target.as_ref(),
            _ => None,
        }
    }

    /// What of several things that the type stands for was done.
    pub fn operation(&self) -> Option<Cow<'_, str>> {
        match self.event.payload.as_ref()? {
            Payload::Mount(mount) => name(mount.operation, MountOperation::short_name),
            Payload::Ptrace(ptrace) => name(ptrace.operation, PtraceOperation::short_name),
            Payload::Tamper(tamper) => text(tamper.command.as_bytes()),
            _ => None,
        }
    }

    /// The name of something that is no file: a program or module of the kernel.
    pub fn object(&self) -> Option<&[u8]> {
        Some(match self.event.payload.as_ref()? {
            Payload::BpfLoad(load) => &load.name,
            Payload::ModuleLoad(load) => &load.name,
            Payload::Tamper(tamper) => &tamper.name,
            _ => return None,
        })
    }

    /// The login uid that was set.
    pub fn new_auid(&self) -> Option<u32> {
        match self.event.payload.as_ref()? {
            Payload::LoginuidSet(set) => set.new_auid,
            _ => None,
        }
    }

    /// The effective user that a thread became.
    pub fn new_euid(&self) -> Option<u32> {
        match self.event.payload.as_ref()? {
            Payload::CredentialChange(change) => Some(change.new?.euid),
            _ => None,
        }
    }

    /// The effective user that it was before; nothing where that is not known.
    pub fn old_euid(&self) -> Option<u32> {
        match self.event.payload.as_ref()? {
            Payload::CredentialChange(change) => Some(change.old?.euid),
            _ => None,
        }
    }

    /// How many events are missing, by their numbers or by the counts of what had none yet;
    /// nothing where nobody knows.
    pub fn gap_missing(&self) -> Option<u64> {
        let gap = self.gap()?;
        let between = gap.to_sequence.checked_sub(gap.from_sequence).map(|more| more.saturating_add(1));
        let numbered = between.filter(|_| gap.from_sequence > 0).unwrap_or(0);
        let counted = gap.counts.iter().fold(0_u64, |sum, of| sum.saturating_add(of.count));
        Some(numbered.max(counted)).filter(|&missing| missing > 0)
    }

    pub fn gap_counts(&self) -> Option<String> {
        self.gap()?;
        to_json(&self.event).get("gap")?.get("counts").map(ToString::to_string)
    }
}
