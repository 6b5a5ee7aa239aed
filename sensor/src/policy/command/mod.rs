//! `activity-sensor policy`: what the rules would do.

mod describe;
mod dry_run;
mod event;
mod explain;

use std::io;

use crate::{cli::PolicyCommand, failure::Failure};

/// Runs a command about the policy.
///
/// # Errors
/// When the configuration is wrong, or the command cannot do its work.
pub fn run(command: &PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::Explain(args) => explain::explain(args),
        PolicyCommand::DryRun(args) => dry_run::dry_run(args),
    }
}

/// What a failed print comes to: a reader that has gone is none.
fn printed(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| Failure::unavailable(format!("standard output failed ({error})"))),
    }
}
