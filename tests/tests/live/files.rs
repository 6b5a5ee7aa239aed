//! An open names the object that was opened, not what it was called.

use std::{
    fs::{self, File, OpenOptions},
    os::{
        fd::AsRawFd as _,
        unix::{
            ffi::OsStrExt as _,
            fs::{MetadataExt as _, PermissionsExt as _, symlink},
            process::ExitStatusExt as _,
        },
    },
    path::{Path, PathBuf},
    process::Command,
};

use activity_proto::v1::{Access, Event, PathSource};
use activity_tests::{
    EACH_OPEN, EventExt as _, Machine, Person, Sensor, Subscription, here, own_directories, own_mounts, skip,
};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, open, openat, openat2},
    io::Errno,
    mount::mount_bind,
    process::{chdir, chroot, fchdir},
    thread::{Gid, Uid, set_thread_res_gid, set_thread_res_uid},
};

/// A sensor, a person, and a file that is opened in many ways.
struct Scene {
    sensor: Sensor,
    person: Person,
    stream: Subscription,
    directory: PathBuf,
    file: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let sensor = Sensor::start(&format!("[policy]\nnoise = false\nmissing = true\n{EACH_OPEN}"), &[]);
        let person = Person::new();
        let stream = sensor.follow(&person);
        let directory = sensor.path("directory");
        fs::create_dir(&directory).unwrap();
        let file = directory.join("file");
        fs::write(&file, "content").unwrap();
        Self { sensor, person, stream, directory, file }
    }

    /// The one open of an act, between two opens that mark its begin and end.
    fn open_by(&mut self, act: impl FnOnce() + Send) -> Event {
        let mark = |name: &str| drop(File::create(self.sensor.path(name)).unwrap());
        self.person.act(|| {
            mark("begin");
            act();
            mark("end");
        });
        let end = self.sensor.path("end");
        let from = self.stream.seen.len();
        self.stream.read_until("the end", |event| event.path() == end.as_os_str().as_bytes());
        let begin = self.sensor.path("begin");
        let mut events = self.stream.seen[from..].iter().filter(|event| event.open().is_some());
        events.find(|event| event.path() == begin.as_os_str().as_bytes()).expect("the begin");
        let opens: Vec<_> = events.collect();
        assert_eq!(opens.len(), 2, "one open and the end: {opens:?}");
        opens[0].clone()
    }

    /// Checks that an act opens the file, and is reported by its real path.
    fn opens_the_file(&mut self, act: impl FnOnce() + Send) -> Event {
        let event = self.open_by(act);
        let (open, metadata) = (event.open().unwrap(), fs::metadata(&self.file).unwrap());
        assert_eq!(Path::new(std::ffi::OsStr::from_bytes(&open.path)), self.file);
        assert_eq!(open.inode, Some(metadata.ino()));
        let device = open.device.unwrap();
        assert_eq!(libc::makedev(device.major, device.minor), metadata.dev());
        assert_eq!(event.success(), Some(true));
        assert!(matches!(open.path_source(), PathSource::Fd | PathSource::Kernel), "{open:?}");
        event
    }

    /// Checks that an act fails so, and under which path it is reported.
    fn fails(&mut self, errno: Errno, path: &Path, act: impl FnOnce() + Send) -> Event {
        let event = self.open_by(act);
        let open = event.open().unwrap();
        assert_eq!((event.success(), event.errno()), (Some(false), Some(errno.raw_os_error())));
        assert_eq!(Path::new(std::ffi::OsStr::from_bytes(&open.path)), path);
        assert!(matches!(open.path_source(), PathSource::User | PathSource::KernelCopy), "{open:?}");
        event
    }
}

fn access(event: &Event) -> Vec<Access> {
    event.open().unwrap().access().collect()
}

#[test]
fn whatever_way_a_file_is_named_its_own_path_is_reported() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let mut scene = Scene::new();
    let (file, directory) = (scene.file.clone(), scene.directory.clone());
    let link = directory.join("symbolic");
    symlink(&file, &link).unwrap();
    scene.opens_the_file(|| drop(File::open(&link).unwrap()));
    scene.opens_the_file(|| drop(File::open(directory.join("../directory/./file")).unwrap()));
    scene.opens_the_file(|| {
        own_directories();
        chdir(&directory).unwrap();
        drop(File::open("file").unwrap());
    });
    let handle = File::open(&directory).unwrap();
    scene.opens_the_file(|| drop(openat(&handle, "file", OFlags::RDONLY, Mode::empty()).unwrap()));
    scene.opens_the_file(|| {
        drop(openat2(&handle, "file", OFlags::RDONLY, Mode::empty(), ResolveFlags::BENEATH).unwrap());
    });
    let event = scene.opens_the_file(|| {
        // SAFETY: the path ends with NUL.
        let descriptor = unsafe { libc::creat(c_path(&file).as_ptr(), 0o600) };
        drop(File::from(owned(descriptor)));
    });
    assert_eq!(access(&event), [Access::Write, Access::Truncate], "creat(2) of what is there");
    let handle = open(&file, OFlags::PATH, Mode::empty()).unwrap();
    let again = format!("/proc/self/fd/{}", handle.as_raw_fd());
    scene.opens_the_file(|| drop(File::open(&again).unwrap()));
}

fn c_path(path: &Path) -> std::ffi::CString {
    std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn owned(descriptor: i32) -> std::os::fd::OwnedFd {
    use std::os::fd::FromRawFd as _;
    assert!(descriptor >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: it was opened a moment ago, and nobody else has it.
    unsafe { std::os::fd::OwnedFd::from_raw_fd(descriptor) }
}

#[test]
fn a_hard_link_has_its_own_path_and_the_same_inode() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let mut scene = Scene::new();
    let link = scene.directory.join("hard");
    fs::hard_link(&scene.file, &link).unwrap();
    let event = scene.open_by(|| drop(File::open(&link).unwrap()));
    assert_eq!(event.path(), link.as_os_str().as_bytes());
    assert_eq!(event.open().unwrap().inode, Some(fs::metadata(&scene.file).unwrap().ino()));
}

#[test]
fn a_bind_mount_is_reported_where_it_is_mounted_with_the_inode_of_the_object() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let mut scene = Scene::new();
    let elsewhere = scene.sensor.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let directory = scene.directory.clone();
    let event = scene.open_by(|| {
        own_mounts();
        mount_bind(&directory, &elsewhere).unwrap();
        drop(File::open(elsewhere.join("file")).unwrap());
    });
    assert_eq!(event.path(), elsewhere.join("file").as_os_str().as_bytes());
    assert_eq!(event.open().unwrap().inode, Some(fs::metadata(&scene.file).unwrap().ino()));
}

#[test]
fn behind_a_chroot_the_path_is_the_hosts() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let mut scene = Scene::new();
    let directory = scene.directory.clone();
    // Marked before and after from outside: there is no way back out.
    let descriptor = File::open("/").unwrap();
    scene.opens_the_file(|| {
        own_directories();
        chroot(&directory).unwrap();
        drop(File::open("/file").unwrap());
        fchdir(&descriptor).unwrap();
        chroot(".").unwrap();
    });
}

#[test]
fn an_open_through_the_32_bit_entry_is_seen() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let mut scene = Scene::new();
    let file = scene.file.clone();
    let ended = scene.person.act(|| Command::new(env!("CARGO_BIN_EXE_int80")).arg(&file).status().unwrap());
    if ended.signal().is_some() || !cfg!(target_arch = "x86_64") {
        return skip(here!(), "this kernel has no 32-bit entry");
    }
    assert_eq!(ended.code(), Some(0), "the file can be opened that way");
    let event = scene.stream.find("the open", |event| event.path() == file.as_os_str().as_bytes());
    assert_eq!((event.success(), access(&event)), (Some(true), vec![Access::Read]));
}

#[test]
fn what_an_open_allows_is_what_it_asked_for() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    use Access::{Append, Create, Path as Handle, Read, Truncate, Write};
    let mut scene = Scene::new();
    let (file, new) = (scene.file.clone(), scene.directory.join("new"));
    for (flags, wanted) in [
        (OFlags::RDONLY, vec![Read]),
        (OFlags::WRONLY, vec![Write]),
        (OFlags::RDWR, vec![Read, Write]),
        (OFlags::WRONLY | OFlags::APPEND, vec![Write, Append]),
        (OFlags::WRONLY | OFlags::TRUNC, vec![Write, Truncate]),
        // It was there, so nothing was created.
        (OFlags::RDWR | OFlags::CREATE, vec![Read, Write]),
        (OFlags::PATH, vec![Handle]),
    ] {
        let event = scene.open_by(|| drop(open(&file, flags, Mode::RUSR | Mode::WUSR).unwrap()));
        assert_eq!(access(&event), wanted, "{flags:?}");
    }
    let event = scene.open_by(|| drop(File::create_new(&new).unwrap()));
    assert_eq!(access(&event), [Read, Write, Create]);
    assert_eq!(event.open().unwrap().mode.unwrap() & libc::S_IFMT, libc::S_IFREG);
}

#[test]
fn a_failed_open_has_its_error_and_the_callers_path_made_absolute() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let mut scene = Scene::new();
    let (file, directory) = (scene.file.clone(), scene.directory.clone());
    let missing = directory.join("missing");
    let gone = |path: &Path| drop(File::open(path).expect_err("it is not there"));
    scene.fails(Errno::NOENT, &missing, || gone(&missing));
    scene.fails(Errno::NOENT, &missing, || {
        own_directories();
        chdir(&directory).unwrap();
        gone(Path::new("missing"));
    });
    let handle = File::open(&directory).unwrap();
    scene.fails(Errno::NOENT, &missing, || {
        openat(&handle, "missing", OFlags::RDONLY, Mode::empty()).expect_err("it is not there");
    });
    let event = scene.fails(Errno::ISDIR, &directory, || {
        OpenOptions::new().write(true).open(&directory).expect_err("a directory");
    });
    assert_eq!(access(&event), [Access::Write]);
    scene.fails(Errno::NOTDIR, &file.join("below"), || gone(&file.join("below")));
    let link = directory.join("loop");
    symlink("loop", &link).unwrap();
    scene.fails(Errno::LOOP, &link, || gone(&link));
}

#[test]
fn an_open_that_is_not_permitted_is_reported_with_who_tried() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let mut scene = Scene::new();
    let (file, person) = (scene.file.clone(), scene.person);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    person.act(|| {
        // Of this thread alone: the system call rather than the library's.
        let (uid, gid) = (Uid::from_raw(65_534), Gid::from_raw(65_534));
        set_thread_res_gid(gid, gid, gid).unwrap();
        set_thread_res_uid(uid, uid, uid).unwrap();
        File::open(&file).expect_err("it is root's");
    });
    let event = scene.stream.find("the open", |event| event.path() == file.as_os_str().as_bytes());
    assert_eq!(event.errno(), Some(Errno::ACCESS.raw_os_error()));
    let credentials = event.credentials.as_ref().unwrap();
    assert_eq!((credentials.uid, credentials.euid), (65_534, 65_534));
    assert_eq!((credentials.gid, credentials.egid), (65_534, 65_534));
    assert_eq!(event.login().0, Some(person.auid));
}
