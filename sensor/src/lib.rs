//! `activity-sensor`: records which human did what on a Linux machine. A library only so
//! that what reads bytes from outside can be fuzzed.

mod cli;
mod client;
mod clock;
mod config;
mod conservation;
mod decode;
mod enrich;
mod failure;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod identity;
mod log;
mod logins;
mod losses;
mod metrics;
mod observe;
mod pipeline;
mod policy;
mod reload;
mod replay;
mod run;
mod sequence;
mod sessions;
mod source;
mod spool;
mod state;
mod status;
mod stream;
mod tally;
#[cfg(test)]
mod tests;
mod unload;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use cli::{Cli, Command};
use failure::{Failure, code, say};

/// The program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => code::USAGE.into(),
            };
        }
    };
    match run_command(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("activity-sensor: {failure}");
            failure.exit_code()
        }
    }
}

fn run_command(cli: &Cli) -> Result<(), Failure> {
    match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Watch(args) => watch::watch(args),
        Command::Sessions(args) => sessions::sessions(args),
        Command::Doctor(args) => observe::doctor::doctor(args),
        Command::CheckConfig { file } => check_config(file),
        Command::Unload(args) => unload::unload(args),
        Command::Replay(args) => replay::replay(args),
        Command::Policy(command) => policy::command::run(command),
        Command::Completion { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "activity-sensor", &mut std::io::stdout());
            Ok(())
        }
        Command::Manual { directory } => {
            clap_mangen::generate_to(Cli::command(), directory).map_err(|error| {
                Failure::unavailable(format!("cannot write into {}: {error}", directory.display()))
            })
        }
    }
}

fn check_config(file: &std::path::Path) -> Result<(), Failure> {
    config::Config::load(Some(file))?;
    say(format_args!("{} is fine.", file.display()))
}
