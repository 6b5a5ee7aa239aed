//! What is looked up of a new session, on a thread of its own: the far end of
//! sshd's socket, and logind's session.

use std::{
    collections::HashSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

/// Sessions that wait to be looked up at most; of more, less is known.
const WAITING: usize = 1024;
/// `TCP_ESTABLISHED` as /proc/net/tcp has it.
const ESTABLISHED: &str = "01";

/// What logind says of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logind {
    /// Its name there.
    pub id: String,
    /// Its terminal.
    pub tty: String,
    /// Where the person came from.
    pub remote_host: String,
}

/// What was found.
#[derive(Debug)]
pub struct Seen {
    /// The session.
    pub key: u32,
    /// The far end of the session process's socket.
    pub peer: Option<(IpAddr, u16)>,
    /// logind's part.
    pub logind: Option<Logind>,
}

struct Question {
    key: u32,
    pid: u32,
    is_ssh: bool,
}

/// Asks and hears.
pub struct Looker {
    questions: Option<SyncSender<Question>>,
    answers: Receiver<Seen>,
}

impl Looker {
    /// Starts the thread. Without one nothing is found.
    pub fn start() -> Self {
        let (questions, asked) = sync_channel::<Question>(WAITING);
        let (found, answers) = sync_channel(WAITING);
        let look = move || {
            for Question { key, pid, is_ssh } in asked {
                let peer = if is_ssh { peer_of(pid) } else { None };
                if found.send(Seen { key, peer, logind: logind_of(pid) }).is_err() {
                    break;
                }
            }
        };
        let started = thread::Builder::new().name("session-look".into()).spawn(look);
        Self { questions: started.is_ok().then_some(questions), answers }
    }

    /// Asks about a session.
    pub fn look(&self, key: u32, pid: u32, is_ssh: bool) {
        if let Some(questions) = &self.questions {
            let _ = questions.try_send(Question { key, pid, is_ssh });
        }
    }

    /// The next answer, if there is one.
    pub fn seen(&self) -> Option<Seen> {
        self.answers.try_recv().ok()
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

/// logind's session of a process.
fn logind_of(_pid: u32) -> Option<Logind> {
    None
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
