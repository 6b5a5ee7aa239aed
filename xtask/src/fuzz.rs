//! `cargo xtask fuzz`: bytes that nobody thought of, for whatever reads bytes from outside.
//!
//! The targets in `fuzz/` have cargo-fuzz's layout, so it can run them as well. It is not
//! needed: all it adds is the compiler's flags below.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use clap::Args;
use sensor_ebpf_builder::clean_command;

use crate::{
    build::{finish, shown},
    checkout,
    exit::{self, Result, failure},
    setup,
    tally::Tally,
};

/// As a check among others.
const NAME: &str = "fuzzing";
/// How long each target runs when nothing is said.
const SECONDS: u64 = 60;
/// An input that takes longer, in seconds, is a finding; so is one that takes more memory,
/// in MiB.
const LIMITS: (u64, u64) = (10, 2048);
/// How much of what a target said is shown when it found something.
const TAIL: usize = 40;
/// Has libFuzzer see which ways an input takes.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Clink-dead-code",
];

/// What follows the list of options.
pub const AFTER_HELP: &str = "\
Needs a nightly compiler and one for C++. What is found lies in target/fuzz/findings; once it is mended, it \
belongs into fuzz/corpus, with which every run begins. What runs learn is kept in target/fuzz/learned.

Exit codes: 0 nothing was found; 1 something was; 69 a compiler is missing.";

/// What `cargo xtask fuzz` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// One of fuzz/fuzz_targets; all of them when none is given.
    target: Option<String>,
    /// How long each runs.
    #[arg(long, default_value_t = SECONDS)]
    seconds: u64,
}

/// `cargo xtask fuzz`.
pub fn run(arguments: &Arguments) -> Result {
    let mut targets = targets()?;
    if let Some(one) = &arguments.target {
        if !targets.contains(one) {
            let known = targets.join(", ");
            return Err(failure(exit::USAGE, format!("there is no target {one}; there are {known}")));
        }
        targets = vec![one.clone()];
    }
    let programs = build()?;
    let mut found = Vec::new();
    for target in targets {
        if let Err(error) = fuzz(&programs, &target, arguments.seconds) {
            eprintln!("{error:#}");
            found.push(target);
        }
    }
    if found.is_empty() { Ok(()) } else { bail!("something was found in {}", found.join(", ")) }
}

/// The same as checks among others.
pub fn check(tally: &mut Tally) {
    println!("check: {NAME}");
    let programs = match build() {
        Ok(programs) => programs,
        Err(error) if exit::code(&error) == exit::MISSING => {
            return tally.skip(NAME, &format!("{error:#}"));
        }
        Err(error) => {
            eprintln!("{error:#}");
            return tally.fail(NAME);
        }
    };
    for target in targets().unwrap_or_default() {
        match fuzz(&programs, &target, SECONDS) {
            Ok(()) => tally.pass(),
            Err(error) => {
                eprintln!("{error:#}");
                tally.fail(&format!("{NAME}: {target}"));
            }
        }
    }
}

fn directory() -> PathBuf {
    checkout::root().join("fuzz")
}

/// The names of the targets.
fn targets() -> Result<Vec<String>> {
    let directory = directory().join("fuzz_targets");
    let mut names = Vec::new();
    for file in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
        names.extend(file?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// Compiles all targets; answers with where they are.
fn build() -> Result<PathBuf> {
    if setup::on_path("c++").is_none() {
        return Err(failure(exit::MISSING, "libFuzzer is C++, and there is no `c++`; install g++"));
    }
    let host = nightly_host().ok_or_else(|| {
        let type_ = "rustup toolchain install nightly --profile minimal";
        failure(exit::MISSING, format!("there is no nightly compiler; type `{type_}`"))
    })?;
    let target = checkout::target().join("fuzz");
    // For a target by name, so that the flags are not for build scripts.
    let mut build = nightly(&["cargo", "build", "--release", "--locked", "--bins", "--target", &host]);
    build.current_dir(directory()).env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", FLAGS.join(" "));
    finish(&mut build)?;
    Ok(target.join(host).join("release"))
}

/// A program of the nightly toolchain, without what cargo told us of our own.
fn nightly(arguments: &[&str]) -> Command {
    let mut command = clean_command("rustup");
    command.args(["run", "nightly"]).args(arguments);
    command
}

/// For what machine the nightly compiler compiles, if there is one.
fn nightly_host() -> Option<String> {
    let said = nightly(&["rustc", "-vV"]).stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    said.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

/// Runs one target for a while.
fn fuzz(programs: &Path, target: &str, seconds: u64) -> Result {
    let work = checkout::target().join("fuzz");
    let (learned, findings) = (work.join("learned").join(target), work.join("findings").join(target));
    for directory in [&learned, &findings] {
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
    println!("fuzz: {target} for {seconds} s");
    let mut command = Command::new(programs.join(target));
    command.arg(&learned).arg(directory().join("corpus").join(target)).stdin(Stdio::null());
    command.args([format!("-max_total_time={seconds}"), "-print_final_stats=1".to_owned()]);
    command.args([format!("-timeout={}", LIMITS.0), format!("-rss_limit_mb={}", LIMITS.1)]);
    command.arg(format!("-artifact_prefix={}/", findings.display()));
    let output = command.output().with_context(|| format!("{} does not start", shown(&command)))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let Some(executions) = executions(&said).filter(|_| output.status.success()) else {
        let lines: Vec<_> = said.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n  ");
        bail!("fuzz: {target} found something ({}):\n  {tail}", output.status);
    };
    println!("fuzz: {target}: {executions} inputs, nothing was found");
    Ok(())
}

/// How many inputs there were, as libFuzzer says it at its end.
fn executions(said: &str) -> Option<u64> {
    let count = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_in_the_manifest_and_has_something_to_begin_with() {
        let manifest = fs::read_to_string(directory().join("Cargo.toml")).unwrap();
        let targets = targets().unwrap();
        assert!(targets.len() > 5, "{targets:?}");
        assert_eq!(manifest.matches("[[bin]]").count(), targets.len());
        for target in targets {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
            let corpus = directory().join("corpus").join(&target);
            assert!(fs::read_dir(&corpus).is_ok_and(|mut files| files.next().is_some()), "{target}");
        }
    }

    #[test]
    fn the_count_is_read_from_the_last_words() {
        let said = "#2 INITED\nDone 7 runs in 1 second(s)\nstat::number_of_executed_units: 7\nstat::x: 1\n";
        assert_eq!(executions(said), Some(7));
        assert_eq!(executions("==1== ERROR: libFuzzer: deadly signal"), None);
    }
}
