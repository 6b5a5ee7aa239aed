//! How a command fails: one sentence and an exit code that scripts rely on.

use std::{fmt, io, process::ExitCode};

/// Exit codes, named as in sysexits.h.
pub mod code {
    /// Wrong usage (`EX_USAGE`).
    pub const USAGE: u8 = 64;
    /// Something needed is not there (`EX_UNAVAILABLE`).
    pub const UNAVAILABLE: u8 = 69;
    /// Not permitted (`EX_NOPERM`).
    pub const NOT_PERMITTED: u8 = 77;
    /// Wrong configuration (`EX_CONFIG`).
    pub const CONFIG: u8 = 78;
}

/// Why a command did not do its work.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    sentence: String,
}

impl Failure {
    /// Something needed is not there.
    pub fn unavailable(sentence: impl fmt::Display) -> Self {
        Self { code: code::UNAVAILABLE, sentence: sentence.to_string() }
    }

    /// Not allowed to this user.
    pub fn not_permitted(sentence: impl fmt::Display) -> Self {
        Self { code: code::NOT_PERMITTED, sentence: sentence.to_string() }
    }

    /// The configuration is wrong.
    pub fn config(sentence: impl fmt::Display) -> Self {
        Self { code: code::CONFIG, sentence: sentence.to_string() }
    }

    /// The command line is wrong.
    pub fn usage(sentence: impl fmt::Display) -> Self {
        Self { code: code::USAGE, sentence: sentence.to_string() }
    }

    /// The exit code for the system.
    pub fn exit_code(&self) -> ExitCode {
        self.code.into()
    }
}

/// What became of printing to standard output: that whoever reads has seen enough is no
/// failure.
///
/// # Errors
/// When it failed otherwise.
pub fn printed(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::unavailable(format!("standard output failed ({error})")))
        }
        _ => Ok(()),
    }
}

/// Prints a line.
///
/// # Errors
/// As [`printed`].
pub fn say(line: impl fmt::Display) -> Result<(), Failure> {
    use io::Write as _;
    printed(writeln!(io::stdout(), "{line}"))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::unavailable(format!("{error:#}"))
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::config(error)
    }
}

impl From<crate::state::StateError> for Failure {
    fn from(error: crate::state::StateError) -> Self {
        Self::unavailable(error)
    }
}

impl From<crate::stream::ListenError> for Failure {
    fn from(error: crate::stream::ListenError) -> Self {
        use crate::stream::ListenError;
        match error {
            ListenError::Tls(_) => Self::config(error),
            _ => Self::unavailable(error),
        }
    }
}

impl From<crate::metrics::DoorError> for Failure {
    fn from(error: crate::metrics::DoorError) -> Self {
        Self::unavailable(error)
    }
}

impl From<crate::source::LoadError> for Failure {
    fn from(error: crate::source::LoadError) -> Self {
        use crate::source::{LoadError, pins::PinError};
        match error {
            LoadError::NotPermitted => Self::not_permitted(error),
            LoadError::Pin(PinError::NotBpf(_)) => Self::config(error),
            LoadError::Btf(_) | LoadError::Pin(_) | LoadError::Refused(_) | LoadError::HookMissing { .. } => {
                Self::unavailable(error)
            }
        }
    }
}
