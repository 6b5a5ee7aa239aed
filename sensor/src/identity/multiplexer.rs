//! Terminal multiplexers: programs whose server outlives a login, and in whose
//! terminals others may type.

use std::collections::HashMap;

use crate::enrich::{
    image::Image,
    processes::{Entry, ProcessId, Processes},
};

/// The programs, by name.
const NAMES: [&[u8]; 6] = [b"tmux", b"screen", b"SCREEN", b"zellij", b"dtach", b"abduco"];
/// Servers with clients at most.
const MAX: usize = 1024;
/// Clients of one server at most.
const MAX_CLIENTS: usize = 64;
/// How long a client that has gone is remembered, in nanoseconds.
const GONE_NS: u64 = 3_600_000_000_000;
/// A server is made by a client through that many processes at most.
const MAKERS: usize = 4;

/// Whether a program is a multiplexer.
pub fn is_one(image: &Image) -> bool {
    NAMES.contains(&image.name())
}

/// What a client asks for may begin so long after it has gone, in nanoseconds:
/// one that types keys for somebody is gone before they are read.
const AFTERWARDS_NS: u64 = 2_000_000_000;

/// Somebody who is attached, or was a moment ago.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    id: ProcessId,
    /// Its session.
    pub session: u32,
    since_ns: u64,
    until_ns: Option<u64>,
}

impl Client {
    /// Whether it was attached at that time.
    pub fn was_there(&self, time_ns: u64) -> bool {
        (self.since_ns..=self.until_ns.unwrap_or(u64::MAX)).contains(&time_ns)
    }

    /// Whether it was attached only after that time.
    pub fn came_after(&self, time_ns: u64) -> bool {
        self.since_ns > time_ns
    }

    /// When it had gone, if that was a moment before.
    fn gone_before(&self, time_ns: u64) -> Option<u64> {
        self.until_ns.filter(|until| (*until..until.saturating_add(AFTERWARDS_NS)).contains(&time_ns))
    }
}

/// Those of the clients who may be behind an act: who was attached when the
/// process began, or was the last to leave right before; and who is attached now.
pub fn behind(clients: &[Client], began_ns: u64, time_ns: u64) -> Vec<Client> {
    let mut behind: Vec<Client> =
        clients.iter().filter(|client| client.was_there(began_ns)).copied().collect();
    if behind.is_empty() {
        let gone = clients.iter().filter_map(|client| Some((client.gone_before(began_ns)?, client)));
        behind.extend(gone.max_by_key(|(until, _)| *until).map(|(_, client)| *client));
    }
    let now = clients.iter().filter(|client| client.was_there(time_ns));
    let more: Vec<Client> =
        now.filter(|client| !behind.iter().any(|known| known.id == client.id)).copied().collect();
    behind.extend(more);
    behind
}

/// Who is attached to which server.
#[derive(Debug, Default)]
pub struct Attached(HashMap<ProcessId, Vec<Client>>);

impl Attached {
    /// A process connected to the unix socket of another.
    pub fn connected(&mut self, processes: &Processes, client: ProcessId, server: u32, time_ns: u64) {
        let is_multiplexer = |entry: &Entry| is_one(entry.image_at(u64::MAX));
        let found = processes.alive(server).filter(|entry| is_multiplexer(entry));
        let Some(server) = found.map(|entry| entry.id(server)) else { return };
        let Some(entry) = processes.get(client).filter(|entry| is_multiplexer(entry)) else { return };
        let Some(session) = entry.who.session else { return };
        if self.0.len() >= MAX && !self.0.contains_key(&server) {
            return;
        }
        let clients = self.0.entry(server).or_default();
        clients.retain(|client| client.until_ns.is_none_or(|until| until + GONE_NS > time_ns));
        if clients.len() < MAX_CLIENTS && !clients.iter().any(|known| known.id == client) {
            clients.push(Client { id: client, session, since_ns: time_ns, until_ns: None });
        }
    }

    /// A process has ended.
    pub fn exited(&mut self, id: ProcessId, time_ns: u64) {
        self.0.remove(&id);
        for client in self.0.values_mut().flatten().filter(|client| client.id == id) {
            client.until_ns = Some(time_ns);
        }
    }

    /// Who is or was attached to a server: those who connected, and the one who
    /// started it, whose client has a socket of its own.
    pub fn clients(&self, processes: &Processes, server: ProcessId) -> Vec<Client> {
        let mut clients = self.0.get(&server).cloned().unwrap_or_default();
        let mut maker = processes.get(server).and_then(|entry| entry.who.multiplexer);
        for _ in 0..MAKERS {
            let Some(id) = maker else { break };
            let Some(entry) = processes.get(id) else { break };
            if !entry.is_over(u64::MAX)
                && let Some(session) = entry.who.session
                && !clients.iter().any(|client| client.id == id)
            {
                clients.push(Client { id, session, since_ns: 0, until_ns: None });
            }
            maker = entry.who.multiplexer;
        }
        clients
    }
}
