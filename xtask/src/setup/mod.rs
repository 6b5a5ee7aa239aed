//! `cargo xtask setup`: finds or installs what building needs.

mod debian;
mod python;

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    thread::{self, ScopedJoinHandle},
};

use anyhow::{Context, bail};
use sensor_ebpf_builder::{BPF_LINKER_VERSION, Compiler, Toolchain, clean_command, find_linker, tool_dir};

use crate::{
    exit::{self, Result, failure},
    step,
};

pub use python::{client as python_client, ocsf as python_ocsf, readers as python_readers, s3 as python_s3};

/// Debian's compiler with the source of its `core`.
const COMPILER_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
/// Rustup's, one whose LLVM `bpf-linker` can use.
const RUSTUP: &str = "rustup toolchain install 1.95.0 --profile minimal --component rust-src";

/// What building uses.
pub struct Ready(Toolchain);

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Toolchain { compiler, linker } = &self.0;
        writeln!(f, "compiler with the source of `core`: {} {}", compiler.rustc.display(), compiler.release)?;
        write!(f, "bpf-linker: {}", linker.display())
    }
}

/// Installs what is missing. Where that is not possible, the error says what
/// to type.
pub fn run() -> Result<Ready> {
    if let Err(missing) = Compiler::find() {
        eprintln!("setup: {missing}");
        debian::prepare(&COMPILER_PACKAGES).map_err(|refused| by_hand(&refused))?;
        thread::scope(|scope| {
            // bpf-linker needs no such compiler, only a C linker, which comes
            // with the packages where it is missing: otherwise both at once.
            let beside = on_path("cc").map(|_| scope.spawn(linker));
            debian::install(&COMPILER_PACKAGES).map_err(|failed| by_hand(&failed))?;
            match beside.map(ScopedJoinHandle::join) {
                Some(Ok(installed)) => installed.map(drop),
                Some(Err(_)) => bail!("installing bpf-linker was cut short"),
                None => Ok(()),
            }
        })?;
    }
    let compiler = Compiler::find().map_err(|missing| by_hand(&missing.into()))?;
    Ok(Ready(Toolchain { compiler, linker: linker()? }))
}

fn linker() -> Result<PathBuf> {
    find_linker().map_or_else(|| cargo_tool("bpf-linker", BPF_LINKER_VERSION), Ok)
}

fn by_hand(reason: &anyhow::Error) -> anyhow::Error {
    let ways = [Some(RUSTUP.to_owned()), debian::advice(&COMPILER_PACKAGES)];
    let ways: Vec<_> = ways.into_iter().flatten().collect();
    let type_ = if ways.len() == 1 { "type" } else { "type one of" };
    let ways = ways.join("\n  ");
    failure(exit::MISSING, format!("setup: {reason:#}; {type_}\n  {ways}\nand then this again"))
}

/// A tool written in Rust, of exactly that version: from the cache, else
/// installed there.
pub fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    if let Some(program) = installed_tool(name, version) {
        return Ok(program);
    }
    let dir =
        tool_dir(name, version).context("set HOME or ACTIVITY_SENSOR_CACHE: tools have no place to go")?;
    fs::create_dir_all(&dir)
        .with_context(|| format!("set ACTIVITY_SENSOR_CACHE to a directory of yours: {}", dir.display()))?;
    let mut install = clean_command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    install.args(["install", name, "--version", version, "--locked", "--root"]).arg(&dir);
    // The bar shows how far it is; without a terminal the lines do.
    install.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "70");
    step::run(&format!("installing {name} {version}"), name, &mut install)
        .map_err(|error| failure(exit::MISSING, format!("{error:#}")))?;
    Ok(dir.join("bin").join(name))
}

/// That tool, if the cache has it.
pub fn installed_tool(name: &str, version: &str) -> Option<PathBuf> {
    tool_dir(name, version).map(|dir| dir.join("bin").join(name)).filter(|program| program.is_file())
}

/// A program that comes with a package of Debian's.
pub fn debian_tool(program: &str, package: &str) -> Result {
    if is_there(program) {
        return Ok(());
    }
    debian::prepare(&[package])
        .and_then(|()| debian::install(&[package]))
        .map_err(|error| failure(exit::MISSING, format!("{program} is missing: {error:#}")))
}

/// What the tests of logins play with: programs and the packages they come with.
const LOGIN_PROGRAMS: [(&str, &str); 8] = [
    ("cron", "cron"),
    ("doas", "opendoas"),
    ("rsyslogd", "rsyslog"),
    ("screen", "screen"),
    ("ssh", "openssh-client"),
    ("sshd", "openssh-server"),
    ("sudo", "sudo"),
    ("tmux", "tmux"),
];

/// What the tests of exports send to.
const EXPORT_SERVERS: [(&str, &str); 3] = [
    ("rsyslogd", "rsyslog"),
    // TLS for it, which is no program.
    ("/usr/share/doc/rsyslog-openssl", "rsyslog-openssl"),
    ("nats-server", "nats-server"),
];

/// What judges the sensor's metrics.
const METRICS_JUDGES: [(&str, &str); 1] = [("promtool", "prometheus")];

/// Installs what is missing of what the tests of logins play with.
pub fn login_programs() -> Result {
    daemons(&LOGIN_PROGRAMS)
}

/// Installs what is missing of what the tests of exports need.
pub fn export_servers() -> Result {
    daemons(&EXPORT_SERVERS)
}

/// Installs what is missing of what the tests of metrics need.
pub fn metrics_judges() -> Result {
    daemons(&METRICS_JUDGES)
}

/// Installs what is missing for Spark, which reads what the collector stored.
pub fn java() -> Result {
    debian_tool("java", "default-jre-headless")
}

/// The tests start their own daemons; where systemd would start the packages' as
/// well, installing them is left to whoever wants that.
fn daemons(programs: &[(&str, &str)]) -> Result {
    let missing = programs.iter().filter(|(program, _)| !is_there(program));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if !packages.is_empty() && Path::new("/run/systemd/system").exists() {
        bail!("not installed, since their services would be started: {}", packages.join(" "));
    }
    programs.iter().try_for_each(|(program, package)| debian_tool(program, package))
}

/// Whether a program, or the file at a path, is there.
fn is_there(program: &str) -> bool {
    Path::new(program).is_absolute() && Path::new(program).exists() || on_path(program).is_some()
}

/// The first program of that name on the search path.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(name)).find(|program| Path::is_file(program))
}
