//! `cargo xtask test`: every check and every test, counted.
//!
//! A test that cannot run here says so with a line of its own on standard
//! output, written past the test harness's capture:
//!
//! ```text
//! skipped: <test name>: <reason>
//! ```
//!
//! and returns. Such a test counts as skipped, as does one that is `#[ignore]`d
//! with a reason. Tests learn from their environment: `ACTIVITY_TEST_LONG=1`
//! under `--long`, `ACTIVITY_TEST_PYTHON`, an interpreter with grpcio,
//! `ACTIVITY_TEST_OCSF_PYTHON`, one with the schemas of OCSF and a validator,
//! `ACTIVITY_TEST_READERS_PYTHON`, one with PySpark and chdb, and
//! `ACTIVITY_TEST_S3_PYTHON`, one with a server that speaks S3.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
};

use anyhow::Context;

use crate::{
    background::{EndsWithUs, nobodys},
    build::{Profile, finish, shown},
    checkout::cargo,
    exit::{self, Result, failure},
    fuzz, lint, setup, stages,
    tally::Tally,
    vm,
};

/// `cargo xtask test`.
pub fn run(long: bool) -> Result {
    let mut tally = Tally::default();
    checks(&mut tally);
    tests(long, &mut tally)?;
    instructions(&mut tally);
    if long {
        fuzz::check(&mut tally);
    }
    vm::test(long, &mut tally)?;

    println!("{}", tally.summary());
    // Nothing follows the line that counts.
    if tally.failed.is_empty() { Ok(()) } else { Err(failure(1, "")) }
}

fn checks(tally: &mut Tally) {
    let licences = lint::installed_licences();
    if licences.is_none() {
        tally.skip(lint::LICENCES, "its tool is not installed; `cargo xtask lint` installs it");
    }
    for mut check in lint::checks().into_iter().chain(licences) {
        println!("check: {}", check.name);
        match finish(&mut check.command) {
            Ok(()) => tally.pass(),
            Err(error) => {
                eprintln!("{error:#}");
                tally.fail(check.name);
            }
        }
    }
}

/// Counts what each stage takes, where there is a tool for it.
fn instructions(tally: &mut Tally) {
    println!("check: {}", stages::NAME);
    match stages::check() {
        Ok(()) => tally.pass(),
        Err(error) if exit::code(&error) == exit::MISSING => tally.skip(stages::NAME, &format!("{error:#}")),
        Err(error) => {
            eprintln!("{error:#}");
            tally.fail(stages::NAME);
        }
    }
}

/// The end-to-end tests run both programs. `cargo test` builds them because each
/// has integration tests of its own.
fn tests(long: bool, tally: &mut Tally) -> Result {
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast", "--profile", Profile::Trial.name()]);
    let programs = [
        ("logins", setup::login_programs()),
        ("exports", setup::export_servers()),
        ("metrics", setup::metrics_judges()),
        ("Spark", setup::java()),
    ];
    for (what, installed) in programs {
        if let Err(error) = installed {
            eprintln!("tests of {what} will be skipped: {error:#}");
        }
    }
    let pythons = [
        ("ACTIVITY_TEST_PYTHON", "grpcio", setup::python_client()),
        ("ACTIVITY_TEST_OCSF_PYTHON", "ocsf-json-schema", setup::python_ocsf()),
        ("ACTIVITY_TEST_READERS_PYTHON", "pyspark and chdb", setup::python_readers()),
        ("ACTIVITY_TEST_S3_PYTHON", "moto", setup::python_s3()),
    ];
    for (variable, package, python) in pythons {
        match python {
            Ok(python) => {
                command.env(variable, python);
            }
            Err(error) => eprintln!("tests that need Python's {package} will be skipped: {error:#}"),
        }
    }
    if long {
        command.env("ACTIVITY_TEST_LONG", "1").args(["--", "--include-ignored"]);
    }
    let call = shown(&command);
    // Whoever runs the tests is a person with a terminal; what the tests' own programs
    // do must not be that person's doing, which a sensor records.
    let mut child = nobodys(&mut command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{call} does not start"))?;
    let _ends = EndsWithUs::new(&child)?;
    let before = tally.failed.len();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.context("reading the tests' output")?;
            let mut out = std::io::stdout().lock();
            out.write_all(&line)?;
            out.write_all(b"\n")?;
            tally.take(&String::from_utf8_lossy(&line));
        }
    }
    let status = child.wait()?;
    // It did not compile, or a test program died before it could say so.
    if !status.success() && tally.failed.len() == before {
        tally.fail(&format!("`{call}` ({status})"));
    }
    Ok(())
}
