//! Our own certificate and whom we trust, read again when the files change.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    ClientConfig, InconsistentKeys, ServerConfig,
    client::Resumption,
    crypto::CryptoProvider,
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::{sync::watch, task};
use webpki::EndEntityCert;

use crate::{
    Authority, Expected, FileError, Files, Identity, Reason, Refusal,
    authority::Side,
    files::{Stamp, unusable},
    witness::Witness,
};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is said what will soon be wrong with them.
const REMIND: Duration = Duration::from_secs(24 * 3600);
/// What expires within this time is told.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// The one protocol that is spoken.
pub(crate) const HTTP2: &[u8] = b"h2";

/// Our certificate and key, and the authority, as the files had them.
pub struct Loaded {
    key: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
    pub(crate) authority: Authority,
    /// Who we are.
    pub identity: Identity,
}

impl Loaded {
    /// Reads the files. A certificate that has expired or is revoked is taken all the
    /// same: peers refuse it, and a fresh one may come any moment.
    ///
    /// # Errors
    /// When one cannot be read, or they do not belong together.
    pub fn read(files: &Files) -> Result<Self, FileError> {
        let contents = files.read()?;
        let path = &files.certificate;
        let leaf = contents.chain.first().ok_or_else(|| unusable("certificate", path, "it is empty"))?;
        let leaf = EndEntityCert::try_from(leaf).map_err(|error| unusable("certificate", path, error))?;
        let identity = Identity::among(leaf.valid_uri_names())
            .map_err(|fault| FileError::Nobody { path: path.clone(), fault })?;
        let authority = Authority::new(&contents.authorities, &[])
            .map_err(|error| unusable("authority's certificate", &files.authority, error))?;
        let authority = match &files.revoked {
            None => authority,
            Some(revoked) => Authority::new(&contents.authorities, &contents.lists)
                .map_err(|error| unusable("list of revoked certificates", revoked, error))?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = CertifiedKey::from_der(contents.chain.clone(), contents.key, &provider);
        let key = key.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                FileError::KeyMismatch { key: files.key.clone(), certificate: path.clone() }
            }
            other => unusable("key", &files.key, other),
        })?;
        Ok(Self { key: Arc::new(key), provider, authority, identity })
    }

    /// Whose certificate it is, if it is good and of whom was expected.
    pub(crate) fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        side: Side,
        expected: &Expected,
        now: UnixTime,
    ) -> Result<Identity, Refusal> {
        let identity = self.authority.verify(chain, side, now)?;
        if expected.tenant.as_ref().is_some_and(|tenant| *tenant != identity.tenant) {
            return Err(Refusal::new(Reason::Tenant).of(Some(identity)));
        }
        let role = expected.role.is_none_or(|role| role == identity.role);
        let name = expected.name.as_ref().is_none_or(|name| *name == identity.name);
        if role && name { Ok(identity) } else { Err(Refusal::new(Reason::Role).of(Some(identity))) }
    }

    /// What is wrong with our own certificate, or soon will be.
    pub fn worries(&self) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = |time| self.worry(UnixTime::since_unix_epoch(time));
        if let Some(refusal) = at(now) {
            return Some(format!("peers will refuse this program now: {refusal}"));
        }
        at(now + SOON).map(|refusal| format!("peers will refuse this program within 14 days: {refusal}"))
    }

    fn worry(&self, time: UnixTime) -> Option<Refusal> {
        let both = [Side::Client, Side::Server].map(|side| self.authority.verify(&self.key.cert, side, time));
        // Some certificates are for one side only.
        let [client, server] = both;
        client.and(server).err().filter(|refusal| refusal.reason != Reason::Malformed)
    }

    /// What a server needs for one connection: TLS 1.3 and HTTP/2 only, and nothing of
    /// it to be resumed, as who resumes is not judged again.
    pub(crate) fn server(&self, witness: &Arc<Witness>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::clone(witness) as _)
            .with_cert_resolver(self.resolver());
        config.alpn_protocols = vec![HTTP2.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// What a client needs for one connection.
    pub(crate) fn client(&self, witness: &Arc<Witness>) -> Result<Arc<ClientConfig>, rustls::Error> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(witness) as _)
            .with_client_cert_resolver(self.resolver());
        config.alpn_protocols = vec![HTTP2.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(Arc::new(config))
    }

    fn resolver(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(CertifiedKey::clone(&self.key)))
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loaded({}, {:?})", self.identity, self.authority)
    }
}

/// Our credentials, always as the files have them. When the files change they are read
/// again within some seconds; while they are wrong, the last good ones hold.
#[derive(Clone, Debug)]
pub struct Credentials {
    current: watch::Receiver<Arc<Loaded>>,
}

impl Credentials {
    /// Reads the files, and goes on looking at them for as long as anybody holds this.
    /// Must be called in a runtime.
    ///
    /// # Errors
    /// When one cannot be read, or they do not belong together.
    pub fn open(files: Files) -> Result<Self, FileError> {
        let stamps = files.stamps();
        let loaded = Loaded::read(&files)?;
        if let Some(worry) = loaded.worries() {
            tracing::warn!("{worry}");
        }
        let (sender, current) = watch::channel(Arc::new(loaded));
        tokio::spawn(look_after(files, stamps, sender));
        Ok(Self { current })
    }

    /// As the files were last good.
    #[must_use]
    pub fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.current.borrow())
    }

    /// Waits until other ones were read.
    pub(crate) async fn changed(&mut self) {
        if self.current.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Reads the files again when they have changed and stayed so for a while: a
/// certificate and its key cannot be replaced in one moment.
async fn look_after(files: Files, mut read: Vec<Stamp>, sender: watch::Sender<Arc<Loaded>>) {
    let mut before = read.clone();
    let mut remind = tokio::time::Instant::now() + REMIND;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = sender.closed() => return,
        }
        let of = files.clone();
        let Ok(now) = task::spawn_blocking(move || of.stamps()).await else { continue };
        if now != read && now == before {
            read.clone_from(&now);
            read_again(&files, &sender).await;
        }
        before = now;
        if remind <= tokio::time::Instant::now() {
            remind += REMIND;
            if let Some(worry) = sender.borrow().worries() {
                tracing::warn!("{worry}");
            }
        }
    }
}

async fn read_again(files: &Files, sender: &watch::Sender<Arc<Loaded>>) {
    let of = files.clone();
    match task::spawn_blocking(move || Loaded::read(&of)).await {
        Ok(Ok(loaded)) => {
            if let Some(worry) = loaded.worries() {
                tracing::warn!("{worry}");
            }
            tracing::info!(identity = %loaded.identity, "certificate, key and authority were read again");
            sender.send_replace(Arc::new(loaded));
        }
        Ok(Err(error)) => tracing::error!("{error}; what was read before stays in use until it is right"),
        Err(error) => tracing::error!("the files could not be read again ({error})"),
    }
}
