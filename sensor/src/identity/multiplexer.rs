//! Terminal multiplexers: programs whose server outlives a login, and in whose
//! terminals others may type.

use std::collections::HashMap;

use crate::enrich::processes::{Image, ProcessId, Processes};

/// The programs, by name.
const NAMES: [&[u8]; 6] = [b"tmux", b"screen", b"SCREEN", b"zellij", b"dtach", b"abduco"];
/// Servers with clients at most.
const MAX: usize = 1024;
/// Clients of one server at most.
const MAX_CLIENTS: usize = 64;
/// A server is made by a client through that many processes at most.
const MAKERS: usize = 4;

/// Whether a program is a multiplexer.
pub fn is_one(image: &Image) -> bool {
    NAMES.contains(&image.name())
}

/// Somebody who is attached.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The client's process.
    pub id: ProcessId,
    /// Its session.
    pub session: u32,
    /// `CLOCK_BOOTTIME` of the attaching, in nanoseconds.
    pub since_ns: u64,
}

/// Who is attached to which server.
#[derive(Debug, Default)]
pub struct Attached(HashMap<ProcessId, Vec<(ProcessId, u64)>>);

impl Attached {
    /// A process connected to the unix socket of another.
    pub fn connected(&mut self, processes: &Processes, client: ProcessId, server: u32, time_ns: u64) {
        let is_multiplexer = |entry: &crate::enrich::processes::Entry| is_one(entry.image_at(u64::MAX));
        let Some(server) =
            processes.alive(server).filter(|entry| is_multiplexer(entry)).map(|e| e.id(server))
        else {
            return;
        };
        if !processes.get(client).is_some_and(is_multiplexer) {
            return;
        }
        if self.0.len() >= MAX && !self.0.contains_key(&server) {
            return;
        }
        let clients = self.0.entry(server).or_default();
        if clients.len() < MAX_CLIENTS && !clients.iter().any(|(known, _)| *known == client) {
            clients.push((client, time_ns));
        }
    }

    /// A process has ended.
    pub fn exited(&mut self, id: ProcessId) {
        self.0.remove(&id);
        self.0.values_mut().for_each(|clients| clients.retain(|(client, _)| *client != id));
        self.0.retain(|_, clients| !clients.is_empty());
    }

    /// Who is attached to a server: those who connected, and the one who started
    /// it, whose client has a socket of its own.
    pub fn clients(&self, processes: &Processes, server: ProcessId) -> Vec<Client> {
        let session_of = |id: ProcessId| processes.get(id).and_then(|entry| entry.who.session);
        let connected = self.0.get(&server).into_iter().flatten();
        let mut clients: Vec<Client> = connected
            .filter_map(|&(id, since_ns)| Some(Client { id, session: session_of(id)?, since_ns }))
            .collect();
        let mut maker = processes.get(server).and_then(|entry| entry.who.multiplexer);
        for _ in 0..MAKERS {
            let Some(id) = maker else { break };
            let Some(entry) = processes.get(id) else { break };
            if !entry.is_over(u64::MAX)
                && let Some(session) = entry.who.session
                && !clients.iter().any(|client| client.id == id)
            {
                clients.push(Client { id, session, since_ns: 0 });
            }
            maker = entry.who.multiplexer;
        }
        clients
    }
}
