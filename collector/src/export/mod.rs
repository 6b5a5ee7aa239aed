//! `export`: what is stored, passed on in the terms of others.
//!
//! An export reads from the store, never from what comes in: however slow the other side is,
//! no sensor waits for it. It remembers how far it came (`store::feed`) when the other side
//! has what was sent, and begins again there after a failure: every event arrives at least
//! once, and each carries an identity by which doubles are found.

mod args;
mod batch;
mod command;
mod cursor;
mod drive;
mod files;
mod nats;
mod sink;
mod syslog;
mod target;
#[cfg(test)]
mod tests;

pub use args::{ExportArgs, format};
pub use command::export;
pub use drive::run;
pub use sink::{ExportError, Exporter, Line};
pub use target::{Secrets, Target};
