//! Programs that come from Debian's packages.

use std::{
    env,
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Output, run};

use super::{FlockOperation, flock};

/// What a stage is made of, and the package it comes from. `cargo xtask test`
/// installs the same.
const NEEDED: [(&str, &str); 12] = [
    ("bash", "bash"),
    ("cron", "cron"),
    ("crontab", "cron"),
    ("sftp", "openssh-client"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("sshd", "openssh-server"),
    ("su", "util-linux"),
    ("sudo", "sudo"),
    ("tmux", "tmux"),
    ("unshare", "util-linux"),
    ("useradd", "passwd"),
];

/// Why there can be no stage here, if so.
pub fn missing() -> Option<String> {
    NEEDED.iter().find_map(|(program, package)| absent(program, package))
}

/// That a program of a package is not here, if so.
#[must_use]
pub fn absent(program: &str, package: &str) -> Option<String> {
    find(program).is_none().then(|| format!("needs {program}, which is in the package {package}"))
}

/// Whether systemd is the first process of this machine.
#[must_use]
pub fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// The first program of that name, also among those for administrators, which
/// not every root's search path has.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    dirs.map(|dir| dir.join(name)).find(|program| program.is_file())
}

/// A command by the whole path of its program, which `sshd` insists on.
pub fn command(name: &str) -> Command {
    Command::new(find(name).expect("a stage is made only where its programs are"))
}

/// Runs a program that has to succeed.
pub fn must(command: &mut Command) -> Output {
    let output = run(command);
    assert_eq!(output.code, Some(0), "{command:?}: {output:?}");
    output
}

/// Waits for a lock file, and has it until the file is dropped.
pub fn lock(path: &Path) -> File {
    let file = OpenOptions::new().create(true).append(true).open(path).expect("a lock file can be made");
    flock(&file, FlockOperation::LockExclusive).expect("the lock file can be locked");
    file
}
