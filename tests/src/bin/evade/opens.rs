//! Files opened by other names and other calls than usual.

use std::{
    ffi::CString,
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    },
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags, mkdirat, open, openat, openat2},
    mount::{MountFlags, mount},
};
use serde_json::json;

use crate::{Act, Scene, sys, tell};

pub const ACTS: &[(&str, Act)] = &[
    ("untouched-page", untouched_page),
    ("hard-link", hard_link),
    ("o-path", o_path),
    ("by-handle", by_handle),
    ("openat2", by_openat2),
    ("creat", by_creat),
    ("int80", by_int80),
    ("truncate", by_truncate),
    ("long-path", long_path),
];

/// A path as the kernel takes it.
pub fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

/// The path lies in a page of a mapped file that this process has not touched.
fn untouched_page(scene: &Scene) {
    let file = scene.file("secret");
    let note = scene.path("note");
    fs::write(&note, c_path(&file).as_bytes_with_nul()).unwrap();
    let path = sys::untouched_page_of(&File::open(&note).unwrap());
    tell::begin();
    let here = libc::AT_FDCWD as usize;
    // SAFETY: the page holds a path that ends in NUL.
    let opened = unsafe { sys::call_fd(libc::SYS_openat, &[here, path.addr(), 0, 0]) }.unwrap();
    tell::open_of(&file, &opened.into());
}

/// The file has a second, harmless name.
fn hard_link(scene: &Scene) {
    let file = scene.file("secret");
    let link = scene.path("harmless");
    fs::hard_link(&file, &link).unwrap();
    let opened = File::open(&link).unwrap();
    let metadata = opened.metadata().unwrap();
    tell::expect(tell::opened(&link, &metadata));
    tell::named(&file, &metadata);
    // Only the object says that it is the secret.
    tell::truth(&tell::text(&file));
}

/// A handle without access first, which is then opened through /proc.
fn o_path(scene: &Scene) {
    let file = scene.file("secret");
    let handle = open(&file, OFlags::PATH, Mode::empty()).unwrap();
    let opened = File::open(format!("/proc/self/fd/{}", handle.as_raw_fd())).unwrap();
    let metadata = opened.metadata().unwrap();
    let mut event = tell::opened(&file, &metadata);
    event["open"]["access"] = json!(["read"]);
    tell::expect(event);
    tell::named(&file, &metadata);
    // The listener sees the path of the handle, which reads nothing, and then
    // the one in /proc, which says nothing.
    tell::truth(&format!("{} for reading", tell::text(&file)));
}

/// By a file handle: no path is in the call.
fn by_handle(scene: &Scene) {
    let mut file = scene.file("secret");
    let mut opened = open_by_handle(&file);
    if opened.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EOPNOTSUPP)) {
        // The test's directory lies in a file system without handles.
        crate::places::own_mounts();
        let memory = scene.path("memory");
        fs::create_dir(&memory).unwrap();
        mount("tmpfs", &memory, "tmpfs", MountFlags::empty(), None).unwrap();
        file = memory.join("secret");
        fs::write(&file, "secret").unwrap();
        opened = open_by_handle(&file);
    }
    match opened {
        Ok(opened) => tell::open_of(&file, &opened),
        Err(error) => tell::cannot(format_args!("open_by_handle_at: {error}")),
    }
}

fn open_by_handle(path: &Path) -> io::Result<File> {
    // `struct file_handle`: handle_bytes, handle_type, and room for it.
    let mut handle = [0_u32; 2 + 32];
    handle[0] = 128;
    let mut mount = 0_i32;
    let (path, directory) = (c_path(path), File::open(path.parent().unwrap())?);
    let here = libc::AT_FDCWD as usize;
    let (to, mount) = (handle.as_mut_ptr().addr(), (&raw mut mount).addr());
    // SAFETY: the path ends in NUL, and the handle has the room it says.
    unsafe { sys::call(libc::SYS_name_to_handle_at, &[here, path.as_ptr().addr(), to, mount, 0]) }?;
    tell::begin();
    let arguments = [directory.as_raw_fd() as usize, handle.as_ptr().addr(), 0];
    // SAFETY: the kernel has written the handle.
    unsafe { sys::call_fd(libc::SYS_open_by_handle_at, &arguments) }.map(File::from)
}

/// Below a directory that is the root for this one call.
fn by_openat2(scene: &Scene) {
    let file = scene.file("secret");
    let directory = File::open(&scene.directory).unwrap();
    let flags = (OFlags::RDONLY, Mode::empty(), ResolveFlags::IN_ROOT);
    match openat2(&directory, "/../secret", flags.0, flags.1, flags.2) {
        Ok(opened) => tell::open_of(&file, &opened.into()),
        Err(error) => tell::cannot(format_args!("openat2: {error}")),
    }
}

/// `creat` has a number of its own.
fn by_creat(scene: &Scene) {
    let file = scene.path("created");
    let path = c_path(&file);
    // SAFETY: the path ends in NUL.
    let created = unsafe { sys::call_fd(libc::SYS_creat, &[path.as_ptr().addr(), 0o600]) }.unwrap();
    let created = File::from(created);
    let mut event = tell::opened(&file, &created.metadata().unwrap());
    event["open"]["access"] = json!(["write", "create", "truncate"]);
    tell::expect(event);
    tell::truth(&tell::text(&file));
}

/// The kernel's 32-bit entry has other numbers.
fn by_int80(scene: &Scene) {
    let file = scene.file("secret");
    let descriptor = sys::open_by_int80(file.as_os_str().as_bytes());
    if descriptor < 0 {
        tell::cannot(format_args!("int 0x80: {}", io::Error::from_raw_os_error(-descriptor)));
    }
    // SAFETY: the call has just made it for us.
    let opened = unsafe { OwnedFd::from_raw_fd(descriptor) };
    tell::open_of(&file, &opened.into());
}

/// The content goes without the file being opened.
fn by_truncate(scene: &Scene) {
    let file = scene.file("secret");
    let (path, metadata) = (c_path(&file), fs::metadata(&file).unwrap());
    // SAFETY: the path ends in NUL.
    unsafe { sys::call(libc::SYS_truncate, &[path.as_ptr().addr(), 0]) }.unwrap();
    let mut event = tell::opened_object(&metadata);
    let by_name = json!({ "path": tell::text(&file), "access": ["truncate"] });
    event["open"]["access"] = json!(["truncate"]);
    event["open"]["path"] = tell::text(&file).into();
    // Without trampolines there are only the caller's words.
    let mut words = event.clone();
    words["open"] = by_name;
    words["open"]["pathSource"] = "user".into();
    tell::expect_one_of(vec![event, words]);
    tell::truth(&tell::text(&file));
}

/// The file lies deeper than a path can say.
fn long_path(scene: &Scene) {
    let name = "n".repeat(250);
    let mut directory = OwnedFd::from(File::open(&scene.directory).unwrap());
    for _ in 0..20 {
        mkdirat(&directory, &name, Mode::RWXU).unwrap();
        directory = openat(&directory, &name, OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let flags = OFlags::CREATE | OFlags::WRONLY;
    drop(openat(&directory, "secret", flags, Mode::RUSR).unwrap());
    let opened = File::from(openat(&directory, "secret", OFlags::RDONLY, Mode::empty()).unwrap());
    let metadata = opened.metadata().unwrap();
    let mut event = tell::opened_object(&metadata);
    // Cut, and said to be, with the length of what is not all there.
    event["truncated"] = json!(["path"]);
    let length = tell::text(&scene.directory).len() + 20 * 251 + "/secret".len();
    event["open"]["access"] = json!(["read"]);
    event["truncatedLengths"] = json!({ "path": length });
    tell::expect(event);
    tell::truth(&format!("a path of {} bytes, inode {}", 20 * 251, metadata.ino()));
}
