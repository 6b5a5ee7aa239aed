//! A connection to a peer that has proved who it is, and what ends it.

use std::{
    fmt,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::net::sockopt;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
    task::AbortHandle,
};
use tokio_rustls::TlsStream;
use tonic::transport::server::Connected;

use crate::{
    Credentials, Expected, Identity, Reason, Refusal, Refusals,
    authority::{Side, expiry},
    calls::{Call, Calls},
    limits::Slot,
};

/// After this a peer whose certificate was good is looked at again in any case.
const LOOK: Duration = Duration::from_secs(60);
/// Between the end that is told to the calls of a connection, and that of the connection.
const GRACE: Duration = Duration::from_secs(3);
/// What was sent and is not acknowledged for so long will not be.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// A silent peer is asked after this whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Why a connection is ended by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is as old as a connection may become.
    Age,
    /// Nobody called anything on it for as long as that may be.
    Idle,
    /// The peer's certificate is not good any more.
    Refused(Reason),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age => f.write_str("the connection has reached its greatest age; connect again"),
            Self::Idle => f.write_str("no call was made for as long as a connection may be idle"),
            Self::Refused(reason) => {
                write!(f, "the certificate is not accepted any more ({})", reason.as_str())
            }
        }
    }
}

/// How far the end of a connection has come.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Open,
    Retired(Ending),
    Closed(Ending),
}

/// Who is at the other end. On a server it is among the extensions of every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// As its certificate says.
    pub identity: Identity,
    /// From where.
    pub address: SocketAddr,
    phase: watch::Receiver<Phase>,
    calls: Arc<Calls>,
    refusals: Arc<Refusals>,
}

impl Peer {
    /// Why the connection is about to end, if it is.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        match *self.phase.borrow() {
            Phase::Open => None,
            Phase::Retired(ending) | Phase::Closed(ending) => Some(ending),
        }
    }

    /// Waits until the connection is about to end: some seconds are left then.
    pub async fn retired(mut self) -> Ending {
        loop {
            if let Some(ending) = self.ending() {
                return ending;
            }
            if self.phase.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    async fn closed(mut self) {
        let closed = self.phase.wait_for(|phase| matches!(phase, Phase::Closed(_))).await.is_ok();
        if !closed {
            std::future::pending().await
        }
    }

    /// A call of this peer, for as long as it lasts.
    pub(crate) fn call(&self) -> Call {
        self.calls.begin()
    }

    /// Counts and logs a call that this peer may not make.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.refusals.refuse(self.address.ip(), &refusal.of(Some(self.identity.clone())));
    }
}

/// A connection to a peer that has proved who it is.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    closed: Pin<Box<dyn Future<Output = ()> + Send>>,
    guard: AbortHandle,
    _slot: Option<Slot>,
}

/// What a connection is judged by while it lasts.
pub(crate) struct Terms {
    pub credentials: Credentials,
    pub expected: Expected,
    pub side: Side,
    /// How old it may become.
    pub age: Option<Duration>,
    /// How long it may be without a call.
    pub idle: Option<Duration>,
    pub refusals: Arc<Refusals>,
}

impl Connection {
    /// Takes a connection on whose handshake has succeeded, and guards it.
    pub(crate) fn new(
        stream: TlsStream<TcpStream>,
        address: SocketAddr,
        (identity, chain): (Identity, Vec<CertificateDer<'static>>),
        terms: Terms,
        slot: Option<Slot>,
    ) -> Self {
        let (sender, phase) = watch::channel(Phase::Open);
        let refusals = Arc::clone(&terms.refusals);
        let peer = Peer { identity, address, phase, calls: Calls::new(), refusals };
        let guard = tokio::spawn(guard(peer.clone(), chain, terms, sender)).abort_handle();
        let closed = Box::pin(peer.clone().closed());
        Self { stream, peer, closed, guard, _slot: slot }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// An error once the connection was ended by us. Whoever reads or writes is woken then.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match (self.closed.as_mut().poll(context), self.peer.ending()) {
            (Poll::Ready(()), Some(ending)) => {
                // Not to be polled again.
                self.closed = Box::pin(std::future::ready(()));
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, ending.to_string()))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.guard.abort();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({} at {})", self.peer.identity, self.peer.address)
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Ends a connection at its age, when nobody uses it, and when its peer's certificate is
/// not good any more.
async fn guard(peer: Peer, chain: Vec<CertificateDer<'static>>, terms: Terms, phase: watch::Sender<Phase>) {
    let aged = async {
        match terms.age {
            Some(age) => tokio::time::sleep(age).await,
            None => std::future::pending().await,
        }
    };
    let idle = async {
        match terms.idle {
            Some(allowed) => peer.calls.idle(allowed).await,
            None => std::future::pending().await,
        }
    };
    let ending = tokio::select! {
        () = aged => Ending::Age,
        () = idle => Ending::Idle,
        refusal = until_refused(&chain, &terms) => {
            terms.refusals.say(refusal.reason.as_str(), format_args!(
                "the connection with {} at {} is ended: {refusal}", peer.identity, peer.address,
            ));
            Ending::Refused(refusal.reason)
        }
    };
    terms.refusals.retire();
    tracing::debug!(identity = %peer.identity, address = %peer.address, "a connection is ended: {ending}");
    // Where no call is open there is nobody to be told.
    if ending != Ending::Idle {
        phase.send_replace(Phase::Retired(ending));
        tokio::time::sleep(GRACE).await;
    }
    phase.send_replace(Phase::Closed(ending));
}

/// Judges a certificate again when it expires, when our files have changed, and now and then.
async fn until_refused(chain: &[CertificateDer<'_>], terms: &Terms) -> Refusal {
    let mut credentials = terms.credentials.clone();
    let expiry = expiry(chain);
    loop {
        // Those that were read while the handshake went on are looked at as well.
        let loaded = credentials.current();
        if let Err(refusal) = loaded.judge(chain, terms.side, &terms.expected, UnixTime::now()) {
            return refusal;
        }
        tokio::select! {
            () = credentials.changed() => {}
            () = tokio::time::sleep(wait(expiry)) => {}
        }
    }
}

/// Until a second after the expiry, at most [`LOOK`].
fn wait(expiry: Option<UnixTime>) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match expiry {
        Some(expiry) => Duration::from_secs(expiry.as_secs() + 1).saturating_sub(now).min(LOOK),
        None => LOOK,
    }
    .max(Duration::from_millis(100))
}

/// What tells early that the other end is gone, and sends without delay.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE)?;
    let timeout = u32::try_from(USER_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(stream, timeout)?;
    Ok(())
}

/// From 0 to 1; the middle where the system has no random numbers.
pub(crate) fn random() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}
