//! Connections to a syslog server.

use std::{
    io::{self, ErrorKind},
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures::FutureExt as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time,
};
use tokio_rustls::TlsConnector;

use crate::export::{
    ExportError,
    target::{Secrets, Target},
};

/// How long a connection may take, and how long the other side may take nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that are written before the clock is set again.
const CHUNK: usize = 64 << 10;

/// Where the server is and how it is reached.
pub struct Door {
    host: String,
    port: u16,
    place: Arc<str>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection.
pub struct Link {
    place: Arc<str>,
    stream: Box<dyn Stream>,
}

impl Door {
    /// Reads the certificates that are needed.
    pub fn new(host: &str, port: u16, tls: bool, secrets: &Secrets) -> Result<Self, ExportError> {
        let place = Target::Syslog { host: host.to_owned(), port, tls }.to_string();
        let tls = tls.then(|| connector(host, secrets)).transpose()?;
        Ok(Self { host: host.to_owned(), port, place: place.into(), tls })
    }

    /// Connects.
    pub async fn connect(&self) -> Result<Link, ExportError> {
        let connect = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            let stream: Box<dyn Stream> = match &self.tls {
                Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
                None => Box::new(stream),
            };
            Ok(stream)
        };
        let stream = patient(connect).await.map_err(|error| unreachable(&self.place, &error))?;
        Ok(Link { place: self.place.clone(), stream })
    }
}

impl Link {
    /// Writes, says that no more comes, and waits until the other side has closed its end in
    /// good order: then it has read everything.
    pub async fn deliver(mut self, bytes: &[u8]) -> Result<(), ExportError> {
        let delivered = async {
            for chunk in bytes.chunks(CHUNK) {
                patient(self.stream.write_all(chunk)).await?;
            }
            patient(self.stream.flush()).await?;
            patient(self.stream.shutdown()).await?;
            let mut ignored = [0; 256];
            while patient(end_or_read(&mut self.stream, &mut ignored)).await? > 0 {}
            Ok(())
        };
        delivered.await.map_err(|error| unreachable(&self.place, &error))
    }

    /// Whether the other side has not closed its end.
    pub async fn is_there(&mut self) -> Result<(), ExportError> {
        let mut ignored = [0; 256];
        loop {
            let why = match self.stream.read(&mut ignored).now_or_never() {
                None => return Ok(()),
                Some(Ok(0)) => "it has ended, or ended the connection".to_owned(),
                Some(Ok(_)) => continue,
                Some(Err(error)) => error.to_string(),
            };
            return Err(ExportError::Unreachable { place: self.place.to_string(), why });
        }
    }
}

/// A peer that ends TCP without ending TLS has ended all the same.
async fn end_or_read(stream: &mut Box<dyn Stream>, room: &mut [u8]) -> io::Result<usize> {
    match stream.read(room).await {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    }
}

async fn patient<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    time::timeout(PATIENCE, work).await.unwrap_or_else(|_| {
        Err(io::Error::new(ErrorKind::TimedOut, format!("nothing happened for {} s", PATIENCE.as_secs())))
    })
}

fn unreachable(place: &str, error: &io::Error) -> ExportError {
    ExportError::Unreachable { place: place.to_owned(), why: error.to_string() }
}

fn connector(host: &str, secrets: &Secrets) -> Result<(TlsConnector, ServerName<'static>), ExportError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| ExportError::Settings(format!("`{host}` is no name that a certificate can have")))?;
    let Some(authority) = &secrets.authority else {
        return Err(ExportError::Settings(
            "syslog over TLS needs to know who signs the server's certificate: give `authority`, a file in PEM form"
                .into(),
        ));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority)? {
        roots.add(certificate).map_err(|error| wrong(authority, error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder =
        builder.map_err(|error| ExportError::Settings(error.to_string()))?.with_root_certificates(roots);
    let config = match (&secrets.certificate, &secrets.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error))?;
            builder.with_client_auth_cert(chain, private).map_err(|error| wrong(certificate, error))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ExportError> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| wrong(path, error))?;
    let found = read.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(path, error))?;
    if found.is_empty() { Err(wrong(path, "there is no certificate in it")) } else { Ok(found) }
}

fn wrong(path: &Path, error: impl std::fmt::Display) -> ExportError {
    ExportError::Settings(format!("{} is of no use ({error}); it must be in PEM form", path.display()))
}
