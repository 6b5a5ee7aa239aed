//! Append-only segment files: what the sensor's spool and the collector's log are
//! made of.
//!
//! A segment is a file of frames (`frame.rs` has the format) that is written once,
//! from its beginning to its end, by one [`Appender`]. A write that fails leaves it
//! as it was before. Whatever happens to the file later, what is whole in it is
//! found, and what is not is counted.
//!
//! All files are reached through a [`Disk`]: the machine's, or in tests a
//! [`simulated`] one, which loses what was not made durable, fills up and fails.

mod append;
mod disk;
mod frame;
#[cfg(feature = "simulated")]
pub mod simulated;

pub use append::Appender;
pub use disk::{Disk, DiskFile, Machine, replace};
pub use frame::{Frames, HEADER, Scan};
