//! The one way an event becomes JSON, and bytes become text.
//!
//! The JSON form is the `serde::Serialize` of the messages of `v1`:
//!
//! - Keys are the lowerCamelCase of the message fields; the payload sits under
//!   the key of its type; a field that is not set is absent.
//! - 64-bit numbers are strings, as in proto3 JSON, except `epoch` and counts.
//! - Enumerations have their short names; a value of a newer sensor that this
//!   build has no name for is its number.
//! - Bytes are text as [`escape_bytes`] gives it.

mod errno;
mod escape;
mod event;
mod object;
mod payload;

use std::io;

use serde_json::Value;

pub use errno::errno_name;
pub use escape::{escape_bytes, unescape};

use crate::v1::Event;

/// Writes an event as one line of JSON, without the newline.
///
/// # Errors
/// Those of the writer; writing to a `Vec` does not fail.
pub fn write_json(event: &Event, out: impl io::Write) -> io::Result<()> {
    serde_json::to_writer(out, event).map_err(io::Error::from)
}

/// An event as a JSON value, for those who read single fields.
#[must_use]
pub fn to_json(event: &Event) -> Value {
    // Every key is a string, so there is nothing that could fail.
    serde_json::to_value(event).unwrap_or_default()
}

#[cfg(test)]
mod tests;
