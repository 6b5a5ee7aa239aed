//! The files that certificates, keys and revocation lists are in.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use thiserror::Error;

use crate::NotAnIdentity;

/// Larger than any of these files; keeps a wrong name from filling memory.
const FILE_MAX: u64 = 4 << 20;

/// Where a program's certificate and what belongs to it are, all in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Our certificate, and those between it and the authority's.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The certificates that are trusted to sign those of peers.
    pub authority: PathBuf,
    /// The lists of revoked certificates.
    pub revoked: Option<PathBuf>,
}

/// Why a file is of no use.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read.
    #[error(
        "the {what} {path} cannot be read ({error}); give the file's right name, or change its permissions"
    )]
    Unreadable {
        /// What should be in it.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// What is in it is something else.
    #[error(
        "the {what} {path} is of no use ({fault}); it must be in PEM form, as `activity-collector enrol` writes it"
    )]
    Unusable {
        /// What should be in it.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// Every user of the machine can read the key.
    #[error(
        "every user of this machine has access to the key {0}; take it away with chmod o-rwx, and enrol anew if somebody may have read it"
    )]
    KeyForAll(PathBuf),
    /// The key is another certificate's.
    #[error("the key {key} does not belong to the certificate {certificate}; give both from one enrolment")]
    KeyMismatch {
        /// The key.
        key: PathBuf,
        /// The certificate.
        certificate: PathBuf,
    },
    /// Our own certificate names nobody.
    #[error("the certificate {path} names nobody: {fault}; make one with `activity-collector enrol`")]
    Nobody {
        /// The certificate.
        path: PathBuf,
        /// What is wrong.
        fault: NotAnIdentity,
    },
}

/// What the files hold.
pub(crate) struct Contents {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
    pub authorities: Vec<CertificateDer<'static>>,
    pub lists: Vec<CertificateRevocationListDer<'static>>,
}

/// What tells one version of a file from another: device, inode, size and both times.
pub(crate) type Stamp = Option<[i128; 5]>;

impl Files {
    /// Under the names that `activity-collector enrol` gives them.
    #[must_use]
    pub fn within(directory: &Path) -> Self {
        Self {
            certificate: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
            authority: directory.join("authority.pem"),
            revoked: Some(directory.join("revoked.pem")),
        }
    }

    /// Reads all of them.
    pub(crate) fn read(&self) -> Result<Contents, FileError> {
        let key = read("key", &self.key)?;
        let mode = fs::metadata(&self.key).map_or(0, |metadata| metadata.mode());
        if mode & 0o007 != 0 {
            return Err(FileError::KeyForAll(self.key.clone()));
        }
        let lists = self.revoked.as_deref().map(|path| sections("list of revoked certificates", path));
        Ok(Contents {
            chain: sections("certificate", &self.certificate)?,
            key: PrivateKeyDer::from_pem_slice(&key).map_err(|error| unusable("key", &self.key, error))?,
            authorities: sections("authority's certificate", &self.authority)?,
            lists: lists.transpose()?.unwrap_or_default(),
        })
    }

    /// Which versions of the files are there now.
    pub(crate) fn stamps(&self) -> Vec<Stamp> {
        let paths = [&self.certificate, &self.key, &self.authority].into_iter().chain(&self.revoked);
        paths.map(|path| stamp(path)).collect()
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    Some([
        metadata.dev().into(),
        metadata.ino().into(),
        metadata.size().into(),
        nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    ])
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, FileError> {
    let unreadable = |error| FileError::Unreadable { what, path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let read = file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if read as u64 > FILE_MAX {
        return Err(unusable(what, path, "it is larger than 4 MiB"));
    }
    Ok(bytes)
}

/// All of one kind that a file holds; at least one.
fn sections<T: PemObject>(what: &'static str, path: &Path) -> Result<Vec<T>, FileError> {
    let bytes = read(what, path)?;
    let found: Vec<T> =
        T::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|error| unusable(what, path, error))?;
    if found.is_empty() { Err(unusable(what, path, pem::Error::NoItemsFound)) } else { Ok(found) }
}

pub(crate) fn unusable(what: &'static str, path: &Path, fault: impl ToString) -> FileError {
    FileError::Unusable { what, path: path.to_owned(), fault: fault.to_string() }
}
