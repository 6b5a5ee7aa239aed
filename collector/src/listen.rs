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
use activity_proto::{
    FILE_DESCRIPTOR_SET, MAX_MESSAGE_BYTES,
    server::{collector_service_server::CollectorServiceServer, query_service_server::QueryServiceServer},
};
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};

use crate::{deliver::Deliveries, failure::Failure, query::Answers};

/// Root, the collector's user and its group may deliver over a unix socket.
const MODE: u32 = 0o660;
/// What a question about the service may be long.
const MAX_REQUEST_BYTES: usize = 64 << 10;
/// The greatest age of a connection.
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

/// What a call of a sensor needs, by its path. What is not here nobody may call.
fn delivers(path: &str) -> Option<Right> {
    (path == "/activity.sensor.v1.CollectorService/Deliver").then_some(Right::Deliver)
}

/// What a call of one who asks needs; whoever may ask may also learn how.
fn asks(path: &str) -> Option<Right> {
    let is_asked = path == "/activity.sensor.v1.QueryService/Query"
        || path.starts_with("/grpc.health.v1.Health/")
        || path.starts_with("/grpc.reflection.");
    is_asked.then_some(Right::Read)
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
                "{address} cannot be listened on ({error}): free it, or give another address"
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

    /// Answers calls for as long as it is polled.
    pub async fn serve(self, server: Guarded) -> Result<(), Failure> {
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

/// The service for those who ask, with health and server reflection, so that clients work
/// without our files.
///
/// # Errors
/// When what describes it is not well-formed.
pub async fn answering(answers: Answers) -> Result<Guarded, Failure> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<QueryServiceServer<Answers>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let newer = reflection().build_v1().map_err(Failure::unavailable)?;
    let older = reflection().build_v1alpha().map_err(Failure::unavailable)?;
    Ok(activity_peers::server()
        .layer(Gate::new(asks))
        .add_service(QueryServiceServer::new(answers))
        .add_service(health.max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(newer.max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(older.max_decoding_message_size(MAX_REQUEST_BYTES)))
}

/// The service for sensors.
pub fn receiving(deliveries: Deliveries) -> Guarded {
    let service = CollectorServiceServer::new(deliveries).max_decoding_message_size(MAX_MESSAGE_BYTES);
    activity_peers::server().layer(Gate::new(delivers)).add_service(service)
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
