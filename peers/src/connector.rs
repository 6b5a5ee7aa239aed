//! How a client reaches a peer.

use std::{
    error::Error as StdError,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls_pki_types::{DnsName, ServerName};
use thiserror::Error;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use tower::Service;

use crate::{
    Connection, Credentials, Expected, Peer, Reason, Refusal, Refusals,
    authority::Side,
    connection::{Terms, prepare},
    credentials::HTTP2,
    witness::Witness,
};

/// How long one address may take to be reached and to prove who it is.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Stands where TLS wants a name; it is neither sent nor compared.
const NO_NAME: &str = "activity.invalid";

/// With what rustls begins to tell of an alert.
const ALERT: &str = "received fatal alert: ";

/// Why a peer is not reached.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The name has no address, or nobody can be reached there.
    #[error(transparent)]
    Network(#[from] io::Error),
    /// Who is there is not who was expected, or does not want us.
    #[error("{0}")]
    Refused(Refusal),
}

/// Connects to a peer that proves to be who is expected. Give it to tonic's
/// `Endpoint::connect_with_connector`, with the address as `http://HOST:PORT`: the
/// encryption is the connector's own.
#[derive(Clone, Debug)]
pub struct Connector {
    credentials: Credentials,
    expected: Expected,
    peer: Arc<Mutex<Option<Peer>>>,
    refusals: Arc<Refusals>,
}

impl Connector {
    /// Of one tenant with us, unless `expected` names another.
    #[must_use]
    pub fn new(credentials: Credentials, mut expected: Expected) -> Self {
        expected.tenant.get_or_insert_with(|| credentials.current().identity.tenant.clone());
        Self { credentials, expected, peer: Arc::default(), refusals: Arc::default() }
    }

    /// Who was reached last.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn connect(self, uri: Uri) -> Result<TokioIo<Connection>, ConnectError> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "the address is not HOST:PORT");
        let host = uri.host().ok_or_else(invalid)?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().ok_or_else(invalid)?;
        let mut last = ConnectError::Network(io::Error::new(
            io::ErrorKind::NotFound,
            "the name has no address; check it, or give an address",
        ));
        for address in tokio::net::lookup_host((host, port)).await? {
            match timeout(TIMEOUT, self.reach(address)).await {
                Ok(Ok(connection)) => {
                    let peer = connection.peer().clone();
                    *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = Some(peer);
                    return Ok(TokioIo::new(connection));
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = ConnectError::Refused(Refusal::new(Reason::Timeout)),
            }
        }
        Err(last)
    }

    async fn reach(&self, address: SocketAddr) -> Result<Connection, ConnectError> {
        let stream = TcpStream::connect(address).await?;
        prepare(&stream)?;
        let loaded = self.credentials.current();
        let witness = Witness::new(Arc::clone(&loaded), self.expected.clone());
        let config = loaded.client(&witness).map_err(|error| refused(Refusal::from_tls(&error)))?;
        let name = DnsName::try_from(NO_NAME).map_err(io::Error::other)?;
        let handshake = TlsConnector::from(config).connect(ServerName::DnsName(name), stream).await;
        let verdict = witness.verdict().cloned();
        let stream = match (handshake, &verdict) {
            (Ok(stream), _) => stream,
            (Err(_), Some((Err(refusal), _))) => return Err(refused(refusal.clone())),
            (Err(error), _) => return Err(refused(Refusal::from_handshake(&error))),
        };
        let (found, chain) = verdict.ok_or_else(|| refused(Refusal::new(Reason::NoCertificate)))?;
        let identity = found.map_err(refused)?;
        if stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
            return Err(refused(Refusal::new(Reason::Protocol).of(Some(identity))));
        }
        let terms = Terms {
            credentials: self.credentials.clone(),
            expected: self.expected.clone(),
            side: Side::Server,
            age: None,
            idle: None,
            refusals: Arc::clone(&self.refusals),
        };
        Ok(Connection::new(stream.into(), address, (identity, chain), terms, None))
    }
}

fn refused(refusal: Refusal) -> ConnectError {
    ConnectError::Refused(refusal)
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Connection>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// The sentence about TLS that is somewhere among the causes of an error. With TLS 1.3
/// a client hears only after its own handshake that it was refused, in whatever it did
/// next.
#[must_use]
pub fn explain(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(ConnectError::Refused(refusal)) = error.downcast_ref() {
            return Some(refusal.to_string());
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Some(Refusal::from_tls(tls).to_string());
        }
        // HTTP/2 keeps the words only.
        let text = inner.map(ToString::to_string).unwrap_or_default();
        if let Some(alert) = text.strip_prefix(ALERT) {
            return Some(Refusal::from_alert(alert).to_string());
        }
        cause = error.source();
    }
    None
}
