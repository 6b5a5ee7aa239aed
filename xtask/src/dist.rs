//! `cargo xtask dist`: Debian packages.

use std::{fs, path::Path, process::Command};

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
    let assets = checkout::target().join(profile.name()).join("assets");
    // A page of a command that is no more would be packed as well.
    if assets.exists() {
        fs::remove_dir_all(&assets).with_context(|| assets.display().to_string())?;
    }
    fs::create_dir_all(&assets).with_context(|| assets.display().to_string())?;
    for program in [SENSOR, COLLECTOR] {
        describe(program, profile, &assets)?;
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

/// Lets a program write its manual pages and its completions, beside itself in
/// `assets/`, where the package's list of files looks for them.
fn describe(program: &str, profile: Profile, assets: &Path) -> Result {
    let command = || Command::new(checkout::program(profile.name(), program));
    finish(command().arg("manual").arg(assets))?;
    let completions = [
        ("bash", format!("{program}.bash")),
        ("zsh", format!("_{program}")),
        ("fish", format!("{program}.fish")),
    ];
    for (shell, name) in completions {
        let file = fs::File::create(assets.join(&name)).with_context(|| name.clone())?;
        finish(command().args(["completion", shell]).stdout(file))?;
    }
    Ok(())
}
