//! `cargo xtask stages`: what each stage of the daemon takes for an event, in
//! instructions, which do not depend on what else the machine does.
//!
//! A test of the daemon goes through a recording of real activity, and callgrind
//! counts. The counts are held against those that were accepted last.

mod counts;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use clap::Args;

use self::counts::Counts;
use crate::{
    build::{Profile, finish, shown},
    checkout,
    exit::{Result, failure},
    setup,
};

/// As a check among others.
pub const NAME: &str = "instructions of each stage";

/// The daemon's library, as cargo names it, and the test of it that is counted.
const LIBRARY: &str = "activity_sensor";
const TEST: &str = "tests::stages::every_stage_handles_the_recording";

/// What follows the list of options.
pub const AFTER_HELP: &str = "\
A stage that takes over 10 % more than was accepted is a failure; one that takes over 10 % less is worth \
accepting, so that it stays so. Compiler and libraries change the counts as well: whoever updates them accepts \
the new ones. callgrind (valgrind) is installed if it is missing and that is permitted.

Exit codes: 0 as accepted; 1 more, or something failed; 69 valgrind cannot be had.";

/// What `cargo xtask stages` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Take the counts of now as the ones to hold others against.
    #[arg(long)]
    accept: bool,
}

/// `cargo xtask stages`.
pub fn run(arguments: &Arguments) -> Result {
    let counts = count()?;
    let file = accepted_file();
    if arguments.accept {
        fs::write(&file, counts.to_json()?).with_context(|| file.display().to_string())?;
        println!("{}", counts.table(&counts));
        return Ok(());
    }
    compare(&counts)
}

/// The same as a check among others.
pub fn check() -> Result {
    compare(&count()?)
}

fn compare(counts: &Counts) -> Result {
    let file = accepted_file();
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let accepted = Counts::from_json(&text).with_context(|| file.display().to_string())?;
    println!("{}", counts.table(&accepted));
    match counts.worse_than(&accepted) {
        worse if worse.is_empty() => Ok(()),
        worse => Err(failure(
            1,
            format!(
                "{} takes more instructions than was accepted; make it cheaper, or type `cargo xtask stages --accept`",
                worse.join(" and ")
            ),
        )),
    }
}

fn accepted_file() -> PathBuf {
    checkout::root().join("xtask/src/stages/accepted.json")
}

fn count() -> Result<Counts> {
    setup::debian_tool("valgrind", "valgrind")?;
    let test = test_program()?;
    let directory = tempfile::Builder::new().prefix("activity-stages-").tempdir()?;
    let file = directory.path().join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet"]).arg(format!("--callgrind-out-file={}", file.display()));
    valgrind.arg(&test).args(["--exact", TEST, "--nocapture", "--test-threads=1"]);
    let output = printed(&mut valgrind)?;
    let events = output.lines().find_map(|line| line.split("events: ").nth(1)?.trim().parse().ok());
    let events = events.with_context(|| format!("{TEST} does not say how many events there were"))?;
    let mut annotate = Command::new("callgrind_annotate");
    annotate.args(["--inclusive=yes", "--threshold=100"]).arg(&file);
    Counts::of(&printed(&mut annotate)?, events)
}

/// The daemon's unit tests, compiled as the other tests are.
fn test_program() -> Result<PathBuf> {
    let profile = Profile::Trial.name();
    let build = ["test", "--workspace", "--lib", "--profile", profile, "--no-run"];
    finish(&mut checkout::cargo(&build))?;
    let mut ask = checkout::cargo(&build);
    let messages = printed(ask.args(["--quiet", "--message-format=json"]))?;
    let executable = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let of = |pointer| message.pointer(pointer);
        let is_it = of("/target/name")? == LIBRARY && of("/profile/test")? == true;
        of("/executable")?.as_str().filter(|_| is_it).map(|path| Path::new(path).to_owned())
    });
    executable.with_context(|| format!("cargo does not say where the tests of {LIBRARY} are"))
}

/// What a command prints; its errors are shown as they come.
fn printed(command: &mut Command) -> Result<String> {
    let call = shown(command);
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("{call} does not start"))?;
    if !output.status.success() {
        bail!("`{call}` failed ({})", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
