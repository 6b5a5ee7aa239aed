//! The archive: files of days that are over, moved to an object store.
//!
//! The log, the seal and the files of recent days stay in the store's directory: an
//! acknowledgement needs a disk that makes durable at once, which object stores are not. A
//! file that is whole and will not be compacted any more is copied to the same path in the
//! object store, read back and compared with what was sealed of it, noted, and only then the
//! local one goes, when nobody reads it.
//!
//! `archive.toml` in the store says where the archive is, so that whoever reads the store
//! finds it; secrets are not in it (`settings.rs`). `archive.jsonl` says which files are there
//! (`book.rs`), so that no query has to list a bucket. A local file goes before one of the same
//! path in the archive, so a kill at any moment loses nothing and doubles nothing.

mod book;
mod courier;
mod mover;
mod place;
mod reading;
mod settings;

use std::{io, path::Path};

pub use book::{Book, Kept, State, States, states};
pub use mover::Mover;
#[cfg(test)]
pub use mover::Step;
pub use place::{Archive, sentence as object_store_reason};
pub use reading::{archived, blocking, fetch};
pub use settings::{Settings, Target};

/// What a collector does with an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveConfig {
    /// Where it is.
    pub settings: Settings,
    /// For how many days that are over files stay in the store's directory.
    pub after_days: u32,
}

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// What is said of it cannot be.
    #[error("{0}")]
    Settings(String),
    /// It does not answer, or refuses.
    #[error("the archive {url} cannot be {action}: {why}")]
    Unreachable {
        /// Where it is.
        url: String,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        why: String,
    },
    /// An object that should be there is not.
    #[error("{path} is not in the archive {url}: `activity-collector verify` tells what else is not")]
    Missing {
        /// Where it should be.
        url: String,
        /// Its path.
        path: String,
    },
    /// A local file could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl ArchiveError {
    fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.display().to_string(), source }
    }
}
