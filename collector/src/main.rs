//! `activity-collector`: receives events from activity sensors, keeps them
//! durably and answers SQL over them.

mod acknowledge;
mod cli;
mod config;
mod consume;
mod deliver;
mod export;
mod failure;
mod files;
mod ingest;
mod inlet;
mod listen;
mod output;
mod owners;
mod pki;
mod query;
mod receive;
mod report;
mod run;
mod seal;
mod silence;
mod state;
mod store;
mod subscribe;
mod timeline;
mod tracker;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use cli::{Cli, Command, RunArgs};
use failure::{Failure, say};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that nobody reads to its end is no error.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(64) };
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(
            "warn,h2=error,activity_collector=info,activity_peers=info",
        ))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
    match execute(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("activity-collector: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn execute(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::unavailable)?;
    match command {
        Command::Run(args) => runtime.block_on(run::run(&config::Config::load(&args)?)),
        Command::CheckConfig { file } => check_config(file),
        Command::Query(args) => runtime.block_on(query::query(&args)),
        Command::Timeline(args) => runtime.block_on(timeline::timeline(&args)),
        Command::Report(args) => runtime.block_on(report::report(&args)),
        Command::Export(args) => runtime.block_on(export::export(&args)),
        Command::Files(args) => files::files(&args),
        Command::Viewers(args) => state::viewers(&args),
        Command::Verify(args) => seal::verify::verify(&args),
        Command::Ca(command) => pki::ca(&command),
        Command::Enrol(args) => pki::enrol(&args),
        Command::Revoke(args) => pki::revoke(&args),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "activity-collector", &mut io::stdout());
            Ok(())
        }
        Command::Manual { directory } => {
            clap_mangen::generate_to(Cli::command(), &directory).map_err(|error| {
                Failure::unavailable(format!("cannot write into {}: {error}", directory.display()))
            })
        }
    }
}

fn check_config(file: PathBuf) -> Result<(), Failure> {
    let sentence = format!("{} is fine.", file.display());
    config::Config::load(&RunArgs { config: Some(file), ..RunArgs::default() })?;
    say(sentence)
}
