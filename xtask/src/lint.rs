//! `cargo xtask lint`.

use std::{path::Path, process::Command};

use anyhow::bail;

use crate::{
    build::finish,
    checkout::{self, cargo},
    exit::Result,
    setup::{cargo_tool, installed_tool},
};

const CARGO_DENY: (&str, &str) = ("cargo-deny", "0.20.2");

/// What the check of licences and sources is called.
pub const LICENCES: &str = "licences (cargo-deny)";

/// A check that is not a test in a crate.
pub struct Check {
    /// What it is called in the list of failures.
    pub name: &'static str,
    /// The call; it fails by its exit status.
    pub command: Command,
}

/// `cargo xtask lint`.
pub fn run(accept_proto: bool) -> Result {
    if accept_proto {
        return finish(proto().command.env("ACTIVITY_ACCEPT_PROTO", "1"));
    }
    let mut failed = Vec::new();
    let licences = licences(&cargo_tool(CARGO_DENY.0, CARGO_DENY.1)?);
    for mut check in checks().into_iter().chain([licences, tidy(), proto()]) {
        eprintln!("lint: {}", check.name);
        if let Err(error) = finish(&mut check.command) {
            eprintln!("{error:#}");
            failed.push(check.name);
        }
    }
    if !failed.is_empty() {
        bail!("{} failed", failed.join(", "));
    }
    println!("formatting, lints, licences, tidy rules and the .proto files are fine");
    Ok(())
}

/// What `test` runs beside the tests.
pub fn checks() -> Vec<Check> {
    let apart = |directory| {
        let mut command = cargo(&["fmt", "--check"]);
        command.current_dir(checkout::root().join(directory));
        command
    };
    // In the profile of the tests, so that build scripts and macros are
    // compiled once for both.
    let clippy = cargo(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--profile",
        "trial",
        "--",
        "-D",
        "warnings",
    ]);
    vec![
        Check { name: "rustfmt", command: cargo(&["fmt", "--all", "--check"]) },
        Check { name: "rustfmt of the kernel programs", command: apart("sensor-ebpf") },
        Check { name: "rustfmt of the fuzz targets", command: apart("fuzz") },
        Check { name: "clippy", command: clippy },
    ]
}

/// The check of licences and sources, where its tool is installed.
pub fn installed_licences() -> Option<Check> {
    installed_tool(CARGO_DENY.0, CARGO_DENY.1).map(|program| licences(&program))
}

/// Advisories need a database from elsewhere that changes without us, so they
/// are not part of the check.
fn licences(cargo_deny: &Path) -> Check {
    let mut command = Command::new(cargo_deny);
    command.current_dir(checkout::root()).args([
        "--log-level",
        "error",
        "check",
        "licenses",
        "bans",
        "sources",
    ]);
    Check { name: LICENCES, command }
}

fn tidy() -> Check {
    Check { name: "tidy rules", command: own_test("tidy") }
}

fn proto() -> Check {
    Check { name: "compatibility of the .proto files", command: own_test("proto") }
}

fn own_test(name: &str) -> Command {
    cargo(&["test", "--quiet", "--profile", "trial", "--package", "xtask", "--test", name])
}
