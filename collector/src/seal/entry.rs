//! An entry of the seal, and the line that it is.

use std::{collections::BTreeMap, fmt, fs::File, io, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    hex::{Digest, Hex},
    key::{Key, PublicKey, Signature},
};

/// Between what is signed and the signature.
const OPEN: &[u8] = br#","signature":""#;
/// Behind the signature.
const CLOSE: &[u8] = br#""}"#;
/// Bytes of a line that are not signed.
const UNSIGNED: usize = OPEN.len() + 2 * 64 + CLOSE.len();

/// An entry, without its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Rises by one with every entry, from 0.
    pub entry: u64,
    /// When it was made.
    pub time: String,
    /// BLAKE3 of the line before without its line break; zeroes in the first.
    pub previous: Digest,
    /// What it vouches for.
    pub what: What,
}

/// What an entry vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// The seal begins; segments up to `before` were rolled earlier.
    Begun {
        /// The public key.
        key: Hex<32>,
        /// The number of the last segment without an entry of its own.
        before: u64,
    },
    /// A file that was there when the seal began.
    Adopted(SealedFile),
    /// A segment became a file, in an older build.
    Sealed(Sealed),
    /// A segment became files.
    Rolled(Segment),
    /// Files became one.
    Merged(Merged),
    /// A segment had no events.
    Empty {
        /// The segment's number.
        number: u64,
        /// Places in the segment that could not be read.
        #[serde(default, skip_serializing_if = "is_zero")]
        damaged: u64,
    },
    /// Retention removes a file.
    Removed(Removed),
}

/// A file and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedFile {
    /// The number of the segment that it was made of.
    pub number: u64,
    /// Where it is in the store.
    pub path: String,
    /// Its length in bytes.
    pub length: u64,
    /// BLAKE3 of its content.
    pub digest: Digest,
}

/// A file with the events that are in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The file.
    pub file: SealedFile,
    /// Its rows.
    pub rows: u64,
    /// The sum of its events, see `store/sum.rs`.
    pub sum: Digest,
}

/// A segment that became files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The segment's number.
    pub number: u64,
    /// The files.
    pub files: Vec<Part>,
    /// Places in the segment that could not be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub damaged: u64,
    /// Whose events are in them.
    pub sensors: Vec<Sensor>,
}

/// Files that became one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// The one.
    #[serde(flatten)]
    pub part: Part,
    /// The files, which are removed then.
    pub from: Vec<SealedFile>,
}

/// A segment that became a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The file.
    pub file: SealedFile,
    /// Its rows.
    pub rows: u64,
    /// Places in the segment that could not be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub damaged: u64,
    /// Whose events are in it.
    pub sensors: Vec<Sensor>,
}

/// What a file has of one sensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sensor {
    /// The sensor's id.
    pub sensor: String,
    /// BLAKE3 of the sensor's chain before, the digest of the files, and `lanes` as it stands here.
    pub chain: Digest,
    /// Its lanes.
    pub lanes: Vec<Lane>,
}

/// What a file has of a lane of a run of a sensor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    pub boot: String,
    pub epoch: u64,
    pub lane: i32,
    /// The lowest sequence; 0 where there is none.
    pub first: u64,
    /// The highest sequence.
    pub last: u64,
    /// Events with a sequence.
    pub count: u64,
    /// Sequences that events of type gap account for, both ends included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<(u64, u64)>,
}

/// A file that retention removes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// As it was when it was removed.
    pub file: SealedFile,
    /// Why.
    pub reason: Reason,
    /// Whose events were in it, in an entry of an older build.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sensors: Vec<Sensor>,
}

/// Why a file is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// It is older than `retention.keep_days`.
    Age,
    /// All files together are larger than `retention.max_bytes`.
    Quota,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Entry {
    /// The entry as a line, signed, with its line break.
    pub fn line(&self, key: &Key) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        // The brace comes behind the signature.
        line.pop();
        let signature = key.sign(&line).to_string();
        line.extend([OPEN, signature.as_bytes(), CLOSE, b"\n"].concat());
        Ok(line)
    }

    /// Reads a line without its line break; `None` where it is none.
    pub fn read(line: &[u8]) -> Option<Self> {
        let (signed, _) = split(line)?;
        serde_json::from_slice(&[signed, b"}"].concat()).ok()
    }
}

/// Whether a line without its line break was signed with a key.
pub fn is_signed(line: &[u8], key: &PublicKey) -> bool {
    split(line).is_some_and(|(signed, signature)| key.has_signed(signed, &signature))
}

fn split(line: &[u8]) -> Option<(&[u8], Signature)> {
    let (signed, rest) = line.split_at_checked(line.len().checked_sub(UNSIGNED)?)?;
    let signature = rest.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
    Some((signed, std::str::from_utf8(signature).ok()?.parse().ok()?))
}

/// The hash of a line without its line break.
pub fn hash(line: &[u8]) -> Digest {
    blake3::hash(line).into()
}

/// Length and digest of a file's content.
pub fn measure(path: &Path) -> io::Result<(u64, Digest)> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok((hasher.count(), hasher.finalize().into()))
}

impl Sensor {
    /// The chain's next value.
    pub fn link(previous: Digest, file: Digest, lanes: &[Lane]) -> io::Result<Digest> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&previous.0).update(&file.0);
        serde_json::to_writer(&mut hasher, lanes)?;
        Ok(hasher.finalize().into())
    }

    /// Whether its chain follows from those before, which then go on from here.
    pub fn follows(&self, chains: &mut BTreeMap<String, Digest>, file: Digest) -> bool {
        let previous = chains.insert(self.sensor.clone(), self.chain).unwrap_or_default();
        Self::link(previous, file, &self.lanes).is_ok_and(|chain| chain == self.chain)
    }
}

impl Segment {
    /// One digest for all files: BLAKE3 of their digests one after another.
    pub fn digest(files: &[Part]) -> Digest {
        let mut hasher = blake3::Hasher::new();
        files.iter().for_each(|part| _ = hasher.update(&part.file.digest.0));
        hasher.finalize().into()
    }
}

/// What is sealed of whom with a segment.
pub struct Content<'a> {
    /// What the chains of sensors go on with.
    pub digest: Digest,
    pub rows: u64,
    pub damaged: u64,
    pub sensors: &'a [Sensor],
}

impl What {
    /// The number of the segment that it stands for, where it stands for one.
    pub fn segment(&self) -> Option<u64> {
        match self {
            Self::Sealed(sealed) => Some(sealed.file.number),
            Self::Rolled(segment) => Some(segment.number),
            Self::Empty { number, .. } => Some(*number),
            Self::Begun { .. } | Self::Adopted(_) | Self::Merged(_) | Self::Removed(_) => None,
        }
    }

    /// The files that it is about; of a compaction the new one.
    pub fn files(&self) -> Vec<&SealedFile> {
        match self {
            Self::Adopted(file) => vec![file],
            Self::Sealed(sealed) => vec![&sealed.file],
            Self::Rolled(segment) => segment.files.iter().map(|part| &part.file).collect(),
            Self::Merged(merged) => vec![&merged.part.file],
            Self::Removed(removed) => vec![&removed.file],
            Self::Begun { .. } | Self::Empty { .. } => Vec::new(),
        }
    }

    /// What a segment had, where it had anything.
    pub fn content(&self) -> Option<Content<'_>> {
        match self {
            Self::Sealed(Sealed { file, rows, damaged, sensors }) => {
                Some(Content { digest: file.digest, rows: *rows, damaged: *damaged, sensors })
            }
            Self::Rolled(Segment { files, damaged, sensors, .. }) => Some(Content {
                digest: Segment::digest(files),
                rows: files.iter().map(|part| part.rows).fold(0, u64::saturating_add),
                damaged: *damaged,
                sensors,
            }),
            _ => None,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun { .. } => write!(f, "the seal begins"),
            Self::Adopted(file) => write!(f, "{} was there before", file.path),
            Self::Sealed(sealed) => write!(f, "{} has {} events", sealed.file.path, sealed.rows),
            Self::Rolled(segment) => {
                let rows = segment.files.iter().map(|part| part.rows).fold(0, u64::saturating_add);
                write!(f, "segment {} has {rows} events in {} files", segment.number, segment.files.len())
            }
            Self::Merged(Merged { part, from }) => {
                write!(f, "{} has {} events of {} files", part.file.path, part.rows, from.len())
            }
            Self::Empty { number, .. } => write!(f, "segment {number} had no events"),
            Self::Removed(removed) => write!(f, "{} is removed", removed.file.path),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Age => "age",
            Self::Quota => "quota",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Layout;

    fn key() -> Key {
        let directory = tempfile::tempdir().unwrap();
        Key::open(&Layout::new(directory.path().to_str().unwrap()).unwrap()).unwrap()
    }

    fn entry() -> Entry {
        let lanes = vec![Lane { boot: "b\u{9b}\"".into(), gaps: vec![(3, 4)], ..Lane::default() }];
        let file = SealedFile { number: 7, path: "p".into(), length: 5, digest: Digest::default() };
        let sensors = vec![Sensor { sensor: "s\n".into(), chain: Digest::default(), lanes }];
        let what = What::Sealed(Sealed { file, rows: 2, damaged: 0, sensors });
        Entry { entry: 3, time: "now".into(), previous: hash(b"x"), what }
    }

    #[test]
    fn an_entry_is_one_line_and_read_from_it() {
        let key = key();
        let mut line = entry().line(&key).unwrap();
        assert_eq!(line.pop(), Some(b'\n'));
        assert!(!line.contains(&b'\n'));
        assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok());
        assert_eq!(Entry::read(&line), Some(entry()));
        assert!(is_signed(&line, &key.public()));
    }

    #[test]
    fn a_line_of_which_any_byte_was_changed_is_not_signed() {
        let key = key();
        let mut line = entry().line(&key).unwrap();
        line.pop();
        for at in 0..line.len() {
            line[at] ^= 1;
            assert!(!is_signed(&line, &key.public()), "byte {at}");
            let _ = Entry::read(&line);
            line[at] ^= 1;
        }
        for length in 0..line.len() {
            assert!(Entry::read(&line[..length]).is_none(), "{length} bytes");
        }
    }
}
