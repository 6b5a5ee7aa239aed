//! Builds the objects that run in the kernel.
//!
//! The kernel programs are Rust, compiled for `bpfel-unknown-none` together
//! with `core`. That takes a compiler that has the source of its own `core`
//! beside it and `bpf-linker`: [`Toolchain::find`] looks for both and
//! [`build`] runs them. Build scripts [`embed`] the result and
//! `cargo xtask setup` installs what is missing, so both agree on what is
//! looked for and where.
//!
//! Everything made here lies in [`cache_dir`], outside `target/`: a clean
//! build, and a second checkout, compile `core` no second time.

mod compile;
mod embed;
mod strip;
mod toolchain;

use std::{
    env,
    ffi::{OsStr, OsString},
    path::PathBuf,
    process::Command,
};

pub use compile::{BuildError, Built, build};
pub use embed::{SOURCES, embed};
pub use toolchain::{Compiler, Missing, Toolchain, find_linker};

/// The objects of `sensor-ebpf`: the sensor's, the tests' control and the
/// benchmark's floors.
pub const OBJECTS: [&str; 3] = ["sensor-ebpf", "control", "floor"];

/// The version of `bpf-linker` that setup installs.
///
/// Its default features use the LLVM library that comes with a Rust compiler,
/// so that library has to be of [`LLVM_MAJOR`].
pub const BPF_LINKER_VERSION: &str = "0.10.3";

/// The LLVM that `bpf-linker` speaks to and the compiler therefore must use.
pub const LLVM_MAJOR: u32 = 22;

/// Where tools and intermediate files are kept: `$ACTIVITY_SENSOR_CACHE`, else
/// `activity-sensor` below the user's cache directory. `None` without a home.
pub fn cache_dir() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // Made absolute because the tools run in other directories.
    let absolute = |path: PathBuf| std::path::absolute(path).ok();
    set("ACTIVITY_SENSOR_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("activity-sensor")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/activity-sensor")))
        .and_then(absolute)
}

/// Where setup installs a tool of that version with `cargo install --root`.
pub fn tool_dir(name: &str, version: &str) -> Option<PathBuf> {
    Some(cache_dir()?.join("tools").join(format!("{name}-{version}")))
}

/// A command with the settings of the build around it taken out of its
/// environment: flags, wrappers, profiles and target directories that were
/// meant for another build. What says where and how to download stays.
pub fn clean_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os().filter(|(name, _)| of_outer_build(name)) {
        command.env_remove(name);
    }
    command
}

fn of_outer_build(name: &OsString) -> bool {
    const KEPT: [&str; 5] = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_"];
    const REMOVED: [&str; 11] = [
        "TARGET",
        "HOST",
        "OPT_LEVEL",
        "PROFILE",
        "DEBUG",
        "NUM_JOBS",
        "OUT_DIR",
        "MAKEFLAGS",
        "RUSTFLAGS",
        "LIBRARY_PATH",
        "__CARGO_DEFAULT_LIB_METADATA",
    ];
    let Some(name) = name.to_str() else { return false };
    let cargo = name.starts_with("CARGO_") && !KEPT.iter().any(|kept| name.starts_with(kept));
    cargo || name.starts_with("RUSTC") || name.starts_with("RUSTDOC") || REMOVED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_build_sees_nothing_of_the_build_around_it() {
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "CARGO_TARGET_DIR", "OUT_DIR"] {
            assert!(of_outer_build(&name.into()), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_HTTP_PROXY", "CARGO_REGISTRIES_X_INDEX", "RUSTUP_HOME", "PATH"] {
            assert!(!of_outer_build(&name.into()), "{name}");
        }
    }
}
