//! Packages on Debian.

use std::process::Command;

use anyhow::bail;
use rustix::process::geteuid;

use crate::{exit::Result, setup::on_path, step};

/// The compiler package comes with a security update; an older list of
/// packages knows only one that is too old.
const OLDEST_RUST: [u32; 2] = [1, 95];

/// Makes sure that those packages can be installed, or says why not.
pub fn prepare(packages: &[&str]) -> Result {
    if on_path("apt-get").is_none() {
        bail!("packages can be installed on Debian only");
    }
    if !geteuid().is_root() {
        bail!("installing packages needs root");
    }
    if !offered(packages) {
        refresh()?;
    }
    if !offered(packages) {
        bail!("this distribution has no {} that is new enough", packages.join(" and "));
    }
    Ok(())
}

/// Installs packages that were [prepared](prepare).
pub fn install(packages: &[&str]) -> Result {
    // The list may name versions that the mirror has replaced since.
    get(packages).or_else(|_| refresh().and_then(|()| get(packages)))
}

fn refresh() -> Result {
    let mut update = Command::new("apt-get");
    step::run("refreshing the list of packages", "apt-update", update.args(["update", "--quiet"]))
}

fn get(packages: &[&str]) -> Result {
    let mut install = Command::new("apt-get");
    // Nothing of the user's is removed for it, such as another compiler.
    install.args(["install", "--yes", "--quiet", "--no-install-recommends", "--no-remove"]).args(packages);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    step::run(&format!("installing {}", packages.join(", ")), "apt-install", &mut install)
}

/// What an administrator could type, if the packages are to be had.
pub fn advice(packages: &[&str]) -> Option<String> {
    (on_path("apt-get").is_some() && offered(packages))
        .then(|| format!("sudo apt-get install --no-install-recommends {}", packages.join(" ")))
}

/// Whether the package list has all of them, and the compiler new enough.
fn offered(packages: &[&str]) -> bool {
    packages.iter().all(|package| {
        let output = Command::new("apt-cache").args(["policy", package]).env("LC_ALL", "C").output();
        let said =
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let candidate =
            said.lines().find_map(|line| line.trim().strip_prefix("Candidate: ")).unwrap_or("(none)");
        candidate != "(none)" && (!package.starts_with("rust") || new_enough(candidate))
    })
}

fn new_enough(version: &str) -> bool {
    let numbers: Vec<u32> = version.split('.').map_while(|number| number.parse().ok()).collect();
    numbers.get(..2).is_some_and(|numbers| numbers >= &OLDEST_RUST[..])
}

#[cfg(test)]
mod tests {
    use super::new_enough;

    #[test]
    fn the_compiler_of_the_first_release_is_too_old() {
        assert!(!new_enough("1.85.0+dfsg3-1~deb12u3"));
        assert!(new_enough("1.96.0+dfsg1-1~deb12u2"));
        assert!(!new_enough("(none)"));
    }
}
