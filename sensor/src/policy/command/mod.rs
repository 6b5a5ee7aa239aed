//! `activity-sensor policy`: what the rules would do.

mod describe;
mod dry_run;
mod event;
mod explain;

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
