//! Debian's kernels for virtual machines, fetched once and kept.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::ValueEnum;
use sensor_ebpf_builder::cache_dir;

use super::{mirror::Suite, modules, plan::Plan};
use crate::exit::{self, Result, failure};

/// The kernels that are tried, each the one of a release of Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kernel {
    /// Of bullseye: the oldest that is promised.
    #[value(name = "5.10")]
    V5_10,
    /// Of bookworm.
    #[value(name = "6.1")]
    V6_1,
    /// Of trixie.
    #[value(name = "6.12")]
    V6_12,
    /// Of sid, as it was when it was fetched.
    Newest,
}

impl Kernel {
    /// All of them, oldest first.
    pub const ALL: [Self; 4] = [Self::V5_10, Self::V6_1, Self::V6_12, Self::Newest];

    /// The plans it is tried with unless others are asked for. Without tracepoints
    /// beside them, the trampolines of 5.10 do not tell of everything.
    pub fn plans(self) -> &'static [Plan] {
        match self {
            Self::V5_10 => &[Plan::Auto, Plan::Tracepoint],
            _ => &[Plan::Trampoline, Plan::Tracepoint],
        }
    }

    fn suite(self) -> &'static str {
        match self {
            Self::V5_10 => "bullseye",
            Self::V6_1 => "bookworm",
            Self::V6_12 => "trixie",
            Self::Newest => "sid",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V5_10 => "5.10",
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::Newest => "newest",
        })
    }
}

/// A kernel that is here.
pub struct Fetched {
    /// What qemu boots.
    pub image: PathBuf,
    /// The directory with its modules.
    pub modules: PathBuf,
    /// What it calls itself, such as `6.1.0-44-cloud-amd64`.
    pub release: String,
}

/// A directory of the cache for guests and what they are made of.
pub fn cache(name: &str) -> Result<PathBuf> {
    let cache = cache_dir().context("set HOME or ACTIVITY_SENSOR_CACHE: kernels have no place to go")?;
    Ok(cache.join(name))
}

/// Ends the names of directories with a kernel; another one when something else is
/// kept in them.
const LAYOUT: &str = "-2";

/// The kernel from the cache, else from Debian's archive.
pub fn fetch(kernel: Kernel) -> Result<Fetched> {
    let kept = cache("kernels")?.join(format!("{}{LAYOUT}", kernel.suite()));
    if let Some(fetched) = find(&kept) {
        return Ok(fetched);
    }
    download(kernel.suite(), &kept)
        .map_err(|error| failure(exit::MISSING, format!("kernel {kernel} cannot be fetched: {error:#}")))?;
    find(&kept).with_context(|| format!("kernel {kernel} is not in {}", kept.display()))
}

const MODULES: &str = "modules";

fn find(kept: &Path) -> Option<Fetched> {
    let release = fs::read_to_string(kept.join("release")).ok()?.trim().to_owned();
    let image = kept.join("vmlinuz");
    image.is_file().then(|| Fetched { image, modules: kept.join(MODULES), release })
}

fn download(suite: &'static str, kept: &Path) -> Result {
    let parent = kept.parent().context("the cache has no directory for kernels")?;
    fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    // On the same file system, so that what is complete can be moved.
    let work = tempfile::Builder::new().prefix(".fetching-").tempdir_in(parent)?;
    let archive = Suite::open(suite, &work.path().join("apt"))?;
    let package = newest(&archive)?;
    let unpacked = work.path().join("unpacked");
    archive.unpack(&package, &unpacked)?;
    let (image, release) = image(&unpacked).with_context(|| format!("{package} has no kernel in it"))?;
    let complete = work.path().join("complete");
    fs::create_dir(&complete)?;
    fs::rename(image, complete.join("vmlinuz"))?;
    let apart = package.replace("linux-binary-", "linux-modules-");
    if apart != package && archive.packages(&apart)?.contains(&apart) {
        archive.unpack(&apart, &unpacked)?;
    }
    modules::keep(&unpacked, &complete.join(MODULES))?;
    fs::write(complete.join("release"), format!("{release}\n"))?;
    // Another run may have been quicker.
    let _ = fs::remove_dir_all(kept);
    fs::rename(&complete, kept).with_context(|| kept.display().to_string())
}

/// The package of the newest kernel: since 7.x the kernel itself is in
/// `linux-binary-…`, and `linux-image-…` only depends on it.
fn newest(suite: &Suite) -> Result<String> {
    for prefix in ["linux-binary-", "linux-image-"] {
        let packages = suite.packages(prefix)?;
        let kernels = packages.into_iter().filter_map(|name| Some((version(&name, prefix)?, name)));
        if let Some((_, name)) = kernels.max() {
            return Ok(name);
        }
    }
    bail!("this suite has no kernel for virtual machines")
}

/// The numbers in `linux-image-6.1.0-44-cloud-amd64`; `None` for anything else,
/// such as kernels that are not signed or come with debugging symbols.
fn version(package: &str, prefix: &str) -> Option<Vec<u32>> {
    let version = package.strip_prefix(prefix)?.strip_suffix("-cloud-amd64")?;
    let plain = version.starts_with(|c: char| c.is_ascii_digit());
    let numbers = version.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
    plain.then(|| numbers.collect())
}

/// `boot/vmlinuz-RELEASE`, or `usr/lib/modules/RELEASE/vmlinuz`.
fn image(unpacked: &Path) -> Option<(PathBuf, String)> {
    let names = |dir: PathBuf| {
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        entries.filter_map(move |entry| Some((dir.clone(), entry.file_name().into_string().ok()?)))
    };
    let booted = names(unpacked.join("boot")).find_map(|(dir, name)| {
        let release = name.strip_prefix("vmlinuz-")?.to_owned();
        Some((dir.join(&name), release))
    });
    let beside_modules = || {
        names(unpacked.join("usr/lib/modules"))
            .map(|(dir, release)| (dir.join(&release).join("vmlinuz"), release))
            .find(|(image, _)| image.is_file())
    };
    booted.or_else(beside_modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_kernels_for_virtual_machines_count_and_the_highest_is_newest() {
        let of = |name| version(name, "linux-image-");
        assert_eq!(of("linux-image-6.1.0-44-cloud-amd64-unsigned"), None);
        assert_eq!(of("linux-image-6.1.0-44-amd64"), None);
        assert_eq!(of("linux-image-cloud-amd64"), None);
        assert!(of("linux-image-6.12.100+deb13-cloud-amd64") > of("linux-image-6.12.9+deb13-cloud-amd64"));
    }

    #[test]
    fn both_places_of_a_kernel_are_known() {
        let dir = tempfile::tempdir().unwrap();
        assert!(image(dir.path()).is_none());
        let modules = dir.path().join("usr/lib/modules/7.2.1-cloud-amd64");
        fs::create_dir_all(&modules).unwrap();
        fs::write(modules.join("vmlinuz"), "").unwrap();
        assert_eq!(image(dir.path()).unwrap().1, "7.2.1-cloud-amd64");
        fs::create_dir_all(dir.path().join("boot")).unwrap();
        fs::write(dir.path().join("boot/vmlinuz-6.1.0-44-cloud-amd64"), "").unwrap();
        assert_eq!(image(dir.path()).unwrap().1, "6.1.0-44-cloud-amd64");
    }
}
