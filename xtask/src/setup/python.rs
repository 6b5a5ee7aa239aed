//! What of Python's the tests need: each its own virtual environment in the cache.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use sensor_ebpf_builder::cache_dir;

use crate::{
    exit::Result,
    setup::{debian, on_path},
    step,
};

/// A virtual environment.
struct Environment {
    /// Of its directory; changes with the packages.
    name: &'static str,
    /// With their versions.
    packages: &'static [&'static str],
    /// What can be imported when they are there.
    modules: &'static str,
}

const CLIENT: Environment = Environment {
    name: "python-grpcio-1.76.0",
    packages: &["grpcio==1.76.0", "grpcio-reflection==1.76.0"],
    modules: "grpc, grpc_reflection",
};

const OCSF: Environment = Environment {
    name: "python-ocsf-json-schema-1.2.0",
    packages: &["ocsf-json-schema==1.2.0", "jsonschema==4.26.0"],
    modules: "jsonschema, ocsf_json_schema",
};

const READERS: Environment = Environment {
    name: "python-pyspark-4.3.0-chdb-4.4.0",
    packages: &["pyspark==4.3.0", "chdb==4.4.0"],
    modules: "pyspark, chdb",
};

const S3: Environment =
    Environment { name: "python-moto-5.2.5", packages: &["moto[server]==5.2.5"], modules: "moto.server" };

/// An interpreter that has grpcio and its reflection client: the client that is not ours.
pub fn client() -> Result<PathBuf> {
    CLIENT.interpreter()
}

/// An interpreter that has the published schemas of OCSF and a validator.
pub fn ocsf() -> Result<PathBuf> {
    OCSF.interpreter()
}

/// An interpreter that has Spark and ClickHouse, to read what the collector stored.
pub fn readers() -> Result<PathBuf> {
    READERS.interpreter()
}

/// An interpreter that has a server which speaks S3.
pub fn s3() -> Result<PathBuf> {
    S3.interpreter()
}

impl Environment {
    /// Its interpreter; made where it is not there.
    fn interpreter(&self) -> Result<PathBuf> {
        let cache = cache_dir().context("set HOME or ACTIVITY_SENSOR_CACHE")?;
        let dir = cache.join("tools").join(self.name);
        let python = dir.join("bin/python");
        if self.works(&python) {
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
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(self.packages);
        step::run(&format!("installing {} for the tests", self.modules), "python-packages", &mut install)?;
        Ok(python)
    }

    fn works(&self, python: &Path) -> bool {
        succeeds(Command::new(python).args(["-c", &format!("import {}", self.modules)]))
    }
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
