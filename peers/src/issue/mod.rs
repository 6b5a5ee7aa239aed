//! A small authority: a directory with a key that signs certificates, a list of what it
//! signed, and a list of what was revoked.

mod index;
mod write;

#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason,
    RevokedCertParams, SanType, SerialNumber,
};
use thiserror::Error;

use crate::{Identity, Role};
use index::{Index, Line};
use write::{make_directory, replace};

pub use index::Record;

const AUTHORITY: &str = "authority.pem";
const AUTHORITY_KEY: &str = "authority.key";
const REVOKED: &str = "revoked.pem";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// How long an authority lasts.
const AUTHORITY_LASTS: Duration = days(3650);
/// How long a list of revoked certificates is good for.
pub const LIST_LASTS: Duration = days(365);
/// Clocks may differ by this.
const CLOCKS_DIFFER: Duration = Duration::from_secs(3600);

/// So many days.
#[must_use]
pub const fn days(days: u32) -> Duration {
    Duration::from_secs(days as u64 * 24 * 3600)
}

/// Why nothing was signed, or revoked.
#[derive(Debug, Error)]
pub enum IssueError {
    /// Something is there already.
    #[error("{0} is there already; give another directory, or replace it with --force")]
    Exists(PathBuf),
    /// An authority is there already; replacing it would leave all its certificates without one.
    #[error("{0} holds an authority already; give another directory")]
    AuthorityExists(PathBuf),
    /// There is no authority.
    #[error("{0} holds no authority; make one with `activity-collector ca init`")]
    NoAuthority(PathBuf),
    /// A file could not be read or written.
    #[error("{path} cannot be read or written ({error})")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The list of what was issued is not one.
    #[error("{path}:{line} is no record of a certificate; put back the line that was there")]
    Index {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// Nothing that was issued is called so.
    #[error(
        "no certificate that could be revoked has the name or serial number {0}; issued.jsonl lists them"
    )]
    Unknown(String),
    /// More than one identity has this name.
    #[error("{0} may be any of {1}; give one of these, or a serial number")]
    Ambiguous(String, String),
    /// The library refused.
    #[error("the certificate or list cannot be made ({0})")]
    Library(#[from] rcgen::Error),
}

/// An authority, in its directory.
pub struct Ca {
    directory: PathBuf,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that was just made, with everything a program needs beside it.
#[derive(Debug)]
pub struct Issued {
    /// What the index has of it.
    pub record: Record,
    certificate: String,
    key: String,
    authority: String,
    revoked: String,
}

impl Ca {
    /// Makes an authority in a directory that holds none.
    ///
    /// # Errors
    /// When there is one, or it cannot be written.
    pub fn init(directory: &Path, name: &str) -> Result<Self, IssueError> {
        make_directory(directory)?;
        let [certificate, key] = [AUTHORITY, AUTHORITY_KEY].map(|name| directory.join(name));
        if certificate.exists() || key.exists() {
            return Err(IssueError::AuthorityExists(directory.to_owned()));
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = called(name);
        let now = SystemTime::now();
        params.not_before = (now - CLOCKS_DIFFER).into();
        params.not_after = (now + AUTHORITY_LASTS).into();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial()?);
        let secret = KeyPair::generate()?;
        let made = params.self_signed(&secret)?;
        replace(&key, secret.serialize_pem().as_bytes(), 0o600)?;
        replace(&certificate, made.pem().as_bytes(), 0o644)?;
        let ca = Self::open(directory)?;
        ca.refresh(LIST_LASTS)?;
        Ok(ca)
    }

    /// The authority of a directory.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, IssueError> {
        let path = directory.join(AUTHORITY);
        if !path.exists() {
            return Err(IssueError::NoAuthority(directory.to_owned()));
        }
        let pem = read(&path)?;
        let key = KeyPair::from_pem(&read(&directory.join(AUTHORITY_KEY))?)?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key)?;
        Ok(Self { directory: directory.to_owned(), pem, issuer })
    }

    /// Makes a certificate for `identity` that is good from now on, and notes it.
    ///
    /// # Errors
    /// When it cannot be signed or noted.
    pub fn enrol(&self, identity: &Identity, lasts: Duration) -> Result<Issued, IssueError> {
        let now = SystemTime::now();
        self.issue(identity, now - CLOCKS_DIFFER, now + lasts)
    }

    /// The same with times of one's own.
    ///
    /// # Errors
    /// When it cannot be signed or noted.
    pub fn issue(
        &self,
        identity: &Identity,
        from: SystemTime,
        until: SystemTime,
    ) -> Result<Issued, IssueError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = called(identity.name.as_str());
        params.subject_alt_names = vec![SanType::URI(identity.to_string().try_into()?)];
        params.not_before = from.into();
        params.not_after = until.into();
        self.sign(params, identity, until)
    }

    /// Signs what is asked for, with what every certificate has.
    pub(crate) fn sign(
        &self,
        mut params: CertificateParams,
        identity: &Identity,
        until: SystemTime,
    ) -> Result<Issued, IssueError> {
        let serial = serial()?;
        let record = Record::new(&serial, identity, until);
        params.serial_number = Some(serial);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match identity.role {
            // Either may call the other.
            Role::Sensor | Role::Collector => {
                vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth]
            }
            Role::Viewer | Role::Admin => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        // Noted before anybody has it, so that it can be revoked in any case.
        Index::open(&self.directory)?.append(&[Line::Issued(record.clone())])?;
        Ok(Issued {
            record,
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            authority: self.pem.clone(),
            revoked: read(&self.directory.join(REVOKED))?,
        })
    }

    /// Revokes one certificate by its serial number, or all of one name or identity, and
    /// writes the list of revoked ones. Answers with those that were revoked now.
    ///
    /// # Errors
    /// When there is none, the name is more than one peer's, or it cannot be written.
    pub fn revoke(&self, whom: &str) -> Result<Vec<Record>, IssueError> {
        let mut index = Index::open(&self.directory)?;
        let found = index.find(whom)?;
        let lines: Vec<_> = found.iter().map(|record| Line::revoked(&record.serial)).collect();
        index.append(&lines)?;
        self.write_list(&mut index, LIST_LASTS)?;
        Ok(found)
    }

    /// Writes the list of revoked certificates anew, good for `lasts` from now on.
    /// Answers with the number of certificates on it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn refresh(&self, lasts: Duration) -> Result<usize, IssueError> {
        self.write_list(&mut Index::open(&self.directory)?, lasts)
    }

    fn write_list(&self, index: &mut Index, lasts: Duration) -> Result<usize, IssueError> {
        let number = index.next_list();
        index.append(&[Line::Listed { number }])?;
        let mut revoked_certs = Vec::new();
        for (serial, at) in index.revoked() {
            revoked_certs.push(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&serial),
                revocation_time: at.into(),
                reason_code: Some(RevocationReason::Unspecified),
                invalidity_date: None,
            });
        }
        let count = revoked_certs.len();
        let now = SystemTime::now();
        let list = CertificateRevocationListParams {
            this_update: (now - CLOCKS_DIFFER).into(),
            next_update: (now + lasts).into(),
            crl_number: number.into(),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer)?;
        replace(&self.directory.join(REVOKED), list.pem()?.as_bytes(), 0o644)?;
        Ok(count)
    }
}

impl Issued {
    /// Writes certificate, key, authority and list of revoked certificates into a
    /// directory, under the names that [`crate::Files::within`] has.
    ///
    /// # Errors
    /// When one is there already and `force` is not given, or cannot be written.
    pub fn write(&self, directory: &Path, force: bool) -> Result<(), IssueError> {
        make_directory(directory)?;
        Self::room(directory, force)?;
        for (name, text, mode) in [
            (KEY, &self.key, 0o600),
            (CERTIFICATE, &self.certificate, 0o644),
            (AUTHORITY, &self.authority, 0o644),
            (REVOKED, &self.revoked, 0o644),
        ] {
            replace(&directory.join(name), text.as_bytes(), mode)?;
        }
        Ok(())
    }

    /// Whether there is room in a directory: to be asked before a certificate is made.
    ///
    /// # Errors
    /// When a file is there already and `force` is not given.
    pub fn room(directory: &Path, force: bool) -> Result<(), IssueError> {
        let names = [KEY, CERTIFICATE, AUTHORITY, REVOKED].map(|name| directory.join(name));
        match names.into_iter().find(|path| !force && path.symlink_metadata().is_ok()) {
            Some(path) => Err(IssueError::Exists(path)),
            None => Ok(()),
        }
    }
}

fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    called.push(DnType::CommonName, name);
    called
}

/// A positive number that nobody can guess.
fn serial() -> Result<SerialNumber, IssueError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| IssueError::File {
        path: "/dev/urandom".into(),
        error: io::Error::other(error.to_string()),
    })?;
    let positive = u128::from_be_bytes(bytes) >> 1 | 1 << 120;
    Ok(SerialNumber::from_slice(&positive.to_be_bytes()))
}

fn read(path: &Path) -> Result<String, IssueError> {
    fs::read_to_string(path).map_err(|error| IssueError::File { path: path.to_owned(), error })
}
