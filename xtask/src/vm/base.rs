//! The small system that guests run: programs of this machine at their own
//! paths with their libraries, busybox for the rest, and a few files in /etc.

use std::{env, path::Path, process::Command};

use anyhow::Context;

use super::{
    job::{AGENT, JOB, Job},
    tree::Tree,
};
use crate::{exit::Result, setup::on_path};

/// Programs that tests and scripts use, taken from this machine where it has
/// them; busybox's of the same name do less.
const PROGRAMS: [&str; 73] = [
    "awk", "base64", "basename", "bash", "cat", "chmod", "chown", "chroot", "cmp", "cp", "cut", "date", "dd",
    "dirname", "echo", "env", "expr", "false", "find", "getent", "grep", "gzip", "head", "hostname", "id",
    "install", "ip", "kill", "link", "ln", "logger", "ls", "mkdir", "mkfifo", "mknod", "mktemp", "mount",
    "mv", "nc", "nice", "nohup", "nsenter", "od", "pgrep", "printf", "prlimit", "ps", "readlink", "realpath",
    "rm", "rmdir", "runuser", "script", "sed", "seq", "setpriv", "setsid", "sh", "sleep", "sort", "ss",
    "stat", "stty", "sync", "tail", "tee", "timeout", "touch", "tr", "true", "umount", "unshare", "wc",
];

/// What is found by its name alone, where this machine has it: directories that
/// may be links, and files that the C library loads.
const FOUND_BY_NAME: [&str; 4] =
    ["/bin", "/sbin", "/lib/x86_64-linux-gnu/libnss_files.so.2", "/etc/ld.so.cache"];

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
";
const GROUP: &str = "root:x:0:\ndaemon:x:1:\ntty:x:5:\nnogroup:x:65534:\n";
const SHADOW: &str = "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n";

/// The system with that job, and this program as its agent.
pub fn tree(job: &Job) -> Result<Tree> {
    let mut tree = Tree::default();
    for program in PROGRAMS {
        tree.named_program(program)?;
    }
    for path in FOUND_BY_NAME.map(Path::new) {
        if path.exists() {
            tree.host(path)?;
        }
    }
    settings(&mut tree);
    agent(&mut tree, job)?;
    busybox(&mut tree)?;
    Ok(tree)
}

/// This program and its job.
pub fn agent(tree: &mut Tree, job: &Job) -> Result {
    let this = env::current_exe().context("this program's own file")?;
    tree.file(AGENT, &this)?;
    tree.bytes(JOB, job.to_text()?, 0o644);
    Ok(())
}

fn settings(tree: &mut Tree) {
    for (directory, mode) in [
        ("/proc", 0o555),
        ("/sys", 0o555),
        ("/dev", 0o755),
        ("/run", 0o755),
        ("/tmp", 0o1777),
        ("/root", 0o700),
    ] {
        tree.directory(directory, mode);
    }
    for directory in ["/var/lib", "/var/tmp", "/mnt", "/home", "/etc/sudoers.d"] {
        tree.directory(directory, 0o755);
    }
    tree.link("/var/run", "/run");
    tree.bytes("/etc/shadow", SHADOW, 0o640);
    for (path, text) in [
        ("/etc/passwd", PASSWD),
        ("/etc/group", GROUP),
        ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n"),
        ("/etc/hosts", "127.0.0.1 localhost guest\n::1 localhost\n"),
        ("/etc/hostname", "guest\n"),
        ("/etc/shells", "/bin/sh\n/bin/bash\n"),
        ("/etc/os-release", "ID=guest\nNAME=\"a guest of cargo xtask vm\"\n"),
    ] {
        tree.bytes(path, text, 0o644);
    }
}

/// Busybox under every name that is still free.
fn busybox(tree: &mut Tree) -> Result {
    let busybox = on_path("busybox").context("busybox is not here")?;
    tree.program(&busybox)?;
    let output = Command::new(&busybox).arg("--list").output().context("busybox")?;
    let to = busybox.canonicalize()?;
    for name in String::from_utf8_lossy(&output.stdout).lines() {
        let there = |dir: &&str| tree.has(Path::new(dir).join(name));
        if !["/usr/bin", "/usr/sbin", "/bin", "/sbin"].iter().any(there) {
            tree.link(Path::new("/usr/bin").join(name), &to);
        }
    }
    Ok(())
}
