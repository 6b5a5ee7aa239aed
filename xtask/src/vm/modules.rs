//! Modules of a guest's kernel that tests need and Debian does not build in.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use super::tree::Tree;
use crate::exit::Result;

/// Where they lie in a guest.
pub const PLACE: &str = "/guest/modules";

/// Each after those that it needs.
const NAMES: [&str; 4] = ["binfmt_misc", "vsock", "vmw_vsock_virtio_transport_common", "vsock_loopback"];

/// Takes them from an unpacked package to a directory, under names in the order
/// in which they are loaded. What a kernel has built in, it has no file of.
pub fn keep(unpacked: &Path, to: &Path) -> Result {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    let mut found = Vec::new();
    for place in ["lib/modules", "usr/lib/modules"] {
        files(&unpacked.join(place), &mut found);
    }
    for (number, name) in NAMES.iter().enumerate() {
        if let Some(file) = found.iter().find(|file| is_module(file, name)) {
            let kept = to.join(format!("{number}-{name}.ko"));
            fs::write(&kept, plain(file)?).with_context(|| kept.display().to_string())?;
        }
    }
    Ok(())
}

/// Adds what was kept to a guest's files.
pub fn add(kept: &Path, tree: &mut Tree) -> Result {
    let entries = fs::read_dir(kept).with_context(|| kept.display().to_string())?;
    for file in entries.flatten().map(|entry| entry.path()) {
        let name = file.file_name().context("a module has a name")?;
        tree.file(Path::new(PLACE).join(name), &file)?;
    }
    Ok(())
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), found),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

/// `NAME.ko`, perhaps compressed.
fn is_module(file: &Path, name: &str) -> bool {
    let file = file.file_name().and_then(|name| name.to_str());
    file.and_then(|file| file.strip_prefix(name)).is_some_and(|rest| matches!(rest, ".ko" | ".ko.xz"))
}

fn plain(file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_some_and(|kind| kind == "ko") {
        return fs::read(file).with_context(|| file.display().to_string());
    }
    let output = Command::new("xz").arg("-dc").arg(file).stderr(Stdio::inherit()).output().context("xz")?;
    if !output.status.success() {
        bail!("{} cannot be unpacked ({})", file.display(), output.status);
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_kept_in_the_order_of_their_needs_wherever_they_lie() {
        let dir = tempfile::tempdir().unwrap();
        let kernel = dir.path().join("usr/lib/modules/7.2.1/kernel");
        for path in ["net/vmw_vsock/vsock.ko", "net/vmw_vsock/vsock_loopback.ko", "fs/binfmt_misc.ko"] {
            fs::create_dir_all(kernel.join(path).parent().unwrap()).unwrap();
            fs::write(kernel.join(path), path).unwrap();
        }
        let kept = dir.path().join("kept");
        keep(dir.path(), &kept).unwrap();
        let mut names: Vec<_> = fs::read_dir(&kept)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["0-binfmt_misc.ko", "1-vsock.ko", "3-vsock_loopback.ko"]);
        assert_eq!(fs::read(kept.join("1-vsock.ko")).unwrap(), b"net/vmw_vsock/vsock.ko");
    }
}
