//! Which human did it: real logins by `sshd`, what people do in them, and who
//! the stream says did it.
//!
//! A test plays steps: lines typed in a login, each of which leaves a mark (a
//! file, or a connection) that no other leaves. Then every event of the stream
//! that has to do with a mark is compared with what the step expects.
//! `ACTIVITY_TEST_KEEP=DIRECTORY` keeps each play's events there as JSON.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch;
mod before;
mod doors;
mod expect;
mod facts;
mod forged;
mod hops;
mod judge;
mod leaving;
mod load;
mod multiplexer;
mod nobody;
mod play;
mod shared;
mod stage;
mod switches;
mod systemd;
