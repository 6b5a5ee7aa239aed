//! Where peers come in over TCP.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures::Stream;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    Connection, Credentials, Expected, Limits, Reason, Refusal, Refusals,
    authority::Side,
    connection::{Terms, prepare, random},
    credentials::HTTP2,
    limits::{Slot, Slots},
    witness::Witness,
};

/// Connections that wait to be served.
const WAITING: usize = 16;
/// After this, accepting is tried again where the system has no descriptors left.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a refused peer has to read why.
const LINGER: Duration = Duration::from_secs(1);

/// A listening socket that only lets peers in who prove who they are.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    shared: Shared,
}

#[derive(Clone, Debug)]
struct Shared {
    credentials: Credentials,
    expected: Expected,
    limits: Limits,
    refusals: Arc<Refusals>,
    handshakes: Arc<Slots>,
    connections: Arc<Slots>,
}

impl Door {
    /// Lets in who is expected. A [`Gate`](crate::Gate) judges calls by role; the tenant
    /// should be judged here.
    #[must_use]
    pub fn new(listener: TcpListener, credentials: Credentials, expected: Expected, limits: Limits) -> Self {
        let handshakes = Slots::new(limits.handshakes, limits.handshakes_per_address);
        let connections = Slots::new(limits.connections, limits.connections_per_address);
        let refusals = Arc::default();
        let shared = Shared { credentials, expected, limits, refusals, handshakes, connections };
        Self { listener, shared }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Counts who was let in and who was not.
    #[must_use]
    pub fn refusals(&self) -> Arc<Refusals> {
        Arc::clone(&self.shared.refusals)
    }

    /// Connections of peers that have proved who they are. Handshakes go on side by side
    /// and end when this is dropped. Must be called in a runtime.
    pub fn connections(self) -> impl Stream<Item = io::Result<Connection>> + Send {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(self.accept(sender));
        ReceiverStream::new(receiver)
    }

    async fn accept(self, sender: mpsc::Sender<io::Result<Connection>>) {
        let mut handshakes = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = handshakes.join_next() => continue,
                () = sender.closed() => return,
            };
            match accepted {
                Ok((stream, address)) => {
                    let ip = address.ip();
                    match self.shared.handshakes.take(ip) {
                        Ok(slot) => {
                            let (shared, sender) = (self.shared.clone(), sender.clone());
                            handshakes.spawn(shared.welcome(stream, address, slot, sender));
                        }
                        Err(reason) => self.shared.refusals.refuse(ip, &Refusal::new(reason)),
                    }
                }
                Err(error) => {
                    let error = crate::refusal::printable(&error.to_string());
                    self.shared.refusals.say("accept", format_args!("no connection was taken ({error})"));
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Shared {
    /// One peer, from its first byte until it is handed over or refused.
    async fn welcome(
        self,
        stream: TcpStream,
        address: SocketAddr,
        _handshake: Slot,
        sender: mpsc::Sender<io::Result<Connection>>,
    ) {
        let allowed = self.limits.handshake_time;
        let made = timeout(allowed, self.handshake(stream, address)).await;
        let connection = match made {
            Ok(Ok(connection)) => connection,
            Ok(Err((refusal, stream))) => {
                self.refusals.refuse(address.ip(), &refusal);
                if let Some(stream) = stream {
                    let _ = timeout(LINGER, see_off(stream)).await;
                }
                return;
            }
            Err(_) => return self.refusals.refuse(address.ip(), &Refusal::new(Reason::Timeout)),
        };
        self.refusals.accept();
        tracing::debug!(identity = %connection.peer().identity, %address, "a peer came in");
        let _ = timeout(allowed, sender.send(Ok(connection))).await;
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Result<Connection, (Refusal, Option<TcpStream>)> {
        let broken = |error: &io::Error| (Refusal::with(Reason::Broken, error), None);
        prepare(&stream).map_err(|error| broken(&error))?;
        let loaded = self.credentials.current();
        let witness = Witness::new(Arc::clone(&loaded), self.expected.clone());
        let config = loaded.server(&witness).map_err(|error| (Refusal::from_tls(&error), None))?;
        let handshake = TlsAcceptor::from(config).accept(stream).into_fallible().await;
        let stream = handshake.map_err(|(error, stream)| {
            let judged = witness.verdict().and_then(|(found, _)| found.as_ref().err().cloned());
            (judged.unwrap_or_else(|| Refusal::from_handshake(&error)), Some(stream))
        })?;
        let (found, chain) = witness.verdict().cloned().ok_or((Refusal::new(Reason::NoCertificate), None))?;
        let identity = found.map_err(|refusal| (refusal, None))?;
        self.admit(stream, address, identity, chain).map_err(|refusal| (refusal, None))
    }

    fn admit(
        &self,
        stream: server::TlsStream<TcpStream>,
        address: SocketAddr,
        identity: crate::Identity,
        chain: Vec<rustls_pki_types::CertificateDer<'static>>,
    ) -> Result<Connection, Refusal> {
        let refuse = |reason| Refusal::new(reason).of(Some(identity.clone()));
        if stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
            return Err(refuse(Reason::Protocol));
        }
        let slot = self.connections.take(address.ip()).map_err(refuse)?;
        let terms = Terms {
            credentials: self.credentials.clone(),
            expected: self.expected.clone(),
            side: Side::Client,
            age: Some(self.limits.age_of_one(random())),
            idle: Some(self.limits.idle),
            refusals: Arc::clone(&self.refusals),
        };
        Ok(Connection::new(stream.into(), address, (identity, chain), terms, Some(slot)))
    }
}

/// Takes what a refused peer still sends, as closing at once would take the reason away
/// from it that it was just sent.
async fn see_off(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}
