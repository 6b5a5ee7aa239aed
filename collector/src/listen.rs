//! Where sensors come in that dial out.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixStream as Probe,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use activity_peers::{Address, Credentials, Door, Expected, Gate, Guarded, Limits, Right};
use activity_proto::{MAX_MESSAGE_BYTES, server::collector_service_server::CollectorServiceServer};
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::transport::Server;

use crate::{deliver::Deliveries, failure::Failure};

/// Calls that one connection may have open at once: one is needed.
const STREAMS_PER_CONNECTION: u32 = 4;
/// A peer that does not answer for this long is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// What may be under way from a sensor to here, bytes.
const WINDOW: u32 = 1 << 20;
/// Root, the collector's user and its group may deliver over a unix socket.
const MODE: u32 = 0o660;
/// How often a certificate's own life, and its revocation, are looked at: see `peers`.
const AGE: Duration = Duration::from_secs(3600);

/// An open door.
pub enum Entrance {
    /// A unix socket, whose file is removed when this is dropped.
    Unix(UnixListener, SocketFile),
    /// Plain text, on loopback.
    Plain(TcpListener),
    /// Mutual TLS.
    Tls(Door),
}

/// The file of a socket; removed when this is dropped.
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What a call needs, by its path. What is not here nobody may call.
fn right_of(path: &str) -> Option<Right> {
    (path == "/activity.sensor.v1.CollectorService/Deliver").then_some(Right::Deliver)
}

/// Many sensors may share one address, behind a translation.
fn limits() -> Limits {
    Limits {
        handshakes: 256,
        handshakes_per_address: 128,
        connections: 4096,
        connections_per_address: 2048,
        age: AGE,
        ..Limits::default()
    }
}

impl Entrance {
    /// Opens it; with credentials only for peers of their tenant.
    pub async fn open(address: &Address, credentials: Option<&Credentials>) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::unavailable(format!(
                "{address} cannot be listened on ({error}): free it, or give another address with --listen"
            ))
        };
        match address {
            Address::Unix(path) => unix(Path::new(path)).map_err(failed),
            Address::Tcp(host) => {
                let listener = TcpListener::bind(host.place()).await.map_err(failed)?;
                let Some(credentials) = credentials else { return Ok(Self::Plain(listener)) };
                let tenant = Some(credentials.current().identity.tenant.clone());
                let expected = Expected { tenant, ..Expected::default() };
                Ok(Self::Tls(Door::new(listener, credentials.clone(), expected, limits())))
            }
        }
    }

    /// Where it listens, for what was left to the system.
    pub fn port(&self) -> Option<u16> {
        let address = match self {
            Self::Unix(..) => return None,
            Self::Plain(listener) => listener.local_addr(),
            Self::Tls(door) => door.local_addr(),
        };
        address.ok().map(|address| address.port())
    }

    /// Takes deliveries for as long as it is polled.
    pub async fn serve(self, deliveries: Deliveries) -> Result<(), Failure> {
        let server = guarded(deliveries);
        let served = match self {
            Self::Unix(listener, _file) => {
                server.serve_with_incoming(UnixListenerStream::new(listener)).await
            }
            Self::Plain(listener) => server.serve_with_incoming(TcpListenerStream::new(listener)).await,
            Self::Tls(door) => server.serve_with_incoming(door.connections()).await,
        };
        served.map_err(|error| Failure::unavailable(activity_peers::reason(&error)))
    }
}

fn guarded(deliveries: Deliveries) -> Guarded {
    let service = CollectorServiceServer::new(deliveries).max_decoding_message_size(MAX_MESSAGE_BYTES);
    Server::builder()
        .layer(Gate::new(right_of))
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .add_service(service)
}

fn unix(path: &Path) -> io::Result<Entrance> {
    if let Ok(metadata) = fs::symlink_metadata(path) {
        // One that nobody answers at is left from a collector that was killed.
        if !metadata.file_type().is_socket() || Probe::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        fs::remove_file(path)?;
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let listener = UnixListener::bind(path)?;
    let file = SocketFile(path.to_owned());
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    Ok(Entrance::Unix(listener, file))
}
