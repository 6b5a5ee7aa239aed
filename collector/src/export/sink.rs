//! What every place has to do to which events are passed on.

use std::time::Duration;

use activity_formats::Severity;
use async_trait::async_trait;

/// An event as one line, with what some ways of sending need beside it.
#[derive(Clone, Debug)]
pub struct Line {
    /// The event in the format that was asked for, without a newline.
    pub text: Vec<u8>,
    /// Which event it is; no other has it.
    pub identity: String,
    /// Name of its type, such as `exec`.
    pub kind: &'static str,
    /// Host name of the machine it happened on; may be empty.
    pub host: String,
    /// Wall clock of it, nanoseconds since 1970.
    pub time: Option<i64>,
    /// How much it asks for attention.
    pub severity: Severity,
}

/// Why lines did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Whoever read has seen enough; no failure.
    #[error("the reader has gone")]
    Closed,
    /// The other side is not there, or went away.
    #[error("{place} cannot be reached: {why}")]
    Unreachable {
        /// Where it should be.
        place: String,
        /// What the system said.
        why: String,
    },
    /// The other side is there and does not take it.
    #[error("{place} does not take events: {why}")]
    Refused {
        /// Where it is.
        place: String,
        /// What it said and what to do.
        why: String,
    },
    /// What is needed to reach it is not right.
    #[error("{0}")]
    Settings(String),
}

/// Somewhere events are passed on to.
#[async_trait]
pub trait Exporter: Send {
    /// Sends lines in their order and returns when the other side has them, as far as it can
    /// say so. After an error any of them may have arrived; they will be sent again.
    async fn send(&mut self, lines: &[Line]) -> Result<(), ExportError>;

    /// For how long the other side may still lose, without a word, what it has. Only after
    /// that, and when [`Exporter::still_has`] agrees, is it taken for delivered.
    fn settles(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether the other side is the same that took what was sent.
    async fn still_has(&mut self) -> Result<(), ExportError> {
        Ok(())
    }

    /// Lines that can never arrive, since the other side is too small for them.
    fn refused(&self) -> u64 {
        0
    }
}
