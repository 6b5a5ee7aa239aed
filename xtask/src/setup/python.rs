//! The client that is not ours: Python's grpcio, for the tests.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, bail};
use sensor_ebpf_builder::cache_dir;

use crate::{
    exit::Result,
    setup::{debian, on_path},
    step,
};

const PACKAGES: [&str; 2] = ["grpcio==1.76.0", "grpcio-reflection==1.76.0"];

/// An interpreter that has grpcio and its reflection client, in a virtual
/// environment of ours in the cache.
pub fn client() -> Result<PathBuf> {
    let cache = cache_dir().context("set HOME or ACTIVITY_SENSOR_CACHE")?;
    let dir = cache.join("tools/python-grpcio-1.76.0");
    let python = dir.join("bin/python");
    if works(&python) {
        return Ok(python);
    }
    let system = interpreter()?;
    fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    step::run(
        "making a Python environment for the tests",
        "python-venv",
        Command::new(system).args(["-m", "venv", "--clear"]).arg(&dir),
    )?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    step::run("installing grpcio for the tests", "python-grpcio", &mut install)?;
    Ok(python)
}

fn works(python: &PathBuf) -> bool {
    succeeds(Command::new(python).args(["-c", "import grpc, grpc_reflection"]))
}

fn interpreter() -> Result<PathBuf> {
    let usable = || {
        on_path("python3")
            .filter(|python| succeeds(Command::new(python).args(["-c", "import venv, ensurepip"])))
    };
    if let Some(python) = usable() {
        return Ok(python);
    }
    let packages = ["python3-venv"];
    debian::prepare(&packages).and_then(|()| debian::install(&packages))?;
    let Some(python) = usable() else { bail!("python3 with venv is missing") };
    Ok(python)
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
