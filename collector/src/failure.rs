//! What ends a command: a sentence and an exit code.

use std::{fmt, io};

use activity_peers::{FileError, issue::IssueError};

use crate::store::{StoreError, archive::ArchiveError};

/// What is stored is not what was sealed.
const TAMPERED: u8 = 1;
/// The command line or the SQL is wrong.
const USAGE: u8 = 64;
/// Something that is needed is not there.
const UNAVAILABLE: u8 = 69;
/// Not permitted.
const NOT_PERMITTED: u8 = 77;
/// The configuration is wrong.
const CONFIG: u8 = 78;

/// What ends a command: a sentence that says what is wrong and what to do.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    sentence: String,
}

impl Failure {
    /// The command line or the SQL is wrong.
    pub fn usage(sentence: impl fmt::Display) -> Self {
        Self { code: USAGE, sentence: sentence.to_string() }
    }

    /// Whether whoever asked did something wrong.
    pub fn is_usage(&self) -> bool {
        self.code == USAGE
    }

    /// What is stored is not what was sealed.
    pub fn tampered(sentence: impl fmt::Display) -> Self {
        Self { code: TAMPERED, sentence: sentence.to_string() }
    }

    /// Something that is needed is not there.
    pub fn unavailable(sentence: impl fmt::Display) -> Self {
        Self { code: UNAVAILABLE, sentence: sentence.to_string() }
    }

    /// The configuration is wrong.
    pub fn config(sentence: impl fmt::Display) -> Self {
        Self { code: CONFIG, sentence: sentence.to_string() }
    }
}

/// What became of printing to standard output: that whoever reads has seen enough is no
/// failure.
///
/// # Errors
/// When it failed otherwise.
pub fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::unavailable(format!("cannot write the answer: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a line.
///
/// # Errors
/// As [`written`].
pub fn say(line: impl fmt::Display) -> Result<(), Failure> {
    use io::Write as _;
    written(writeln!(io::stdout(), "{line}"))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match (&error, error.kind()) {
            (_, Some(io::ErrorKind::PermissionDenied)) => NOT_PERMITTED,
            (StoreError::Url(_), _) => USAGE,
            (StoreError::Archive(ArchiveError::Settings(_)), _) => CONFIG,
            _ => UNAVAILABLE,
        };
        Self { code, sentence: error.to_string() }
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::config(error)
    }
}

impl From<IssueError> for Failure {
    fn from(error: IssueError) -> Self {
        let code = match &error {
            IssueError::Exists(_)
            | IssueError::AuthorityExists(_)
            | IssueError::Unknown(_)
            | IssueError::Ambiguous(..) => USAGE,
            IssueError::File { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
                NOT_PERMITTED
            }
            _ => UNAVAILABLE,
        };
        Self { code, sentence: error.to_string() }
    }
}
