//! An event as rules look at it.

use std::net::IpAddr;

use activity_proto::v1::{Event, EventType, Exec, Family, PathSource, event::Payload};
use rustix::{fs::OFlags, io::Errno};

use super::sets::FileKind;
use crate::enrich::ancestry::Ancestry;

/// An event and what is known beside it.
#[derive(Clone, Copy)]
pub struct Act<'a> {
    /// The event.
    pub event: &'a Event,
    /// Its type.
    pub event_type: EventType,
    /// What led to the program that acts.
    pub ancestry: &'a Ancestry,
}

/// The names that an act is about: none, one, or two.
pub type Paths<'a> = [Option<&'a [u8]>; 2];

impl<'a> Act<'a> {
    /// How rules see this event.
    pub fn of(event: &'a Event, ancestry: &'a Ancestry) -> Self {
        Self { event, event_type: event.event_type(), ancestry }
    }

    /// The human, as far as one is named.
    pub fn human(self) -> Option<u32> {
        let named = self.event.attribution.as_ref().and_then(|attribution| attribution.uid);
        let login = self.event.login.as_ref();
        named.or_else(|| login.and_then(|login| login.first_auid.or(login.auid)))
    }

    /// Others who may be behind it.
    pub fn others(self) -> impl Iterator<Item = u32> + 'a {
        let attribution = self.event.attribution.as_ref();
        attribution.into_iter().flat_map(|attribution| attribution.others.iter().map(|actor| actor.uid))
    }

    /// Whether a login or a terminal is behind it. A login uid that was taken away
    /// since does not make its session nobody's.
    pub fn belongs_to_a_person(self) -> bool {
        self.human().is_some() || self.event.login.as_ref().is_some_and(|login| !login.tty.is_empty())
    }

    /// The mount namespace it was done in.
    pub fn mount_namespace(self) -> Option<u32> {
        self.event.place.as_ref().and_then(|place| place.mount_namespace)
    }

    /// The executable, and whether that is a file, still.
    pub fn exe(self) -> Option<(&'a [u8], bool)> {
        let process = self.event.process.as_ref()?;
        Some((&process.exe, !process.deleted && !process.memfd))
    }

    /// Whether it failed, and not because something was missing.
    pub fn is_refused(self) -> bool {
        self.failed() && !self.is_missing()
    }

    /// Whether it failed.
    pub fn failed(self) -> bool {
        self.event.outcome.is_some_and(|outcome| !outcome.success)
    }

    /// Whether it failed because something was missing.
    fn is_missing(self) -> bool {
        let missing = Errno::NOENT.raw_os_error().unsigned_abs();
        self.failed() && self.event.outcome.and_then(|outcome| outcome.errno) == Some(missing)
    }

    /// The paths of the objects it is about.
    pub fn paths(self) -> Paths<'a> {
        let one = |path: &'a [u8]| [Some(path).filter(|path| !path.is_empty()), None];
        let two = |path: &'a [u8], new: &'a [u8]| [Some(path), Some(new)];
        match &self.event.payload {
            Some(Payload::Exec(exec)) => one(self.program(exec)),
            Some(Payload::Open(open)) => one(&open.path),
            Some(Payload::FileReceive(file)) => one(&file.path),
            Some(Payload::ExecMapping(mapping)) => one(&mapping.path),
            Some(Payload::Connect(connect)) => one(&connect.path),
            Some(Payload::Listen(listen)) => one(&listen.path),
            Some(Payload::Accept(accept)) => one(&accept.path),
            Some(Payload::Rename(rename)) => two(&rename.path, &rename.new_path),
            Some(Payload::Link(link)) => two(&link.path, &link.new_path),
            Some(Payload::Unlink(unlink)) => one(&unlink.path),
            Some(Payload::Chmod(chmod)) => one(&chmod.path),
            Some(Payload::Chown(chown)) => one(&chown.path),
            Some(Payload::Mount(mount)) => one(&mount.path),
            _ => [None, None],
        }
    }

    /// What was asked to be run: the script, where one led to the program.
    fn program(self, exec: &'a Exec) -> &'a [u8] {
        if self.failed() {
            return &exec.filename;
        }
        let script = exec.interpreters.first().map(|interpreter| interpreter.path.as_ref());
        script.or_else(|| self.exe().map(|(exe, _)| exe)).unwrap_or_default()
    }

    /// Whether the path is the object's own: not the caller's string, which
    /// can change under the call, and not the rest of a path that was lost.
    pub fn path_is_real(self) -> bool {
        let (source, lost) = match &self.event.payload {
            Some(Payload::Open(open)) => (open.path_source(), open.unreachable || open.deleted),
            Some(Payload::FileReceive(file)) => (file.path_source(), file.unreachable || file.deleted),
            Some(Payload::ExecMapping(file)) => (file.path_source(), file.unreachable || file.deleted),
            Some(Payload::Exec(_)) => (PathSource::Kernel, self.exe().is_none_or(|(_, is_real)| !is_real)),
            Some(Payload::Rename(rename)) => (rename.path_source(), false),
            Some(Payload::Link(link)) => (link.path_source(), false),
            Some(Payload::Unlink(unlink)) => (unlink.path_source(), false),
            Some(Payload::Chmod(chmod)) => (chmod.path_source(), false),
            Some(Payload::Chown(chown)) => (chown.path_source(), false),
            Some(Payload::Mount(mount)) => (mount.path_source(), false),
            // The name of a socket is what it was bound to.
            _ => (PathSource::Kernel, false),
        };
        matches!(source, PathSource::Kernel | PathSource::Fd) && !lost
    }

    /// What an open asked for, or a received descriptor allows.
    pub fn accesses(self) -> &'a [i32] {
        match &self.event.payload {
            Some(Payload::Open(open)) => &open.access,
            Some(Payload::FileReceive(file)) => &file.access,
            _ => &[],
        }
    }

    /// What kind of file it is about, where that is known.
    pub fn file_kind(self) -> Option<FileKind> {
        match &self.event.payload {
            Some(Payload::Open(open)) => open.mode.map(FileKind::of).or_else(|| {
                let asked = OFlags::from_bits_retain(open.flags);
                asked.contains(OFlags::DIRECTORY).then_some(FileKind::Directory)
            }),
            Some(Payload::FileReceive(file)) => file.mode.map(FileKind::of),
            Some(Payload::ExecMapping(mapping)) => mapping.mode.map(FileKind::of),
            _ => None,
        }
    }

    /// Whether the file has no place in a mounted tree.
    pub fn is_unreachable(self) -> bool {
        match &self.event.payload {
            Some(Payload::Open(open)) => open.unreachable,
            Some(Payload::FileReceive(file)) => file.unreachable,
            Some(Payload::ExecMapping(mapping)) => mapping.unreachable,
            _ => false,
        }
    }

    /// The family of the socket it is about.
    pub fn family(self) -> Option<Family> {
        match &self.event.payload {
            Some(Payload::Connect(connect)) => Some(connect.family()),
            Some(Payload::Listen(listen)) => Some(listen.family()),
            Some(Payload::Accept(accept)) => Some(accept.family()),
            Some(Payload::Socket(socket)) => Some(socket.family()),
            _ => None,
        }
    }

    /// The address of the other end; of a listening socket its own. An IPv4
    /// address in an IPv6 socket is the IPv4 address.
    pub fn address(self) -> Option<IpAddr> {
        let text = match &self.event.payload {
            Some(Payload::Connect(connect)) => &connect.address,
            Some(Payload::Listen(listen)) => &listen.address,
            Some(Payload::Accept(accept)) => &accept.address,
            _ => return None,
        };
        text.parse().ok().map(|address: IpAddr| address.to_canonical())
    }

    /// The port of the service: that of the other end of a connect, the own one
    /// of what listens and accepts.
    pub fn port(self) -> Option<u32> {
        match &self.event.payload {
            Some(Payload::Connect(connect)) => connect.port,
            Some(Payload::Listen(listen)) => listen.port,
            Some(Payload::Accept(accept)) => accept.local_port,
            _ => None,
        }
    }

    /// Whether `path` is in `/proc/PID/` of the process that acts.
    pub fn is_own_proc(self, path: &[u8]) -> bool {
        let Some(rest) = path.strip_prefix(b"/proc/") else { return false };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let Some((pid, rest)) = rest.split_at_checked(digits) else { return false };
        // A pid has at most ten digits, so this cannot pass a u64.
        let number = pid.iter().take(11).fold(0, |number: u64, digit| number * 10 + u64::from(digit - b'0'));
        let own = self.event.process.as_ref().is_some_and(|process| u64::from(process.pid) == number);
        own && digits > 0 && matches!(rest.first(), None | Some(b'/'))
    }
}
