//! Files opened where their path means something else.

use std::{
    fs::{self, File},
    os::unix::{fs::MetadataExt as _, fs::symlink},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rustix::{
    fs::{Mode, OFlags, openat},
    mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change},
    process::chroot,
    thread::{UnshareFlags, unshare_unsafe},
};
use serde_json::json;

use crate::{Act, Scene, tell};

pub const ACTS: &[(&str, Act)] = &[
    ("directory-swap", directory_swap),
    ("bind-mount", bind_mount),
    ("chroot", by_chroot),
    ("mount-namespace", mount_namespace),
    ("user-namespace", user_namespace),
];

/// Mounts of this process's own.
pub fn own_mounts() {
    unshare(UnshareFlags::NEWNS);
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).unwrap();
}

fn unshare(what: UnshareFlags) {
    // SAFETY: there is one thread, and it counts on nothing that is left.
    unsafe { unshare_unsafe(what) }.unwrap_or_else(|error| tell::cannot(format_args!("unshare: {error}")));
}

/// Relative to a directory's descriptor, through a symbolic link that another
/// thread turns round all the time, and through `..`.
fn directory_swap(scene: &Scene) {
    let names = ["one", "other"];
    let files = names.map(|name| {
        fs::create_dir(scene.path(name)).unwrap();
        let file = scene.path(name).join("file");
        fs::write(&file, name).unwrap();
        file
    });
    symlink(names[0], scene.path("current")).unwrap();
    let directory = File::open(scene.path("one")).unwrap();
    tell::begin();
    let done = AtomicBool::new(false);
    let mut times = [0, 0];
    let inodes = files.each_ref().map(|file| fs::metadata(file).unwrap().ino());
    thread::scope(|scope| {
        scope.spawn(|| swap_links(scene, names, &done));
        for _ in 0..500 {
            let opened = openat(&directory, "../current/file", OFlags::RDONLY, Mode::empty()).unwrap();
            let inode = File::from(opened).metadata().unwrap().ino();
            times[inodes.iter().position(|known| *known == inode).unwrap()] += 1;
        }
        done.store(true, Ordering::Relaxed);
    });
    for (file, times) in files.iter().zip(times) {
        let metadata = fs::metadata(file).unwrap();
        tell::named(file, &metadata);
        if times > 0 {
            tell::expect_times(tell::opened(file, &metadata), times);
        }
    }
    // What the listener sees is `../current/file`, each time.
    tell::truth(&format!("{times:?} opens of two files"));
}

fn swap_links(scene: &Scene, names: [&str; 2], done: &AtomicBool) {
    let next = scene.path("next");
    for name in names.iter().cycle() {
        if done.load(Ordering::Relaxed) {
            return;
        }
        symlink(name, &next).unwrap();
        fs::rename(&next, scene.path("current")).unwrap();
    }
}

/// The file's directory is mounted over another one.
fn bind_mount(scene: &Scene) {
    let file = scene.file("secret");
    let metadata = fs::metadata(&file).unwrap();
    own_mounts();
    let alias = scene.path("alias");
    fs::create_dir(&alias).unwrap();
    mount_bind(&scene.directory, &alias).unwrap();
    drop(File::open(alias.join("secret")).unwrap());
    tell::expect(tell::opened_object(&metadata));
    tell::named(&file, &metadata);
    tell::truth(&tell::text(&file));
}

/// Another directory is the root.
fn by_chroot(scene: &Scene) {
    let file = scene.file("secret");
    chroot(&scene.directory).unwrap();
    let opened = File::open("/secret").unwrap();
    let metadata = opened.metadata().unwrap();
    tell::expect(tell::opened(&file, &metadata));
    tell::named(&file, &metadata);
    tell::truth(&tell::text(&file));
}

/// A file system that nobody else has mounted, over a directory with a file of
/// the same name.
fn mount_namespace(scene: &Scene) {
    let decoy = fs::metadata(scene.file("file")).unwrap();
    own_mounts();
    mount("tmpfs", &scene.directory, "tmpfs", MountFlags::empty(), None).unwrap();
    let hidden = scene.file("file");
    let opened = File::open(&hidden).unwrap();
    let mut event = tell::opened_object(&opened.metadata().unwrap());
    // What tells it from the host's file of that name.
    event["place"] = json!({ "mountNamespace": namespace("mnt") });
    event["open"]["access"] = json!(["read"]);
    tell::expect(event);
    tell::never(&tell::opened_object(&decoy));
    tell::truth(&format!("{} of {}", tell::text(&hidden), namespace("mnt")));
}

/// Somebody without rights is root in a user namespace of theirs.
fn user_namespace(scene: &Scene) {
    const NOBODY: u32 = 65_534;
    let file = scene.file("secret");
    std::os::unix::fs::chown(&file, Some(NOBODY), Some(NOBODY)).unwrap();
    crate::login::become_user(NOBODY);
    // The directory of /proc is root's after that, and then we could not write there.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable).unwrap();
    unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS);
    fs::write("/proc/self/setgroups", "deny").unwrap();
    fs::write("/proc/self/uid_map", format!("0 {NOBODY} 1")).unwrap();
    assert!(rustix::process::getuid().is_root());
    let opened = File::open(&file).unwrap();
    let mut event = tell::opened(&file, &opened.metadata().unwrap());
    // Not the 0 that the process has for itself.
    event["credentials"] = json!({ "uid": NOBODY, "euid": NOBODY });
    tell::expect(event);
    tell::truth(&format!("{} by {NOBODY}", tell::text(&file)));
}

fn namespace(name: &str) -> u64 {
    fs::metadata(Path::new("/proc/self/ns").join(name)).unwrap().ino()
}
