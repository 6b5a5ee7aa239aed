//! Daemons that start programs for others: who asked systemd, or a container
//! runtime, for what it has just started.

use std::collections::VecDeque;

use activity_proto::v1::{Connect, Event, event::Payload};
use bytes::Bytes;

use super::session::key_of;
use crate::enrich::{
    image::Image,
    processes::{ProcessId, Processes},
};

/// Asks that are remembered at most.
const MAX: usize = 256;
/// An answer comes within this time, or is none, in nanoseconds.
const PATIENCE_NS: u64 = 15_000_000_000;

/// Programs that ask systemd to start another.
const UNIT_CLIENTS: [&[u8]; 2] = [b"systemd-run", b"run0"];
/// Programs of container runtimes that start the first process of a container.
const RUNTIMES: [&[u8]; 6] =
    [b"runc", b"crun", b"conmon", b"containerd-shim", b"containerd-shim-runc-v2", b"systemd-nspawn"];
/// Sockets of container runtimes.
const RUNTIME_SOCKETS: [&[u8]; 6] = [
    b"/run/docker.sock",
    b"/var/run/docker.sock",
    b"/run/containerd/containerd.sock",
    b"/run/podman/podman.sock",
    b"/run/crio/crio.sock",
    b"/var/run/crio/crio.sock",
];

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// A program with these arguments, by systemd; none: a shell.
    Unit(Vec<Bytes>),
    /// Something in a container.
    Container,
}

#[derive(Debug)]
struct Ask {
    session: u32,
    time_ns: u64,
    wanted: Wanted,
}

/// What was asked for lately.
#[derive(Debug, Default)]
pub struct Asks(VecDeque<Ask>);

impl Asks {
    /// A program was started that may ask for another.
    pub fn asked(&mut self, event: &Event, processes: &Processes) {
        let (Some(process), Some(session)) = (&event.process, key_of(event)) else { return };
        let id = ProcessId { pid: process.pid, start_ns: process.start_boottime_ns };
        let is_client =
            processes.get(id).is_some_and(|entry| UNIT_CLIENTS.contains(&entry.image_at(u64::MAX).name()));
        if is_client {
            let wanted = Wanted::Unit(process.argv.get(1..).unwrap_or_default().to_vec());
            self.push(Ask { session, time_ns: event.boottime_ns, wanted });
        }
    }

    /// A connection to a runtime's socket.
    pub fn connected(&mut self, event: &Event, connect: &Connect) {
        if RUNTIME_SOCKETS.contains(&&connect.path[..])
            && let Some(session) = key_of(event)
        {
            self.push(Ask { session, time_ns: event.boottime_ns, wanted: Wanted::Container });
        }
    }

    fn push(&mut self, ask: Ask) {
        if self.0.len() >= MAX {
            self.0.pop_front();
        }
        self.0.push_back(ask);
    }

    /// The session that asked for the program that this event is the start of.
    /// Nobody where several people could be it.
    pub fn answered(&mut self, event: &Event, processes: &Processes) -> Option<u32> {
        let process = event.process.as_ref()?;
        if self.0.is_empty() || !matches!(event.payload, Some(Payload::Exec(_))) {
            return None;
        }
        let now = event.boottime_ns;
        self.0.retain(|ask| now.saturating_sub(ask.time_ns) < PATIENCE_NS);
        let id = ProcessId { pid: process.pid, start_ns: process.start_boottime_ns };
        let parent = processes.get(id)?.who.parent.and_then(|parent| processes.get(parent));
        let parent = parent.map(|entry| entry.image_at(now));
        let in_container = event.place.as_ref().is_some_and(|place| !place.container_id.is_empty());
        let by_runtime = parent.is_some_and(|image| is_any(image, &RUNTIMES));
        let by_systemd = parent.is_some_and(|image| image.name() == b"systemd") || process.ppid == 1;
        let fits = |ask: &&Ask| match &ask.wanted {
            Wanted::Unit(asked) => by_systemd && is_end_of(asked, &process.argv),
            Wanted::Container => by_runtime && in_container,
        };
        let mut sessions: Vec<u32> = self.0.iter().filter(fits).map(|ask| ask.session).collect();
        sessions.dedup();
        match sessions.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }
}

fn is_any(image: &Image, names: &[&[u8]]) -> bool {
    names.contains(&image.name())
}

/// Whether these arguments are what was asked for: all of them stand at the end,
/// the program perhaps by a shorter name.
fn is_end_of(asked: &[Bytes], argv: &[Bytes]) -> bool {
    let Some((program, arguments)) = argv.split_first() else { return false };
    let options_only = asked.iter().all(|argument| argument.starts_with(b"-"));
    if options_only {
        // A shell, as run0 starts it.
        return program.starts_with(b"-") && arguments.is_empty();
    }
    let Some(rest) = asked.len().checked_sub(argv.len()) else { return false };
    let Some((name, tail)) = asked.get(rest..).and_then(<[Bytes]>::split_first) else { return false };
    let last = |path: &Bytes| path.rsplit(|&byte| byte == b'/').next().map(<[u8]>::to_vec);
    tail == arguments && last(name) == last(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &'static str) -> Vec<Bytes> {
        text.split(' ').map(|word| Bytes::from_static(word.as_bytes())).collect()
    }

    #[test]
    fn what_was_asked_for_is_known_by_its_arguments() {
        let asked = words("--user -p Nice=5 cat /etc/motd");
        assert!(is_end_of(&asked, &words("/usr/bin/cat /etc/motd")));
        assert!(!is_end_of(&asked, &words("/usr/bin/cat /etc/passwd")));
        assert!(!is_end_of(&asked, &words("/usr/bin/tac /etc/motd")));
        assert!(is_end_of(&[], &words("-bash")));
        assert!(!is_end_of(&[], &words("/usr/sbin/cron -f")));
    }
}
