//! Ways around a sensor: each is gone, and has to be reported with its true
//! object, or counted, or named as not covered; never reported wrongly.
//! docs/evasion.md says what the ways are.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod judge;
mod pattern;
mod race;
mod report;
mod reuse;
mod rows;
mod stage;
mod table;
