//! Where things lie, and cargo called for this checkout.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The checkout's top directory.
pub fn root() -> PathBuf {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest).parent().map_or_else(|| ".".into(), Path::to_path_buf)
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    let set = env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty());
    root().join(set.unwrap_or_else(|| "target".into()))
}

/// The program that cargo builds in that profile.
pub fn program(profile: &str, name: &str) -> PathBuf {
    target().join(profile).join(name)
}

/// The cargo that runs us, for this checkout.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments).env("CARGO_TARGET_DIR", target());
    // Cargo tells a program it runs about that program's own package; what we
    // build next is another one.
    for (name, _) in env::vars_os() {
        let own = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_MANIFEST_")
                || name == "CARGO_PRIMARY_PACKAGE"
        });
        if own {
            command.env_remove(name);
        }
    }
    command
}
