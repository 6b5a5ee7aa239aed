//! Errors that carry an exit code, after sysexits.h as the programs' own do.

use std::fmt;

/// Wrong usage.
pub const USAGE: u8 = 64;
/// Something needed is not there.
pub const MISSING: u8 = 69;
/// Needs root.
pub const NOT_PERMITTED: u8 = 77;

/// What a verb gives back.
pub type Result<T = ()> = anyhow::Result<T>;

/// A sentence for the user with the code to end with.
#[derive(Debug)]
struct Failure {
    code: u8,
    sentence: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}

/// An error that ends the program with `code`; an empty sentence is not shown,
/// where everything has been said.
pub fn failure(code: u8, sentence: impl Into<String>) -> anyhow::Error {
    Failure { code, sentence: sentence.into() }.into()
}

/// The code to end with; 1 for an error that names none.
pub fn code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Failure>().map_or(1, |failure| failure.code)
}
