//! End-to-end tests on the live kernel, one module per topic.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod acceptance;
mod access;
mod clock;
mod collectors;
mod connects;
mod counts;
mod crowd;
mod disks;
mod ends;
mod errors;
mod faults;
mod files;
mod folds;
mod heartbeat;
mod images;
mod kills;
mod left_out;
mod limit;
mod metrics;
mod names;
mod numbered;
mod pinned;
mod policy;
mod privacy;
mod processes;
mod push;
mod reflection;
mod rules;
mod silence;
mod slow;
mod soak;
mod spool;
