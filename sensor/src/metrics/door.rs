//! Where metrics are asked for.

use std::{fs::Permissions, io, os::unix::fs::PermissionsExt as _, path::PathBuf};

use rustix::{fs::Mode, process::umask};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
};

use crate::{
    config::{MetricsAddress, StreamConfig},
    stream::{SocketFile, clear, group_id},
};

/// Why metrics cannot be served.
#[derive(Debug, Error)]
#[error("metrics cannot be served at {address} ({error}); change metrics.listen")]
pub struct DoorError {
    address: MetricsAddress,
    error: io::Error,
}

/// An open socket.
pub enum Door {
    /// On loopback.
    Tcp(TcpListener),
    /// In a directory; its file is removed when this is dropped.
    Unix {
        /// The socket.
        listener: UnixListener,
        /// Its file.
        _file: SocketFile,
    },
}

/// A connection of either kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Door {
    /// Opens what the configuration says; a unix socket has the group and the mode of
    /// the stream's.
    ///
    /// # Errors
    /// When the address is taken or cannot be used.
    pub async fn open(address: &MetricsAddress, stream: &StreamConfig) -> Result<Self, DoorError> {
        let opened = match address {
            MetricsAddress::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            MetricsAddress::Unix(path) => unix(path.clone(), stream),
        };
        opened.map_err(|error| DoorError { address: address.clone(), error })
    }

    /// The next connection.
    pub async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix { listener, .. } => Box::new(listener.accept().await?.0),
        })
    }
}

fn unix(path: PathBuf, stream: &StreamConfig) -> io::Result<Door> {
    clear(&path).map_err(io::Error::other)?;
    // Nobody but the owner from the first moment on.
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(&path);
    umask(before);
    let listener = listener?;
    let file = SocketFile(path.clone());
    if let Some(group) = group_id(&stream.group) {
        std::os::unix::fs::chown(&path, None, Some(group))?;
    }
    std::fs::set_permissions(&path, Permissions::from_mode(stream.mode.bits()))?;
    Ok(Door::Unix { listener, _file: file })
}
