//! What is looked up of a new session: the far end of sshd's socket, and logind's
//! session. Each on a thread of its own, since the first acts of a session wait
//! for the socket, and logind may be slow.

use std::{
    collections::HashSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use super::logind::{self, Logind};

/// Sessions that wait to be looked up at most; of more, less is known.
const WAITING: usize = 1024;
/// `TCP_ESTABLISHED` as /proc/net/tcp has it.
const ESTABLISHED: &str = "01";

/// What was found.
#[derive(Debug)]
pub enum Seen {
    /// At the socket.
    Peer {
        /// The session.
        key: u32,
        /// The far end of the session process's socket.
        peer: Option<(IpAddr, u16)>,
    },
    /// By logind.
    Logind {
        /// The session.
        key: u32,
        /// The first answer comes in any case.
        is_first: bool,
        /// logind's part.
        logind: Option<Logind>,
    },
}

struct Question {
    key: u32,
    pid: u32,
    is_ssh: bool,
}

/// Asks and hears.
pub struct Looker {
    questions: Option<SyncSender<Question>>,
    logind: Option<SyncSender<logind::Question>>,
    /// Sessions that logind has not said anything about yet.
    unanswered: usize,
    found: SyncSender<Seen>,
    answers: Receiver<Seen>,
}

impl Looker {
    /// Starts the thread that looks at sockets. Without one nothing is found.
    pub fn start() -> Self {
        let (questions, asked) = sync_channel::<Question>(WAITING);
        let (found, answers) = sync_channel(WAITING);
        let peers = found.clone();
        let look = move || {
            for Question { key, pid, is_ssh } in asked {
                let peer = if is_ssh { peer_of(pid) } else { None };
                if peers.send(Seen::Peer { key, peer }).is_err() {
                    break;
                }
            }
        };
        let started = thread::Builder::new().name("session-look".into()).spawn(look);
        let questions = started.is_ok().then_some(questions);
        Self { questions, logind: None, unanswered: 0, found, answers }
    }

    /// Asks logind as well from now on.
    pub fn ask_logind(&mut self) {
        let (questions, asked) = sync_channel(WAITING);
        let found = self.found.clone();
        let ask = move || logind::answer(&asked, &found);
        let started = thread::Builder::new().name("session-logind".into()).spawn(ask);
        self.logind = started.is_ok().then_some(questions);
    }

    /// Asks about a session.
    pub fn look(&mut self, key: u32, pid: u32, is_ssh: bool) {
        if let Some(questions) = &self.questions {
            let _ = questions.try_send(Question { key, pid, is_ssh });
        }
        if let Some(questions) = &self.logind
            && questions.try_send(logind::Question { key, pid, is_ssh }).is_ok()
        {
            self.unanswered += 1;
        }
    }

    /// The next answer, if there is one.
    pub fn seen(&mut self) -> Option<Seen> {
        let seen = self.answers.try_recv().ok()?;
        if matches!(seen, Seen::Logind { is_first: true, .. }) {
            self.unanswered = self.unanswered.saturating_sub(1);
        }
        Some(seen)
    }

    /// Whether logind has yet to say something for the first time.
    pub fn waits_for_logind(&self) -> bool {
        self.unanswered > 0
    }
}

/// The far end of the first connected TCP socket of a process. sshd's session
/// process has one from its beginning to its end; what it forwards later comes
/// after.
fn peer_of(pid: u32) -> Option<(IpAddr, u16)> {
    let mut sockets: Vec<(u32, u64)> = fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
            Some((number, inode))
        })
        .collect();
    sockets.sort_unstable();
    let inodes: HashSet<u64> = sockets.iter().map(|(_, inode)| *inode).collect();
    let mut peers = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        peers.extend(text.lines().skip(1).filter_map(connected).filter(|(inode, _)| inodes.contains(inode)));
    }
    sockets.iter().find_map(|(_, inode)| peers.iter().find(|(of, _)| of == inode).map(|(_, peer)| *peer))
}

/// Inode and far end of a connected socket, from a line of proc_net_tcp.
fn connected(line: &str) -> Option<(u64, (IpAddr, u16))> {
    let mut fields = line.split_whitespace().skip(2);
    let (remote, state) = (fields.next()?, fields.next()?);
    let inode = fields.nth(5)?.parse().ok()?;
    let (address, port) = remote.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    (state == ESTABLISHED).then_some((inode, (address_of(address)?, port)))
}

/// An address as the kernel writes it: words of the machine's own byte order.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    if hex.len() == 8 {
        return Some(Ipv4Addr::from(word(0)?).into());
    }
    let mut bytes = [0; 16];
    for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
        part.copy_from_slice(&word(at)?);
    }
    Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_far_end_of_a_socket_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        let text = fs::read_to_string("/proc/self/net/tcp").unwrap();
        let peers: Vec<_> = text.lines().skip(1).filter_map(connected).map(|(_, peer)| peer).collect();
        let canonical = |stream: &TcpStream| {
            let address = stream.peer_addr().unwrap();
            (address.ip(), address.port())
        };
        assert!(peers.contains(&canonical(&near)) && peers.contains(&canonical(&far)));
        assert!(peer_of(std::process::id()).is_some());
    }

    #[test]
    fn an_ipv4_address_in_an_ipv6_one_is_itself() {
        let mapped = "0000000000000000FFFF00000200007F";
        assert_eq!(address_of(mapped), Some("127.0.0.2".parse().unwrap()));
    }
}
