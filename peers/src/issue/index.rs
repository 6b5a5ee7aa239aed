//! What an authority issued and revoked: one JSON object a line, only ever added to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::Timestamp;
use rcgen::SerialNumber;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::IssueError;
use crate::Identity;

const NAME: &str = "issued.jsonl";

/// A certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its serial number, in hexadecimal digits.
    pub serial: String,
    /// Whose it is, as a URI.
    pub identity: String,
    /// When it expires.
    pub until: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Line {
    Issued(Record),
    Revoked { serial: String, at: String },
    Listed { number: u64 },
}

impl Record {
    pub(super) fn new(serial: &SerialNumber, identity: &Identity, until: SystemTime) -> Self {
        let mut digits = String::new();
        for byte in serial.to_bytes() {
            let _ = write!(digits, "{byte:02x}");
        }
        Self { serial: digits, identity: identity.to_string(), until: text(until) }
    }

    fn is(&self, whom: &str) -> bool {
        let name = self.identity.rsplit('/').next();
        let digits = whom.replace(':', "").to_ascii_lowercase();
        self.serial == digits || self.identity == whom || name == Some(whom)
    }
}

impl Line {
    pub(super) fn revoked(serial: &str) -> Self {
        Self::Revoked { serial: serial.to_owned(), at: text(SystemTime::now()) }
    }
}

/// The file, locked against others who would add to it.
pub(super) struct Index {
    path: PathBuf,
    file: File,
    lines: Vec<Line>,
}

impl Index {
    pub(super) fn open(directory: &Path) -> Result<Self, IssueError> {
        let path = directory.join(NAME);
        let (file, text) = locked(&path).map_err(|error| IssueError::File { path: path.clone(), error })?;
        let mut lines = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let read = serde_json::from_str(line).ok().filter(Line::is_sound);
            lines.push(read.ok_or_else(|| IssueError::Index { path: path.clone(), line: number + 1 })?);
        }
        Ok(Self { path, file, lines })
    }

    pub(super) fn append(&mut self, lines: &[Line]) -> Result<(), IssueError> {
        let failed = |error| IssueError::File { path: self.path.clone(), error };
        let mut text = String::new();
        for line in lines {
            text.push_str(&serde_json::to_string(line).map_err(|error| failed(error.into()))?);
            text.push('\n');
        }
        self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all()).map_err(failed)?;
        self.lines.extend_from_slice(lines);
        Ok(())
    }

    /// What is called so and is not revoked yet.
    pub(super) fn find(&self, whom: &str) -> Result<Vec<Record>, IssueError> {
        let revoked: BTreeSet<_> = self.lines.iter().filter_map(Line::serial_of_revoked).collect();
        let issued = self.lines.iter().filter_map(|line| match line {
            Line::Issued(record) if !revoked.contains(record.serial.as_str()) => Some(record),
            _ => None,
        });
        let found: Vec<_> = issued.filter(|record| record.is(whom)).cloned().collect();
        let identities: BTreeSet<_> = found.iter().map(|record| record.identity.as_str()).collect();
        match identities.len() {
            0 => Err(IssueError::Unknown(whom.escape_debug().to_string())),
            1 => Ok(found),
            _ => Err(IssueError::Ambiguous(
                whom.escape_debug().to_string(),
                identities.into_iter().collect::<Vec<_>>().join(", "),
            )),
        }
    }

    /// Serial numbers of what is revoked, with the time of the revocation.
    pub(super) fn revoked(&self) -> BTreeMap<Vec<u8>, SystemTime> {
        let revoked = self.lines.iter().filter_map(|line| match line {
            Line::Revoked { serial, at } => Some((bytes(serial)?, time(at)?)),
            _ => None,
        });
        revoked.collect()
    }

    /// The number of the next list; each is higher than the last.
    pub(super) fn next_list(&self) -> u64 {
        let numbers = self.lines.iter().filter_map(|line| match line {
            Line::Listed { number } => Some(*number),
            _ => None,
        });
        numbers.max().unwrap_or_default() + 1
    }
}

impl Line {
    /// Whether all of it can be put on a list.
    fn is_sound(&self) -> bool {
        match self {
            Self::Issued(record) => bytes(&record.serial).is_some(),
            Self::Revoked { serial, at } => bytes(serial).is_some() && time(at).is_some(),
            Self::Listed { .. } => true,
        }
    }

    fn serial_of_revoked(&self) -> Option<&str> {
        match self {
            Self::Revoked { serial, .. } => Some(serial),
            _ => None,
        }
    }
}

fn locked(path: &Path) -> io::Result<(File, String)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((file, text))
}

fn text(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn time(text: &str) -> Option<SystemTime> {
    text.parse::<Timestamp>().ok().map(Into::into)
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digit = |index: usize| u8::from_str_radix(digits.get(index..index + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(digit).collect()
}
