//! `cargo xtask build`, and building for the other verbs.

use std::process::Command;

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::{checkout, exit::Result};

/// The daemon's package and program.
pub const SENSOR: &str = "activity-sensor";
/// The collector's package and program.
pub const COLLECTOR: &str = "activity-collector";

/// How to compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Compiles quickly and is fast enough for trials.
    Trial,
    /// What is installed.
    Release,
}

impl Profile {
    /// The profile's name in Cargo.toml, which is its directory's too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Release => "release",
        }
    }
}

/// `cargo xtask build`.
pub fn run() -> Result {
    programs(Profile::Release)?;
    for name in [SENSOR, COLLECTOR] {
        println!("{}", checkout::program("release", name).display());
    }
    Ok(())
}

/// Builds both programs.
pub fn programs(profile: Profile) -> Result {
    finish(&mut command(&[SENSOR, COLLECTOR], profile))
}

/// The cargo call that builds those programs. Over the whole workspace, though
/// only what they need is built: a library's features are those that all
/// members ask for, so that every verb finds what another has compiled.
pub fn command(programs: &[&str], profile: Profile) -> Command {
    let mut command = checkout::cargo(&["build", "--workspace", "--profile", profile.name()]);
    for program in programs {
        command.args(["--bin", program]);
    }
    command
}

/// Runs a command in the foreground; its own messages say what went wrong.
pub fn finish(command: &mut Command) -> Result {
    let status = command.status().with_context(|| format!("{} does not start", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// A command as one would type it.
pub fn shown(command: &Command) -> String {
    let program = command.get_program();
    let name = std::path::Path::new(program).file_name().unwrap_or(program);
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
