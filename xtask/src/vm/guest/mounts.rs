//! A guest's file systems.

use std::{fs, os::unix::fs::PermissionsExt as _};

use anyhow::Context;
use rustix::{
    fs::CWD,
    io::Errno,
    mount::{MountFlags, mount, mount_bind, mount_move},
    process::{chdir, chroot},
};

use crate::exit::Result;

/// Type, place and options.
const FILE_SYSTEMS: [(&str, &str, &str); 12] = [
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("devtmpfs", "/dev", ""),
    ("devpts", "/dev/pts", "mode=620,ptmxmode=666"),
    ("tmpfs", "/dev/shm", "mode=1777"),
    ("tmpfs", "/tmp", "mode=1777"),
    ("tmpfs", "/run", "mode=755"),
    ("securityfs", "/sys/kernel/security", ""),
    ("tracefs", "/sys/kernel/tracing", ""),
    ("debugfs", "/sys/kernel/debug", ""),
    ("bpf", "/sys/fs/bpf", ""),
    ("cgroup2", "/sys/fs/cgroup", ""),
];

/// Mounts them all.
pub fn make() -> Result {
    leave_first_root().context("the root")?;
    for (kind, place, options) in FILE_SYSTEMS {
        // Those of the kernel's own have a place already.
        let _ = fs::create_dir_all(place);
        // A checkout may lie in /tmp, and its programs with it.
        if kind == "tmpfs" && fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_some()) {
            continue;
        }
        let options = std::ffi::CString::new(options)?;
        match mount(kind, place, kind, MountFlags::empty(), options.as_c_str()) {
            Err(Errno::NODEV) => eprintln!("guest: this kernel has no {kind}"),
            done => done.with_context(|| format!("{kind} on {place}"))?,
        }
    }
    for (link, to) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        let _ = std::os::unix::fs::symlink(to, format!("/dev/{link}"));
    }
    Ok(())
}

/// The very first root cannot be exchanged for another; on a real machine it
/// lies hidden below the root that is used. So it is here: the same files,
/// mounted once more above.
pub fn leave_first_root() -> Result {
    fs::create_dir_all("/root-above")?;
    mount_bind("/", "/root-above")?;
    chdir("/root-above")?;
    mount_move(".", "/")?;
    chroot(".")?;
    chdir("/")?;
    fs::set_permissions("/", fs::Permissions::from_mode(0o755))?;
    let _ = rustix::fs::unlinkat(CWD, "/root-above", rustix::fs::AtFlags::REMOVEDIR);
    Ok(())
}
