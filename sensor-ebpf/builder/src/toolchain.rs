//! Finds a compiler with the source of its `core`, and `bpf-linker`.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{BPF_LINKER_VERSION, LLVM_MAJOR, tool_dir};

/// The oldest compiler that aya's kernel side accepts.
const OLDEST_RUST: [u32; 2] = [1, 95];
/// The oldest `bpf-linker` that writes what [`LLVM_MAJOR`] reads.
const OLDEST_LINKER: [u32; 2] = [0, 10];

/// What building the kernel object takes.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The compiler, with its source and its LLVM.
    pub compiler: Compiler,
    /// `bpf-linker`.
    pub linker: PathBuf,
}

/// A compiler that has the source of its own `core` beside it.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// The `rustc` itself, never rustup's proxy.
    pub rustc: PathBuf,
    /// Its version, such as `1.96.0`.
    pub release: String,
    /// The LLVM library it uses, which `bpf-linker` loads as well.
    pub llvm: PathBuf,
}

/// What was looked for and not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// No compiler will do; each one that was looked at, with the reason.
    Compiler(Vec<String>),
    /// No `bpf-linker`.
    Linker,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiler(seen) => {
                write!(f, "no Rust compiler with the source of `core` was found")?;
                if !seen.is_empty() {
                    write!(f, " ({})", seen.join("; "))?;
                }
                Ok(())
            }
            Self::Linker => write!(f, "bpf-linker was not found"),
        }
    }
}

impl std::error::Error for Missing {}

impl Toolchain {
    /// Finds what is needed, or says what is missing first.
    pub fn find() -> Result<Self, Missing> {
        let compiler = Compiler::find()?;
        let linker = find_linker().ok_or(Missing::Linker)?;
        Ok(Self { compiler, linker })
    }
}

impl Compiler {
    /// The first that will do of: the toolchain in use, rustup's others, the
    /// distribution's.
    pub fn find() -> Result<Self, Missing> {
        let mut seen = Vec::new();
        for sysroot in sysroots() {
            match Self::at(&sysroot) {
                Ok(compiler) => return Ok(compiler),
                Err(reason) => seen.push(format!("{} {reason}", sysroot.display())),
            }
        }
        Err(Missing::Compiler(seen))
    }

    fn at(sysroot: &Path) -> Result<Self, String> {
        if !sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").is_file() {
            return Err("has no source of `core`".into());
        }
        let rustc = sysroot.join("bin/rustc");
        let said = output(Command::new(&rustc).arg("-vV")).ok_or("has no working rustc")?;
        let release = value(&said, "release: ").ok_or("has an unknown version")?;
        if version(release).is_none_or(|version| version < OLDEST_RUST) {
            return Err(format!("is {release}, older than {}.{}", OLDEST_RUST[0], OLDEST_RUST[1]));
        }
        let used = value(&said, "LLVM version: ").unwrap_or("unknown");
        if version(used).is_none_or(|version| version[0] != LLVM_MAJOR) {
            return Err(format!("uses LLVM {used}, not {LLVM_MAJOR}"));
        }
        let host = value(&said, "host: ").unwrap_or_default();
        let llvm = llvm_library(sysroot, host).ok_or(format!("lacks its library libLLVM {LLVM_MAJOR}"))?;
        Ok(Self { rustc, release: release.to_owned(), llvm })
    }
}

/// `bpf-linker` as setup installed it, else one on the search path.
pub fn find_linker() -> Option<PathBuf> {
    let ours = tool_dir("bpf-linker", BPF_LINKER_VERSION).map(|dir| dir.join("bin/bpf-linker"));
    if let Some(ours) = ours.filter(|path| path.is_file()) {
        return Some(ours);
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join("bpf-linker")).find(|linker| {
        linker.is_file()
            && output(Command::new(linker).arg("--version"))
                .and_then(|said| version(said.rsplit(' ').next()?))
                .is_some_and(|version| version >= OLDEST_LINKER)
    })
}

/// Where compilers are installed, the one in use first.
fn sysroots() -> Vec<PathBuf> {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".rustup"));
    let rustup = env::var_os("RUSTUP_HOME").map(PathBuf::from).or_else(home);
    let mut found = Vec::new();
    if let Some(toolchains) = rustup.map(|rustup| rustup.join("toolchains")) {
        found.extend(env::var_os("RUSTUP_TOOLCHAIN").map(|name| toolchains.join(name)));
        let mut others: Vec<_> =
            fs::read_dir(toolchains).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        others.sort();
        found.extend(others);
    }
    found.push("/usr".into());
    // A toolchain can be linked under a second name.
    let mut known = Vec::new();
    found.retain(|path| {
        let real = fs::canonicalize(path);
        real.is_ok_and(|real| {
            real.join("bin/rustc").exists() && !known.contains(&real) && {
                known.push(real);
                true
            }
        })
    });
    found
}

/// The library lies beside the compiler in rustup's toolchains and in the
/// directory for the architecture's libraries in a distribution.
fn llvm_library(sysroot: &Path, host: &str) -> Option<PathBuf> {
    let architecture = host.split('-').next().unwrap_or_default();
    let directories = ["lib".into(), format!("lib/{architecture}-linux-gnu"), "lib64".into()];
    directories.iter().find_map(|dir| {
        fs::read_dir(sysroot.join(dir)).ok()?.flatten().map(|entry| entry.path()).find(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("libLLVM") && name.contains(&format!(".so.{LLVM_MAJOR}."))
        })
    })
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

fn value<'a>(said: &'a str, key: &str) -> Option<&'a str> {
    said.lines().find_map(|line| line.strip_prefix(key))
}

/// Major and minor number of `1.96.0-nightly` and the like.
fn version(text: &str) -> Option<[u32; 2]> {
    let mut numbers = text.trim().split(['.', '-']).map(str::parse);
    Some([numbers.next()?.ok()?, numbers.next()?.ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(version("1.97.0-nightly"), Some([1, 97]));
        assert!(version("0.10.3\n") > version("0.9.13"));
        assert_eq!(version("unknown"), None);
    }

    #[test]
    fn a_compiler_without_source_is_named_with_the_reason() {
        let missing = Missing::Compiler(vec![format!(
            "/opt/rust {}",
            Compiler::at(Path::new("/nowhere")).unwrap_err()
        )]);
        assert!(missing.to_string().ends_with("(/opt/rust has no source of `core`)"), "{missing}");
    }
}
