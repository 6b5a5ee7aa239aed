//! An event in the terms of those who read it elsewhere: OCSF 1.8, ECS 9.4, CEF, and our own
//! JSON.
//!
//! Every mapping is total: whatever an event has in it, known or not, comes out as one line
//! that its format allows. What a format has no place for is kept under the names of our own
//! JSON: in OCSF under `unmapped`, in ECS under `activity`. What a user could name is escaped
//! as in our own JSON, so a line has no control characters in it.

mod cef;
mod ecs;
mod fields;
mod identity;
mod ocsf;
mod own;
mod severity;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use activity_proto::{json::write_json, v1::Event};

pub use cef::cef;
pub use ecs::ecs;
pub use identity::identity;
pub use ocsf::ocsf;
pub use severity::Severity;

/// What our product is called in each format.
const PRODUCT: &str = "activity-sensor";
/// The version that lines are marked with: that of the mapping.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What an event becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Open Cybersecurity Schema Framework 1.8, JSON.
    Ocsf,
    /// Elastic Common Schema 9.4, JSON.
    Ecs,
    /// Our own JSON, as `watch --json` prints it.
    Json,
    /// ArcSight Common Event Format, version 0.
    Cef,
}

impl Format {
    /// Every format by its name.
    pub const ALL: [(&'static str, Self); 4] =
        [("ocsf", Self::Ocsf), ("ecs", Self::Ecs), ("json", Self::Json), ("cef", Self::Cef)];

    /// Writes an event as one line, without the newline.
    ///
    /// # Errors
    /// Those of the writer; writing to a `Vec` does not fail.
    pub fn write(self, event: &Event, mut out: impl Write) -> io::Result<()> {
        match self {
            Self::Ocsf => serde_json::to_writer(out, &ocsf(event)).map_err(io::Error::from),
            Self::Ecs => serde_json::to_writer(out, &ecs(event)).map_err(io::Error::from),
            Self::Json => write_json(event, out),
            Self::Cef => out.write_all(cef(event).as_bytes()),
        }
    }

    /// The name, as on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ocsf => "ocsf",
            Self::Ecs => "ecs",
            Self::Json => "json",
            Self::Cef => "cef",
        }
    }
}
