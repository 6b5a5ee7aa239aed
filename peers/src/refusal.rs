//! Why a peer is not let in.

use std::{fmt, io, sync::Arc};

use rustls::{CertificateError, Error as TlsError, OtherError, PeerIncompatible};

use crate::Identity;

/// Why a peer is not let in, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It showed no certificate.
    NoCertificate,
    /// Its certificate is not valid yet.
    NotYetValid,
    /// Its certificate has expired.
    Expired,
    /// Its certificate is revoked.
    Revoked,
    /// Its certificate is not of our authority.
    ForeignAuthority,
    /// The revocation list does not tell of the one who signed the certificate.
    RevocationUnknown,
    /// The revocation list has expired.
    RevocationListExpired,
    /// Its certificate cannot be read, or is for another purpose.
    Malformed,
    /// Its certificate names nobody.
    Identity,
    /// It belongs to another tenant.
    Tenant,
    /// It has the wrong role, or not the name that was expected.
    Role,
    /// It does not speak TLS.
    NotTls,
    /// It does not speak TLS 1.3, or no HTTP/2 in it.
    Protocol,
    /// It refused us.
    RefusedUs,
    /// It did not finish its handshake in time.
    Timeout,
    /// It went away, or the network failed.
    Broken,
    /// There are as many connections, or handshakes, as there may be.
    Busy,
    /// There are as many from its address as there may be.
    BusyAddress,
}

impl Reason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 18] = [
        Self::NoCertificate,
        Self::NotYetValid,
        Self::Expired,
        Self::Revoked,
        Self::ForeignAuthority,
        Self::RevocationUnknown,
        Self::RevocationListExpired,
        Self::Malformed,
        Self::Identity,
        Self::Tenant,
        Self::Role,
        Self::NotTls,
        Self::Protocol,
        Self::RefusedUs,
        Self::Timeout,
        Self::Broken,
        Self::Busy,
        Self::BusyAddress,
    ];

    /// The name in logs and counters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::ForeignAuthority => "foreign_authority",
            Self::RevocationUnknown => "revocation_unknown",
            Self::RevocationListExpired => "revocation_list_expired",
            Self::Malformed => "malformed",
            Self::Identity => "identity",
            Self::Tenant => "tenant",
            Self::Role => "role",
            Self::NotTls => "not_tls",
            Self::Protocol => "protocol",
            Self::RefusedUs => "refused_us",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Busy => "busy",
            Self::BusyAddress => "busy_address",
        }
    }

    /// What is wrong, as the rest of a sentence that begins with the peer.
    fn sentence(self) -> &'static str {
        match self {
            Self::NoCertificate => "showed no certificate",
            Self::NotYetValid => "has a certificate that is not valid yet; compare the clocks",
            Self::Expired => "has a certificate that has expired; enrol it again",
            Self::Revoked => "has a certificate that is revoked",
            Self::ForeignAuthority => "has a certificate that our authority did not sign",
            Self::RevocationUnknown => "has a certificate whose signer our revocation list does not cover",
            Self::RevocationListExpired => {
                "cannot be judged, since our revocation list has expired; copy a fresh one from the authority"
            }
            Self::Malformed => "has a certificate that cannot be used for this",
            Self::Identity => "has a certificate that names nobody",
            Self::Tenant => "belongs to another tenant",
            Self::Role => "is not who is expected there",
            Self::NotTls => "does not speak TLS",
            Self::Protocol => "speaks no TLS 1.3 with HTTP/2",
            Self::RefusedUs => "refused us",
            Self::Timeout => "did not finish its handshake in time",
            Self::Broken => "broke the connection off",
            Self::Busy => "came when there were as many connections as there may be",
            Self::BusyAddress => "came when there were as many connections from its address as there may be",
        }
    }
}

/// Why a peer is not let in: what is wrong, and whose certificate it is as far as that
/// is known. Text of the peer's own is never in it but with escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why, for counting.
    pub reason: Reason,
    /// What the certificate says; where the reason is about the certificate, the peer
    /// has not proved that it holds the key.
    pub identity: Option<Identity>,
    detail: String,
}

impl Refusal {
    /// Without more to say than the reason does.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self { reason, identity: None, detail: String::new() }
    }

    /// With something more; it is escaped.
    #[must_use]
    pub fn with(reason: Reason, detail: impl fmt::Display) -> Self {
        Self { detail: printable(&detail.to_string()), ..Self::new(reason) }
    }

    /// With what the certificate says.
    #[must_use]
    pub fn of(self, identity: Option<Identity>) -> Self {
        Self { identity, ..self }
    }

    /// What came out of a handshake.
    pub(crate) fn from_handshake(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
            Some(error) => Self::from_tls(error),
            None => Self::with(Reason::Broken, error),
        }
    }

    pub(crate) fn from_tls(error: &TlsError) -> Self {
        match error {
            TlsError::NoCertificatesPresented => Self::new(Reason::NoCertificate),
            TlsError::InvalidMessage(_) => Self::with(Reason::NotTls, error),
            TlsError::PeerIncompatible(
                PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => Self::new(Reason::Protocol),
            TlsError::PeerIncompatible(_)
            | TlsError::PeerMisbehaved(_)
            | TlsError::NoApplicationProtocol
            | TlsError::InappropriateMessage { .. }
            | TlsError::InappropriateHandshakeMessage { .. } => Self::with(Reason::Protocol, error),
            TlsError::AlertReceived(alert) => Self::from_alert(&format!("{alert:?}")),
            _ => Self::with(Reason::Malformed, error),
        }
    }

    /// What the other end says is wrong with us, by the name of its alert.
    pub(crate) fn from_alert(name: &str) -> Self {
        let fault = match name {
            "CertificateExpired" => "our certificate has expired, or is not valid yet there",
            "CertificateRevoked" => "our certificate is revoked there",
            "UnknownCA" => {
                "its authority did not sign our certificate, or its revocation list is out of date"
            }
            "CertificateRequired" => "it asks for a certificate",
            "AccessDenied" => "our role, tenant or name is not who it expects",
            "UnsupportedCertificate" => "our certificate is not for clients",
            "ProtocolVersion" => "it wants another version of TLS",
            "NoApplicationProtocol" => "it does not speak HTTP/2 there",
            other => return Self::with(Reason::RefusedUs, other),
        };
        Self::with(Reason::RefusedUs, fault)
    }

    /// As rustls takes it, so that the other end gets the alert that fits.
    pub(crate) fn to_tls(&self) -> TlsError {
        TlsError::InvalidCertificate(match self.reason {
            Reason::NotYetValid => CertificateError::NotValidYet,
            Reason::Expired => CertificateError::Expired,
            Reason::Revoked => CertificateError::Revoked,
            Reason::ForeignAuthority => CertificateError::UnknownIssuer,
            Reason::RevocationUnknown => CertificateError::UnknownRevocationStatus,
            Reason::RevocationListExpired => CertificateError::ExpiredRevocationList,
            Reason::Identity | Reason::Tenant | Reason::Role => {
                CertificateError::ApplicationVerificationFailure
            }
            _ => CertificateError::Other(OtherError(Arc::new(self.clone()))),
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.identity {
            Some(identity) => write!(f, "{identity} {}", self.reason.sentence())?,
            None => write!(f, "it {}", self.reason.sentence())?,
        }
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

impl std::error::Error for Refusal {}

/// Longest text of another's that is repeated.
const TEXT_MAX: usize = 200;

/// Text that may hold what a peer sent: one line, without control characters.
pub(crate) fn printable(text: &str) -> String {
    let escape = |c: char| match c {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            c.escape_unicode().to_string()
        }
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().take(TEXT_MAX).map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_counter_and_a_name_of_its_own() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        let mut names = Reason::ALL.map(Reason::as_str);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn nothing_a_peer_says_is_repeated_raw() {
        let hostile = format!("a\u{1b}[31m\r\n\u{202e}{}", "x".repeat(1000));
        let sentence = Refusal::with(Reason::Broken, hostile).to_string();
        assert!(!sentence.contains(|c: char| c.is_control() || c == '\u{202e}'), "{sentence:?}");
        assert!(sentence.len() < 400, "{}", sentence.len());
    }
}
