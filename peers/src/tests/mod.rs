//! Real TLS over loopback, with the health service in place of one of ours: `Check` is a
//! call with one answer, `Watch` one that goes on.

mod crowd;
mod hostile;
mod lasting;
mod refused;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use tokio::{net::TcpListener, time::Instant};
use tonic::{
    Status, Streaming,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};

use crate::{
    Connector, Credentials, Door, Expected, Files, Gate, Identity, Limits, Reason, Refusals, Right, Role,
    issue::{Ca, days},
};

/// An authority and the directories of those it enrolled.
struct Town {
    directory: tempfile::TempDir,
    ca: Ca,
}

impl Town {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ca = Ca::init(&directory.path().join("ca"), "test").unwrap();
        Self { directory, ca }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Enrols somebody, into a directory that the identity's name has.
    fn enrol(&self, identity: &str) -> Files {
        let directory = self.path(&identity.replace(['/', ':'], "_"));
        self.ca.enrol(&id(identity), days(1)).unwrap().write(&directory, true).unwrap();
        Files::within(&directory)
    }

    /// The same for a time that begins and ends so many seconds from now.
    fn enrol_for(&self, identity: &str, from: i64, until: i64) -> Files {
        let directory = self.path("of-a-time");
        let at = |seconds: i64| {
            let distance = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 { SystemTime::now() - distance } else { SystemTime::now() + distance }
        };
        self.ca.issue(&id(identity), at(from), at(until)).unwrap().write(&directory, true).unwrap();
        Files::within(&directory)
    }

    /// Revokes somebody, where a server looks for it.
    fn revoke(&self, whom: &str, server: &Files) {
        self.ca.revoke(whom).unwrap();
        replace(&self.path("ca/revoked.pem"), server.revoked.as_deref().unwrap());
    }
}

/// As an administrator would: never a file that is half there.
fn replace(from: &Path, to: &Path) {
    let new = to.with_extension("copy");
    std::fs::copy(from, &new).unwrap();
    std::fs::rename(new, to).unwrap();
}

fn id(identity: &str) -> Identity {
    format!("activity://{identity}").parse().unwrap()
}

struct Serving {
    address: SocketAddr,
    refusals: Arc<Refusals>,
}

/// Serves health to whoever is of the tenant `default` and may read.
async fn serve(files: &Files, limits: Limits) -> Serving {
    serve_with(files, limits, |path| path.starts_with("/grpc.health.v1.Health/").then_some(Right::Read)).await
}

async fn serve_with(files: &Files, limits: Limits, right_of: fn(&str) -> Option<Right>) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let expected = Expected { tenant: Some("default".parse().unwrap()), ..Expected::default() };
    let door = Door::new(listener, Credentials::open(files.clone()).unwrap(), expected, limits);
    let serving = Serving { address: door.local_addr().unwrap(), refusals: door.refusals() };
    let (_, health) = tonic_health::server::health_reporter();
    let server = crate::server().layer(Gate::new(right_of)).add_service(health);
    tokio::spawn(server.serve_with_incoming(door.connections()));
    serving
}

impl Serving {
    fn endpoint(&self) -> Endpoint {
        crate::endpoint(format!("http://{}", self.address)).unwrap()
    }

    async fn client(&self, files: &Files) -> Result<HealthClient<Channel>, tonic::transport::Error> {
        self.reach(&connector(files)).await
    }

    async fn reach(&self, connector: &Connector) -> Result<HealthClient<Channel>, tonic::transport::Error> {
        self.endpoint().connect_with_connector(connector.clone()).await.map(HealthClient::new)
    }

    /// Connects and calls; what went wrong is a sentence.
    async fn call(&self, files: &Files) -> Result<(), String> {
        let sentence = |error: &(dyn std::error::Error + 'static)| {
            crate::explain(error).unwrap_or_else(|| format!("{error} {error:?}"))
        };
        let mut client = self.client(files).await.map_err(|error| sentence(&error))?;
        client.check(HealthCheckRequest::default()).await.map_err(|status| sentence(&status))?;
        Ok(())
    }

    /// Waits until somebody was refused for this reason.
    async fn refused(&self, reason: Reason, count: u64) {
        until(|| self.refusals.refused(reason) >= count, || format!("{reason:?}: {:?}", self.counts())).await;
    }

    fn counts(&self) -> Vec<(Reason, u64)> {
        self.refusals.by_reason().collect()
    }
}

/// A client that expects a sensor.
fn connector(files: &Files) -> Connector {
    let expected = Expected { role: Some(Role::Sensor), ..Expected::default() };
    Connector::new(Credentials::open(files.clone()).unwrap(), expected)
}

async fn watch(client: &mut HealthClient<Channel>) -> Streaming<HealthCheckResponse> {
    let mut stream = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    stream
}

/// How a stream on which nothing comes any more ends.
async fn end(mut stream: Streaming<HealthCheckResponse>) -> Status {
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.message()).await;
    ended.expect("the stream goes on").unwrap_err()
}

async fn until(mut reached: impl FnMut() -> bool, found: impl Fn() -> String) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !reached() {
        assert!(Instant::now() < deadline, "waited in vain: {}", found());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What is logged on this thread while the guard is held.
fn logged() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let of = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || of.clone()).finish();
    (log, tracing::subscriber::set_default(subscriber))
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
