//! The sensor's own log: on standard error, in colour on a terminal only.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

/// Starts logging at `level`; `RUST_LOG` overrides it.
pub fn start(level: &str) {
    // HTTP/2's own warnings are about what peers do, a line each time: whoever can
    // connect could fill the disk.
    let quiet = || EnvFilter::new(format!("{level},h2=error"));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| quiet());
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // Under systemd the journal adds the time.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(colour)
        .with_target(false);
    // A second start in one process changes nothing.
    let _ = if journal { builder.without_time().try_init() } else { builder.try_init() };
}
