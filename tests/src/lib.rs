//! The harness of the end-to-end tests: trigger something, then wait for the
//! event it must lead to.
//!
//! The tests start the real programs and use the live kernel. What they do,
//! they do as a [`Person`] with a login uid of its own, which is what they
//! tell their own events from others by; so they can run side by side.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod act;
mod consume;
mod control;
mod event;
mod machine;
pub mod people;
mod program;
mod sensor;
mod subscribe;
mod watch;

use std::time::Duration;

pub use act::{Person, own_directories, own_mounts, session_id};
pub use consume::Consumer;
pub use control::{Control, Seen};
pub use event::EventExt;
pub use machine::{Machine, skip};
pub use program::{Output, Program, collector, evade, run, sensor as sensor_program};
pub use sensor::{EACH_OPEN, Sensor};
pub use subscribe::Subscription;
pub use watch::Watch;

/// How long anything may take before a test gives up on it. No test waits this
/// long when all is well.
#[must_use]
pub fn deadline() -> Duration {
    patience(Duration::from_secs(30))
}

/// A time that something may take, on a machine as slow as this one:
/// `ACTIVITY_TEST_SLOW` says how many times slower it is than usual, such as an
/// emulated one.
#[must_use]
pub fn patience(usual: Duration) -> Duration {
    let slower = std::env::var("ACTIVITY_TEST_SLOW").ok().and_then(|factor| factor.parse().ok());
    usual * slower.unwrap_or(1)
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// After [`deadline`].
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < deadline(), "in vain for {:?}: {what}", deadline());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The name of the test it stands in, as the test harness prints it.
#[macro_export]
macro_rules! here {
    () => {{
        fn here() {}
        let name = std::any::type_name_of_val(&here).trim_end_matches("::here");
        name.split_once("::").map_or(name, |(_crate, name)| name)
    }};
}
