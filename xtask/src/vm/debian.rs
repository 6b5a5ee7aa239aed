//! A whole Debian as a guest: systemd as its first process, with logind, sshd,
//! sudo, cron and at, where sessions are made as on a server.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use rustix::process::geteuid;

use super::{
    base, initramfs,
    job::{AGENT, Job},
    kernel::cache,
    mirror,
    tree::Tree,
};
use crate::{
    build::SENSOR,
    checkout,
    exit::{self, Result, failure},
    setup::debian_tool,
    step,
};

/// The release.
const SUITE: &str = "trixie";
/// Packages beside what every Debian has. Whoever changes them changes
/// [`KEPT`] too.
const PACKAGES: &str = "systemd-sysv,dbus,openssh-server,sudo,opendoas,polkitd,pkexec,cron,at,libpam-systemd,\
                        procps,iproute2,tmux,screen";
/// What the cache calls the system that these packages make.
const KEPT: &str = "trixie-2";
/// Files that no test reads.
const LEFT_OUT: [&str; 4] =
    ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"];

/// Starts the agent when the system is up.
const UNIT: &str = "\
[Unit]
Description=The job of this guest
After=multi-user.target

[Service]
ExecStart=AGENT
StandardOutput=journal+console
StandardError=journal+console
";

/// What would fail without devices and modules, and hold the start up.
const MASKED: [&str; 3] = ["serial-getty@.service", "getty@.service", "systemd-modules-load.service"];

/// Writes the whole system, with this tree above it, as one archive.
pub fn write(above: &Tree, to: &Path) -> Result {
    let mut archive = File::create(to).with_context(|| to.display().to_string())?;
    let system = system()?;
    let mut below = File::open(&system).with_context(|| system.display().to_string())?;
    io::copy(&mut below, &mut archive).with_context(|| to.display().to_string())?;
    initramfs::append(above, archive)
}

/// What lies above the system: the agent with its job, and the sensor as its
/// package installs it.
pub fn above(job: &Job, sensor: Option<&Path>) -> Result<Tree> {
    let mut tree = Tree::default();
    tree.directory("/root", 0o700);
    base::agent(&mut tree, job)?;
    tree.bytes("/etc/hostname", "guest\n", 0o644);
    tree.bytes("/etc/hosts", "127.0.0.1 localhost guest\n::1 localhost\n", 0o644);
    let units = Path::new("/etc/systemd/system");
    tree.bytes(units.join("activity-guest.service"), UNIT.replace("AGENT", AGENT), 0o644);
    tree.link(units.join("multi-user.target.wants/activity-guest.service"), "../activity-guest.service");
    for unit in MASKED {
        tree.link(units.join(unit), "/dev/null");
    }
    if let Some(sensor) = sensor {
        tree.file(installed(), sensor)?;
        let unit = checkout::root().join("packaging/sensor/activity-sensor.service");
        tree.file(units.join("activity-sensor.service"), &unit)?;
    }
    Ok(tree)
}

/// Where the package has the sensor.
pub fn installed() -> PathBuf {
    Path::new("/usr/bin").join(SENSOR)
}

/// The system from the cache, else made of Debian's packages.
fn system() -> Result<PathBuf> {
    let kept = cache("rootfs")?.join(format!("{KEPT}.cpio"));
    if !kept.is_file() {
        make(&kept).map_err(|error| failure(exit::MISSING, format!("a Debian cannot be made: {error:#}")))?;
    }
    Ok(kept)
}

fn make(kept: &Path) -> Result {
    if !geteuid().is_root() {
        return Err(failure(exit::NOT_PERMITTED, "it takes root"));
    }
    debian_tool("mmdebstrap", "mmdebstrap")?;
    let parent = kept.parent().context("the cache has no directory for systems")?;
    fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    // On the same file system, so that what is complete can be moved.
    let work = tempfile::Builder::new().prefix(".making-").tempdir_in(parent)?;
    let sources = work.path().join("debian.sources");
    fs::write(&sources, mirror::configured()?.source(SUITE))?;
    let root = work.path().join("root");
    let mut make = Command::new("mmdebstrap");
    make.args(["--variant=minbase", &format!("--include={PACKAGES}")]);
    make.args(LEFT_OUT.map(|paths| format!("--dpkgopt=path-exclude={paths}")));
    make.arg("--aptopt=Acquire::Languages none");
    make.arg(SUITE).arg(&root).arg(&sources);
    step::run("making a Debian", "mmdebstrap", &mut make)?;
    for waste in ["var/cache/apt", "var/lib/apt/lists"] {
        let _ = fs::remove_dir_all(root.join(waste));
    }
    let complete = work.path().join("complete");
    initramfs::pack(&root, &complete)?;
    fs::rename(&complete, kept).with_context(|| kept.display().to_string())
}
