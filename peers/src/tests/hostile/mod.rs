//! Peers that mean harm, most of them with a certificate that is good: the server stays up,
//! serves whoever is beside them, and does not grow.

mod calls;
mod floods;
mod frames;
mod slow;
mod victim;

use http::{Request, Response};
use rustls::{pki_types::ServerName, version::TLS13};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    sync::Mutex as AsyncMutex,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use super::{refused::careless, *};
use frames::*;
use victim::{MOST, Victim, Way, Wire};

/// How long an attack goes on at most.
const TIME: Duration = Duration::from_millis(1500);
/// How long somebody honest waits at most, from connecting to the answer.
const SERVED: Duration = Duration::from_secs(2);
/// How much the server may grow, in bytes.
const GROWTH: u64 = 64 << 20;
/// Between two calls of somebody honest.
const PAUSE: Duration = Duration::from_millis(20);

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const ENDLESS: &str = "/test.Endless/Stream";

/// One attack at a time, so that what is measured is its own doing.
static TURN: AsyncMutex<()> = AsyncMutex::const_new(());

/// Attacks a server of its own, in each of these ways, while somebody honest calls it.
/// `attack` says what it did.
async fn endures(name: &str, ways: &[Way], attack: impl AsyncFn(&Victim, Way) -> String) {
    let _turn = TURN.lock().await;
    for way in ways {
        let victim = Arc::new(Victim::start());
        serve_one(&victim, *way).await;
        let (before, _) = victim.memory();
        let began = Instant::now();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let honest: JoinHandle<(u32, Duration)> = tokio::spawn(honest(Arc::clone(&victim), *way, stopped));
        let did = attack(&victim, *way).await;
        let took = began.elapsed();
        stop.send_replace(true);
        let (served, slowest) = honest.await.unwrap();
        serve_one(&victim, *way).await;
        let growth = victim.memory().1.saturating_sub(before);
        println!(
            "{name}, {way:?}: {did} in {took:.1?}; the server grew by {:.1} MiB; \
             {served} honest calls, the slowest {slowest:.0?}",
            growth as f64 / f64::from(1 << 20),
        );
        assert!(growth < GROWTH, "{name}, {way:?}: grew by {growth} bytes");
    }
}

/// Connects and calls until it is stopped: how often, and what took longest.
async fn honest(
    victim: Arc<Victim>,
    way: Way,
    mut stopped: tokio::sync::watch::Receiver<bool>,
) -> (u32, Duration) {
    let (mut served, mut slowest) = (0, Duration::ZERO);
    loop {
        slowest = slowest.max(serve_one(&victim, way).await);
        served += 1;
        if timeout(PAUSE, stopped.wait_for(|stop| *stop)).await.is_ok() {
            return (served, slowest);
        }
    }
}

/// How long somebody honest takes to connect and to be answered.
async fn serve_one(victim: &Victim, way: Way) -> Duration {
    let began = Instant::now();
    let call = async {
        let channel = victim.client(way).await.expect("the server takes no connection");
        let mut client = HealthClient::new(channel);
        client.check(HealthCheckRequest::default()).await.expect("the server does not answer");
    };
    timeout(SERVED, call).await.expect("the server takes too long");
    began.elapsed()
}

/// An attacker's connection, of which somebody reads what comes.
struct Line {
    write: tokio::io::WriteHalf<Box<dyn Wire>>,
    read: JoinHandle<u64>,
}

impl Line {
    async fn open(victim: &Victim, way: Way) -> io::Result<Self> {
        let mut wire = victim.wire(way).await?;
        wire.write_all(BEGINNING).await?;
        let (mut read, write) = tokio::io::split(wire);
        let read =
            tokio::spawn(
                async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await.unwrap_or(0) },
            );
        Ok(Self { write, read })
    }

    /// Sends it; an error once the server has ended the connection.
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.read.is_finished() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.write.write_all(bytes).await?;
        self.write.flush().await
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.read.abort();
    }
}

/// What came of a flood.
struct Flood {
    sent: u64,
    lines: u64,
}

/// Sends `count` pieces, or as many as there is time for, `at_once` in one write; begins
/// again on a new connection when the server has ended one. `piece` gets its number on the
/// connection.
async fn flood(
    victim: &Victim,
    way: Way,
    (count, at_once): (u64, u64),
    piece: impl Fn(u64, &mut Vec<u8>),
) -> Flood {
    let until = Instant::now() + TIME;
    let mut flood = Flood { sent: 0, lines: 0 };
    let mut bytes = Vec::new();
    while flood.sent < count && Instant::now() < until {
        let Ok(mut line) = Line::open(victim, way).await else { continue };
        flood.lines += 1;
        let mut on_this = 0;
        while flood.sent < count && Instant::now() < until {
            bytes.clear();
            for _ in 0..at_once {
                piece(on_this, &mut bytes);
                on_this += 1;
            }
            match timeout(TIME, line.send(&bytes)).await {
                Ok(Ok(())) => flood.sent += at_once,
                _ => break,
            }
        }
    }
    flood
}

impl std::fmt::Display for Flood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} sent over {} connections", self.sent, self.lines)
    }
}
