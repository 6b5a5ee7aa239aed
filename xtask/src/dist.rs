//! `cargo xtask dist`: Debian packages.

use std::{fs, process::Command};

use anyhow::Context;

use crate::{
    build::{self, COLLECTOR, Profile, SENSOR, finish},
    checkout,
    exit::Result,
    setup::{cargo_tool, debian_tool},
};

const CARGO_DEB: (&str, &str) = ("cargo-deb", "3.8.0");

/// `cargo xtask dist`.
pub fn run(profile: Profile) -> Result {
    // It names the libraries that the programs need.
    debian_tool("dpkg-shlibdeps", "dpkg-dev")?;
    let cargo_deb = cargo_tool(CARGO_DEB.0, CARGO_DEB.1)?;
    build::programs(profile)?;
    for program in [SENSOR, COLLECTOR] {
        describe(program, profile)?;
    }
    let dist = checkout::target().join("dist");
    fs::create_dir_all(&dist).with_context(|| dist.display().to_string())?;
    for package in [SENSOR, COLLECTOR] {
        let mut deb = Command::new(&cargo_deb);
        deb.current_dir(checkout::root()).env("CARGO_TARGET_DIR", checkout::target());
        deb.args(["--no-build", "--quiet", "--profile", profile.name(), "--package", package, "--output"]);
        finish(deb.arg(&dist))?;
    }
    let mut packages: Vec<_> = fs::read_dir(&dist)?.flatten().map(|entry| entry.path()).collect();
    packages.sort();
    for package in packages.iter().filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
    {
        println!("{}", package.display());
    }
    Ok(())
}

/// Lets a program write its manual page and its completions, beside itself in
/// `assets/`, where the package's list of files looks for them.
fn describe(program: &str, profile: Profile) -> Result {
    let assets = checkout::target().join(profile.name()).join("assets");
    fs::create_dir_all(&assets).with_context(|| assets.display().to_string())?;
    let files = [
        (format!("{program}.1"), vec!["manual"]),
        (format!("{program}.bash"), vec!["completion", "bash"]),
        (format!("_{program}"), vec!["completion", "zsh"]),
        (format!("{program}.fish"), vec!["completion", "fish"]),
    ];
    for (name, arguments) in files {
        let file = fs::File::create(assets.join(&name)).with_context(|| name.clone())?;
        finish(Command::new(checkout::program(profile.name(), program)).args(arguments).stdout(file))?;
    }
    Ok(())
}
