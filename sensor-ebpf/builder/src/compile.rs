//! Runs cargo for the kernel's target.

use std::{
    env,
    ffi::OsString,
    fmt,
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use crate::{Toolchain, cache_dir, clean_command, strip::strip};

const TARGET: &str = "bpfel-unknown-none";

/// A build that went well.
#[derive(Debug)]
pub struct Built {
    /// What the compiler warned of, line by line.
    pub warnings: Vec<String>,
}

/// Why there is no object.
#[derive(Debug)]
pub enum BuildError {
    /// Neither `$ACTIVITY_SENSOR_CACHE` nor `$HOME` says where to build.
    NoCache,
    /// A file or a program could not be used.
    Io(PathBuf, io::Error),
    /// The compiler refused; its messages.
    Compile(String),
    /// What the linker wrote cannot be read.
    Object(object::build::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCache => {
                write!(f, "set HOME or ACTIVITY_SENSOR_CACHE: there is no directory to build in")
            }
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Object(error) => write!(f, "the linked object: {error}"),
            Self::Compile(said) => write!(f, "the kernel programs do not compile:\n{said}"),
        }
    }
}

impl std::error::Error for BuildError {}

/// Compiles the object called `name` of `checkout` and writes it to `to`.
///
/// The object does not depend on where the checkout or the cache lies.
pub fn build(toolchain: &Toolchain, checkout: &Path, name: &str, to: &Path) -> Result<Built, BuildError> {
    build_in(&cache_dir().ok_or(BuildError::NoCache)?.join("ebpf"), toolchain, checkout, name, to)
}

/// Each checkout has a target directory of its own: cargo remembers the files of
/// `sensor-types`, which lie outside the package, by their whole paths, and would
/// take another checkout's for this one's. What is fresh is told by content,
/// since a change of branches may bring older files.
fn build_in(
    work: &Path,
    toolchain: &Toolchain,
    checkout: &Path,
    name: &str,
    to: &Path,
) -> Result<Built, BuildError> {
    let _one_at_a_time = lock(work)?;
    let llvm = expose_llvm(work, &toolchain.compiler.llvm)?;
    let target = work.join("target").join(place_of(checkout));

    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = clean_command(&cargo)
        .current_dir(checkout.join("sensor-ebpf"))
        .args(["build", "--quiet", "--release", "--target", TARGET, "--bin", name])
        .args(["-Zbuild-std=core", "-Ztrim-paths", "-Zchecksum-freshness"])
        .env("CARGO_PROFILE_RELEASE_TRIM_PATHS", "all")
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &toolchain.linker)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Clink-arg=--btf")
        .env("RUSTC", &toolchain.compiler.rustc)
        // `-Z` on a stable compiler; the kernel's target has no ready `core`.
        .env("RUSTC_BOOTSTRAP", "1")
        // Empty overrides a wrapper from the user's own configuration.
        .env("RUSTC_WRAPPER", "")
        .env("LD_LIBRARY_PATH", llvm)
        .output()
        .map_err(|error| BuildError::Io(PathBuf::from(cargo), error))?;

    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(BuildError::Compile(said.into_owned()));
    }
    let object = target.join(TARGET).join("release").join(name);
    let linked = fs::read(&object).map_err(|error| BuildError::Io(object, error))?;
    let stripped = strip(&linked).map_err(BuildError::Object)?;
    fs::write(to, stripped).map_err(|error| BuildError::Io(to.to_owned(), error))?;
    Ok(Built { warnings: said.lines().map(str::to_owned).collect() })
}

/// A name for a checkout's place.
fn place_of(checkout: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    checkout.canonicalize().unwrap_or_else(|_| checkout.to_owned()).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn lock(work: &Path) -> Result<File, BuildError> {
    let path = work.join("lock");
    fs::create_dir_all(work)
        .and_then(|()| File::create(&path))
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|error| BuildError::Io(path, error))
}

/// A search path on which `bpf-linker` meets the compiler's LLVM first: it
/// takes the first file called `libLLVM*`, and a distribution's directory may
/// hold several versions.
fn expose_llvm(work: &Path, llvm: &Path) -> Result<OsString, BuildError> {
    let dir = work.join("llvm");
    let link = dir.join("libLLVM.so");
    let fresh = || {
        if fs::read_link(&link).is_ok_and(|to| to == llvm) {
            return Ok(());
        }
        fs::create_dir_all(&dir)?;
        fs::remove_file(&link).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        symlink(llvm, &link)
    };
    fresh().map_err(|error| BuildError::Io(link.clone(), error))?;

    let mut path = dir.into_os_string();
    if let Some(inherited) = env::var_os("LD_LIBRARY_PATH").filter(|path| !path.is_empty()) {
        path.push(":");
        path.push(inherited);
    }
    Ok(path)
}

#[cfg(test)]
mod tests;
