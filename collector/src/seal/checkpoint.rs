//! A checkpoint: how far the seal was at a moment, short enough for a line of a log.

use std::{fmt, str::FromStr};

use super::hex::Digest;

/// Digits of the hash that are shown.
const SHOWN: usize = 32;
/// Fewer digits than these could be found again by trying.
const FEWEST: usize = 16;
const ALL: usize = 64;

/// The number of an entry and the hash of its line, or the first digits of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The entry's number.
    pub entry: u64,
    digits: String,
}

/// The text is no checkpoint.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be NUMBER:HASH with at least 16 digits of the hash, as `run` logs it")]
pub struct NotACheckpoint;

impl Checkpoint {
    /// That of an entry with this hash.
    pub fn new(entry: u64, hash: Digest) -> Self {
        Self { entry, digits: hash.to_string().chars().take(SHOWN).collect() }
    }

    /// Whether an entry of its number with this hash is the one it was made of.
    pub fn fits(&self, hash: Digest) -> bool {
        hash.to_string().starts_with(&self.digits)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.entry, self.digits)
    }
}

impl FromStr for Checkpoint {
    type Err = NotACheckpoint;

    fn from_str(text: &str) -> Result<Self, NotACheckpoint> {
        let (entry, digits) = text.split_once(':').ok_or(NotACheckpoint)?;
        let digits = digits.to_ascii_lowercase();
        let is_hash = (FEWEST..=ALL).contains(&digits.len()) && digits.bytes().all(|d| d.is_ascii_hexdigit());
        let entry = entry.parse().map_err(|_| NotACheckpoint)?;
        is_hash.then_some(Self { entry, digits }).ok_or(NotACheckpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_can_be_given_back_whole_or_shorter() {
        let hash = Digest::from(blake3::hash(b"a"));
        let logged = Checkpoint::new(7, hash).to_string();
        assert_eq!(logged.len(), 2 + SHOWN);
        for text in [logged.clone(), format!("7:{hash}"), logged[..2 + FEWEST].to_ascii_uppercase()] {
            let checkpoint: Checkpoint = text.parse().unwrap();
            assert!(checkpoint.entry == 7 && checkpoint.fits(hash), "{text}");
            assert!(!checkpoint.fits(Digest::default()), "{text}");
        }
    }

    #[test]
    fn what_is_too_short_or_no_hash_is_refused() {
        let hash = "0".repeat(ALL);
        for wrong in ["", "7", "7:", ":00", "7:0123456789abcde", &format!("x:{hash}"), &format!("7:{hash}0")]
        {
            assert_eq!(wrong.parse::<Checkpoint>(), Err(NotACheckpoint), "{wrong}");
        }
        assert!("7:0123456789abcdeg".parse::<Checkpoint>().is_err());
    }
}
