//! Who signs certificates here, and which of them are revoked.

use std::{fmt, time::Duration};

use rustls::{DistinguishedName, crypto::WebPkiSupportedAlgorithms};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy,
};

use crate::{Identity, Reason, Refusal};

/// In whose place somebody shows a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// The certificates that sign others, and the lists of revoked ones.
pub struct Authority {
    anchors: Vec<TrustAnchor<'static>>,
    subjects: Vec<DistinguishedName>,
    lists: Vec<CertRevocationList<'static>>,
}

impl Authority {
    /// From certificates that are trusted to sign, and lists of revoked ones; without
    /// lists nothing is revoked.
    pub(crate) fn new(
        certificates: &[CertificateDer<'_>],
        lists: &[CertificateRevocationListDer<'_>],
    ) -> Result<Self, Error> {
        let anchors = certificates
            .iter()
            .map(|certificate| webpki::anchor_from_trusted_cert(certificate).map(|anchor| anchor.to_owned()))
            .collect::<Result<Vec<_>, _>>()?;
        let subjects = anchors.iter().map(|anchor| DistinguishedName::in_sequence(&anchor.subject));
        let lists = lists.iter().map(|list| OwnedCertRevocationList::from_der(list).map(Into::into));
        Ok(Self { subjects: subjects.collect(), lists: lists.collect::<Result<_, _>>()?, anchors })
    }

    /// Whose certificate it is, if it is good: signed by this authority, valid now and
    /// not revoked, for this side of a connection, with one identity in it. The first of
    /// the chain is the peer's own.
    pub(crate) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        side: Side,
        now: UnixTime,
    ) -> Result<Identity, Refusal> {
        let (leaf, intermediates) = chain.split_first().ok_or(Refusal::new(Reason::NoCertificate))?;
        let leaf = EndEntityCert::try_from(leaf).map_err(|error| Refusal::with(Reason::Malformed, error))?;
        let identity = Identity::among(leaf.valid_uri_names());
        self.verify_chain(&leaf, intermediates, side, now)
            .map_err(|error| refusal(&error).of(identity.clone().ok()))?;
        identity.map_err(|fault| Refusal::with(Reason::Identity, fault))
    }

    fn verify_chain(
        &self,
        leaf: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        side: Side,
        now: UnixTime,
    ) -> Result<(), Error> {
        let usage = match side {
            Side::Client => KeyUsage::client_auth(),
            Side::Server => KeyUsage::server_auth(),
        };
        // Who gives lists wants to know of every signer, and no list that is out of date:
        // whoever can withhold the new one could otherwise undo a revocation.
        let lists: Vec<_> = self.lists.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        let algorithms = algorithms().all;
        leaf.verify_for_usage(algorithms, &self.anchors, intermediates, now, usage, revocation, None)?;
        Ok(())
    }

    /// What the other end is told of whom we trust.
    pub(crate) fn subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({} certificates, {} lists)", self.anchors.len(), self.lists.len())
    }
}

/// When the peer's own certificate expires, or must be looked at again anyway.
pub(crate) fn expiry(chain: &[CertificateDer<'_>]) -> Option<UnixTime> {
    // The validity is looked at before anything else, and told when it is over.
    let end_of_time = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX / 2));
    let leaf = EndEntityCert::try_from(chain.first()?).ok()?;
    let usage = KeyUsage::client_auth();
    match leaf.verify_for_usage(algorithms().all, &[], &[], end_of_time, usage, None, None) {
        Err(Error::CertExpired { not_after, .. }) => Some(not_after),
        _ => None,
    }
}

/// How signatures are verified.
pub(crate) fn algorithms() -> WebPkiSupportedAlgorithms {
    rustls::crypto::ring::default_provider().signature_verification_algorithms
}

fn refusal(error: &Error) -> Refusal {
    match error {
        Error::CertExpired { .. } => Refusal::new(Reason::Expired),
        Error::CertNotValidYet { .. } => Refusal::new(Reason::NotYetValid),
        Error::CertRevoked => Refusal::new(Reason::Revoked),
        Error::UnknownIssuer
        | Error::InvalidSignatureForPublicKey
        | Error::SignatureAlgorithmMismatch
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            Refusal::new(Reason::ForeignAuthority)
        }
        Error::UnknownRevocationStatus
        | Error::InvalidCrlSignatureForPublicKey
        | Error::IssuerNotCrlSigner => Refusal::new(Reason::RevocationUnknown),
        Error::CrlExpired { .. } => Refusal::new(Reason::RevocationListExpired),
        other => Refusal::with(Reason::Malformed, other),
    }
}
