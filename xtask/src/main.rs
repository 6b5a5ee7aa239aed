//! `cargo xtask`: everything a contributor types.

mod background;
mod bench;
mod build;
mod checkout;
mod dist;
mod exit;
mod fuzz;
mod lint;
mod run;
mod setup;
mod stages;
mod step;
mod tally;
mod test;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{build::Profile, exit::Result};

/// Builds, runs, tests and packages activity-sensor.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
New here? `cargo xtask run` as root installs what is missing, builds, and shows what happens on this machine.

Every verb calls `setup` first, which takes no time once all is there. Tools and the compiled kernel side \
are kept in $ACTIVITY_SENSOR_CACHE, by default ~/.cache/activity-sensor; remove that directory to start \
from nothing.

Exit codes: 0 fine, 1 something failed, 64 wrong usage, 69 something needed is missing, 77 needs root.";

#[derive(Subcommand)]
enum Verb {
    /// Install what building needs, or say what to type.
    Setup,
    /// Build sensor and collector for release, into target/release.
    Build,
    /// Build, start sensor and collector, and show live activity until Ctrl-C (needs root).
    ///
    /// The sensor is built first and shows what happens while the collector is still being built.
    /// The collector keeps what it receives in target/run-store, also after the end.
    Run,
    /// Run every check and test; what cannot run here is listed with its reason.
    ///
    /// A few of the end-to-end tests then run once more in virtual machines with other kernels, as `vm` does.
    Test {
        /// Also the tests that take long: full counts and soaks, fuzzing, and all tests in the virtual machines.
        #[arg(long)]
        long: bool,
    },
    /// Run the end-to-end tests, or a script, in virtual machines with other kernels.
    #[command(after_help = vm::AFTER_HELP)]
    Vm(vm::Arguments),
    /// Measure what the sensor costs this machine (needs root).
    #[command(after_help = bench::AFTER_HELP)]
    Bench(bench::Arguments),
    /// Count the instructions that each stage of the daemon takes for an event.
    #[command(after_help = stages::AFTER_HELP)]
    Stages(stages::Arguments),
    /// Feed bytes that nobody thought of to whatever reads bytes from outside.
    #[command(after_help = fuzz::AFTER_HELP)]
    Fuzz(fuzz::Arguments),
    /// Make Debian packages of sensor and collector, in target/dist.
    Dist {
        /// How to compile: `trial` is quicker to build, `release` runs faster.
        #[arg(long, value_enum, default_value_t = Profile::Release)]
        profile: Profile,
    },
    /// Check formatting, lints, licences and the compatibility of the .proto files.
    Lint {
        /// Record the .proto files as released: later changes are checked against them.
        #[arg(long)]
        accept_proto: bool,
    },
}

fn main() -> ExitCode {
    if vm::guest::is_this() {
        return vm::guest::main();
    }
    let arguments = Arguments::try_parse().unwrap_or_else(|error| {
        let _ = error.print();
        std::process::exit(if error.use_stderr() { exit::USAGE.into() } else { 0 });
    });
    match dispatch(arguments.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let said = format!("{error:#}");
            if !said.is_empty() {
                eprintln!("xtask: {said}");
            }
            ExitCode::from(exit::code(&error))
        }
    }
}

fn dispatch(verb: Verb) -> Result {
    if matches!(verb, Verb::Run) {
        run::permitted()?;
    }
    if let Verb::Bench(arguments) = &verb {
        bench::permitted(arguments)?;
    }
    let ready = setup::run()?;
    match verb {
        Verb::Setup => {
            println!("{ready}\neverything that building needs is here");
            Ok(())
        }
        Verb::Build => build::run(),
        Verb::Run => run::run(),
        Verb::Test { long } => test::run(long),
        Verb::Vm(arguments) => vm::run(arguments),
        Verb::Bench(arguments) => bench::run(&arguments),
        Verb::Stages(arguments) => stages::run(&arguments),
        Verb::Fuzz(arguments) => fuzz::run(&arguments),
        Verb::Dist { profile } => dist::run(profile),
        Verb::Lint { accept_proto } => lint::run(accept_proto),
    }
}
