//! A server in a process of its own, whose memory is not the attacker's.

use std::{
    convert::Infallible,
    env, fs,
    io::{self, BufRead as _, BufReader, Read as _},
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    process::{Child, Command, Stdio},
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Frame;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpSocket,
};
use tonic::{body::Body, codegen::Bytes, server::NamedService, transport::server::TcpIncoming};

use super::*;
use crate::Guarded;

/// Tells the test program that it is to be the server: where its files are.
const DIRECTORY: &str = "ACTIVITY_PEERS_VICTIM";
/// The test that is the server then.
const TEST: &str = "tests::hostile::victim::serves_the_tests_beside_it";
/// What it says before its addresses.
const LISTENING: &str = "listening at ";
/// From where attacks come: places are given by address.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
/// Messages may be as long as in the sensor's service.
pub const MOST: usize = 64 << 10;

/// How one comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// With mutual TLS, and a certificate that is good.
    Tls,
    /// In plain text.
    Plain,
}

/// A connection for whatever one likes to send.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// The server, until this is dropped.
pub struct Victim {
    child: Child,
    tls: SocketAddr,
    plain: SocketAddr,
    attacker: TlsConnector,
    honest: Connector,
    _town: Town,
}

impl Victim {
    pub fn start() -> Self {
        let town = Town::new();
        town.enrol("default/sensor/web-1");
        let attacker = careless(Some(&town.enrol("default/viewer/eve")), &TLS13, b"h2");
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, town.path("default_sensor_web-1"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let addresses = lines.into_iter().find_map(|line| Some(line.split_once(LISTENING)?.1.to_owned()));
        let addresses = addresses.expect("the server does not start");
        let (tls, plain) = addresses.split_once(' ').unwrap();
        let (tls, plain) = (tls.parse().unwrap(), plain.parse().unwrap());
        let honest = connector(&town.enrol("default/collector/main"));
        Self { child, tls, plain, attacker, honest, _town: town }
    }

    /// A connection of the attacker's.
    pub async fn wire(&self, way: Way) -> io::Result<Box<dyn Wire>> {
        let stream = self.bare(way).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").unwrap();
        Ok(match way {
            Way::Tls => Box::new(self.attacker.connect(name, stream).await?),
            Way::Plain => Box::new(stream),
        })
    }

    /// The same without a handshake.
    pub async fn bare(&self, way: Way) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((ATTACKER, 0).into())?;
        socket.connect(if way == Way::Tls { self.tls } else { self.plain }).await
    }

    /// A connection of somebody honest.
    pub async fn client(&self, way: Way) -> Result<Channel, tonic::transport::Error> {
        let endpoint = |address| crate::endpoint(format!("http://{address}")).unwrap();
        match way {
            Way::Tls => endpoint(self.tls).connect_with_connector(self.honest.clone()).await,
            Way::Plain => endpoint(self.plain).connect().await,
        }
    }

    /// Bytes of memory that it has now, and that it had at most.
    pub fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let kilobytes = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the server has ended");
            line.trim_end_matches("kB").trim().parse().unwrap()
        };
        (kilobytes("VmRSS:") << 10, kilobytes("VmHWM:") << 10)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// No test by itself: the server of those beside it, which start it as a process.
#[test]
fn serves_the_tests_beside_it() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let expected = Expected { tenant: Some("default".parse().unwrap()), ..Expected::default() };
        let credentials = Credentials::open(Files::within(Path::new(&directory))).unwrap();
        let door = Door::new(listener, credentials, expected, Limits::default());
        println!("{LISTENING}{} {}", door.local_addr().unwrap(), plain.local_addr().unwrap());
        tokio::spawn(services().serve_with_incoming(door.connections()));
        tokio::spawn(services().serve_with_incoming(TcpIncoming::from(plain).with_nodelay(Some(true))));
        // Whoever started this holds the other end.
        let _ = tokio::task::spawn_blocking(|| io::stdin().read(&mut [0])).await;
    });
    std::process::exit(0);
}

fn services() -> Guarded {
    let (_, health) = tonic_health::server::health_reporter();
    crate::server()
        .layer(Gate::new(|_| Some(Right::Read)))
        .add_service(health.max_decoding_message_size(MOST))
        .add_service(Endless)
}

/// Answers without an end, as fast as anybody reads.
#[derive(Clone)]
struct Endless;

impl NamedService for Endless {
    const NAME: &'static str = "test.Endless";
}

impl tower::Service<Request<Body>> for Endless {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        std::future::ready(Ok(Response::new(Body::new(Zeros))))
    }
}

struct Zeros;

impl http_body::Body for Zeros {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; 16 << 10])))))
    }
}
