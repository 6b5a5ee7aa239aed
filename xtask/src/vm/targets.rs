//! The end-to-end test programs and what they need, built by cargo.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use crate::{
    bench,
    build::{self, Profile, SENSOR, shown},
    checkout::{self, cargo},
    exit::Result,
};

/// Programs of the checkout.
#[derive(Debug, Default)]
pub struct Targets {
    /// Test programs.
    pub tests: Vec<PathBuf>,
    /// Programs that the tests start.
    pub helpers: Vec<PathBuf>,
}

/// The sensor's program, built.
pub fn sensor() -> Result<PathBuf> {
    build::finish(&mut build::command(&[SENSOR], Profile::Trial))?;
    Ok(built_sensor())
}

/// The sensor's program where it is built.
pub fn built_sensor() -> PathBuf {
    checkout::program(Profile::Trial.name(), SENSOR)
}

/// The test programs, built with the features that `cargo xtask test` uses.
pub fn tests() -> Result<Targets> {
    let mut command = cargo(&["test", "--workspace", "--profile", Profile::Trial.name(), "--no-run"]);
    command.arg("--message-format=json-render-diagnostics");
    for name in names(&checkout::root().join("tests/tests"))? {
        command.args(["--test", &name]);
    }
    let call = shown(&command);
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("{call} does not start"))?;
    if !output.status.success() {
        bail!("`{call}` failed ({})", output.status);
    }
    let mut targets = Targets::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match artifact(line) {
            Some(("test", path)) => targets.tests.push(path),
            // Nothing is measured in an emulated machine.
            Some(("bin", path)) if path.ends_with(bench::HELPER) => {}
            Some(("bin", path)) => targets.helpers.push(path),
            _ => {}
        }
    }
    if targets.tests.is_empty() {
        bail!("`{call}` built no test program");
    }
    targets.tests.sort();
    Ok(targets)
}

/// The names of a package's integration tests: `NAME.rs` or `NAME/main.rs`.
fn names(dir: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let name = |path: PathBuf| {
        let test = path.extension().is_some_and(|kind| kind == "rs") || path.join("main.rs").is_file();
        test.then(|| path.file_stem()?.to_str().map(str::to_owned)).flatten()
    };
    let mut names: Vec<_> = entries.flatten().filter_map(|entry| name(entry.path())).collect();
    names.sort();
    Ok(names)
}

/// Kind and path of a program in one of cargo's messages. These are objects on
/// one line whose keys come in a fixed order; more of JSON is not needed.
fn artifact(line: &str) -> Option<(&str, PathBuf)> {
    let message = line.strip_prefix(r#"{"reason":"compiler-artifact","#)?;
    let kind = message.split_once(r#""kind":[""#)?.1.split_once('"')?.0;
    let path = message.rsplit_once(r#""executable":""#)?.1.split_once('"')?.0;
    Some((kind, PathBuf::from(path.replace(r"\\", r"\"))))
}

/// Whether the sensor knows this plan.
pub fn knows_plan(sensor: &Path, plan: &str) -> bool {
    let help = Command::new(sensor).args(["run", "--help"]).output();
    help.is_ok_and(|help| {
        String::from_utf8_lossy(&help.stdout)
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("- {plan}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_cargos_messages() {
        let of = |kind: &str, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"p","target":{{"kind":["{kind}"],"name":"live"}},"profile":{{"test":true}},"filenames":["/t/x"],"executable":{executable},"fresh":true}}"#
            )
        };
        assert_eq!(artifact(&of("test", r#""/t/live-1""#)), Some(("test", PathBuf::from("/t/live-1"))));
        assert_eq!(artifact(&of("bin", r#""/t/int80""#)), Some(("bin", PathBuf::from("/t/int80"))));
        assert_eq!(artifact(&of("lib", "null")), None);
        assert_eq!(artifact(r#"{"reason":"build-finished","success":true}"#), None);
    }
}
