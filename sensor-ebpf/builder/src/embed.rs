//! What a build script does that embeds an object.

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{Toolchain, build};

/// What the objects are made of, seen from the checkout.
pub const SOURCES: [&str; 4] =
    ["sensor-ebpf/src", "sensor-ebpf/Cargo.toml", "sensor-ebpf/Cargo.lock", "sensor-types/src"];

/// In the build script of a crate that lies directly below the checkout:
/// builds the object called `name` and tells the compiler its path in the
/// environment variable `variable`.
#[must_use]
pub fn embed(name: &str, variable: &str) -> ExitCode {
    match try_embed(name, variable) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={}", error.to_string().replace('\n', "\ncargo::error="));
            ExitCode::FAILURE
        }
    }
}

fn try_embed(name: &str, variable: &str) -> Result<(), Box<dyn Error>> {
    let checkout = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", checkout.join(source).display());
    }
    println!("cargo::rerun-if-env-changed=ACTIVITY_SENSOR_CACHE");

    let toolchain = Toolchain::find()
        .map_err(|missing| format!("{missing}; run `cargo xtask setup`, which installs it"))?;
    let object = PathBuf::from(env::var("OUT_DIR")?).join(name);
    for line in build(&toolchain, &checkout, name, &object)?.warnings {
        println!("cargo::warning={line}");
    }
    println!("cargo::rustc-env={variable}={}", object.display());
    Ok(())
}
