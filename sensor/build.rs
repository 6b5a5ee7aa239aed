//! Builds the kernel object and names it in `SENSOR_EBPF_OBJECT`.

use std::{env, error::Error, path::PathBuf, process::ExitCode};

use sensor_ebpf_builder::{Toolchain, build};

/// What the object is made of, seen from this crate.
const SOURCES: [&str; 6] = [
    "../sensor-ebpf/src",
    "../sensor-ebpf/Cargo.toml",
    "../sensor-ebpf/Cargo.lock",
    "../sensor-types/src",
    "../sensor-types/Cargo.toml",
    "../Cargo.toml",
];

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={}", error.to_string().replace('\n', "\ncargo::error="));
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), Box<dyn Error>> {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rerun-if-env-changed=ACTIVITY_SENSOR_CACHE");

    let toolchain = Toolchain::find()
        .map_err(|missing| format!("{missing}; run `cargo xtask setup`, which installs it"))?;
    let checkout = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    let object = PathBuf::from(env::var("OUT_DIR")?).join("sensor-ebpf");
    let built = build(&toolchain, &checkout, &object)?;
    for line in built.warnings {
        println!("cargo::warning={line}");
    }
    println!("cargo::rustc-env=SENSOR_EBPF_OBJECT={}", object.display());
    Ok(())
}
