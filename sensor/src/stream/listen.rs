//! The sockets, and who may come in.

use std::{
    ffi::OsString,
    fs::{self, Permissions},
    io,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixStream as Probe,
    },
    path::{Path, PathBuf},
};

use activity_peers::{Door, FileError};
use futures::{Stream, StreamExt as _, future};
use rustix::{fs::Mode, process::umask};
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;

use super::tls;
use crate::config::StreamConfig;

/// Why nobody can be served.
#[derive(Debug, Error)]
pub enum ListenError {
    /// A living process answers at the socket.
    #[error("another sensor already serves {0}; stop it, or give this one a path of its own with --socket")]
    Taken(PathBuf),
    /// There is a file that is no socket.
    #[error("{0} is not a socket and is in the way; move it, or give another path with --socket")]
    InTheWay(PathBuf),
    /// The socket could not be made.
    #[error("the socket {path} cannot be made ({error}); give another path with --socket")]
    Unix {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The TCP address could not be used.
    #[error("{address} cannot be listened on ({error}); change stream.tcp")]
    Tcp {
        /// Which.
        address: std::net::SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// Certificate, key or authority are of no use.
    #[error("{0} (in [stream.tls])")]
    Tls(#[from] FileError),
}

/// Open sockets.
pub struct Listeners {
    /// Where local subscribers come in.
    pub unix: UnixDoor,
    /// Where others come in, when the configuration asks for it.
    pub tcp: Option<TcpDoor>,
}

/// How peers come in over TCP.
pub enum TcpDoor {
    /// In plain text, on loopback.
    Plain(TcpListener),
    /// With mutual TLS.
    Tls(Door),
}

/// The unix socket. Its file is removed when this is dropped.
pub struct UnixDoor {
    listener: UnixListener,
    path: SocketFile,
    allowed: Allowed,
}

/// The file of a socket; removed when this is dropped.
pub struct SocketFile(pub PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Listeners {
    /// Opens what the configuration says.
    ///
    /// # Errors
    /// When a socket is taken or cannot be made.
    pub async fn open(config: &StreamConfig) -> Result<Self, ListenError> {
        let path = &config.socket;
        let failed = |error| ListenError::Unix { path: path.clone(), error };
        clear(path)?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        // Nobody but the owner from the first moment on.
        let before = umask(Mode::from_raw_mode(0o177));
        let unix = UnixListener::bind(path);
        umask(before);
        let unix = unix.map_err(failed)?;
        let group = group_id(&config.group);
        if let Some(group) = group {
            std::os::unix::fs::chown(path, None, Some(group)).map_err(failed)?;
        } else {
            tracing::info!(group = config.group, "there is no such group: only root can subscribe");
        }
        fs::set_permissions(path, Permissions::from_mode(config.mode.bits())).map_err(failed)?;
        let tcp = match config.tcp {
            Some(address) => {
                let listener = TcpListener::bind(address).await;
                let listener = listener.map_err(|error| ListenError::Tcp { address, error })?;
                Some(match &config.tls {
                    Some(tls) => TcpDoor::Tls(tls::door(listener, tls)?),
                    None => TcpDoor::Plain(listener),
                })
            }
            None => None,
        };
        let owner = rustix::process::geteuid().as_raw();
        let allowed = Allowed { owner, group, group_name: config.group.clone().into() };
        Ok(Self { unix: UnixDoor { listener: unix, path: SocketFile(path.clone()), allowed }, tcp })
    }
}

impl UnixDoor {
    /// Connections of those who may come in. The mode of the socket keeps the
    /// others out already; the peer's credentials are checked all the same,
    /// since modes can be changed from outside.
    pub fn connections(self) -> impl Stream<Item = io::Result<UnixStream>> {
        let Self { listener, path, allowed } = self;
        UnixListenerStream::new(listener).filter(move |connection| {
            let _keep = &path;
            let welcome = connection.as_ref().map_or(true, |stream| allowed.welcome(stream));
            future::ready(welcome)
        })
    }
}

/// Who may come in.
struct Allowed {
    owner: u32,
    group: Option<u32>,
    group_name: OsString,
}

impl Allowed {
    fn welcome(&self, stream: &UnixStream) -> bool {
        let Ok(peer) = stream.peer_cred() else { return false };
        let welcome = peer.uid() == 0
            || peer.uid() == self.owner
            || self.group == Some(peer.gid())
            || self.is_member(peer.uid());
        if !welcome {
            tracing::warn!(uid = peer.uid(), pid = peer.pid(), "a peer was refused at the socket");
        }
        welcome
    }

    fn is_member(&self, uid: u32) -> bool {
        let name = uzers::get_user_by_uid(uid).map(|user| user.name().to_owned());
        let group = uzers::get_group_by_name(&self.group_name);
        match (name, group) {
            (Some(name), Some(group)) => {
                use uzers::os::unix::GroupExt as _;
                group.members().contains(&name)
            }
            _ => false,
        }
    }
}

/// A group by name or number.
pub fn group_id(group: &str) -> Option<u32> {
    group.parse().ok().or_else(|| uzers::get_group_by_name(group).map(|group| group.gid()))
}

/// Removes a socket nobody answers at any more.
///
/// # Errors
/// When somebody answers, and when it is something else.
pub fn clear(path: &Path) -> Result<(), ListenError> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::InTheWay(path.to_owned()));
    }
    if Probe::connect(path).is_ok() {
        return Err(ListenError::Taken(path.to_owned()));
    }
    fs::remove_file(path).map_err(|error| ListenError::Unix { path: path.to_owned(), error })
}
