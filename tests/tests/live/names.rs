//! Names and arguments that somebody made to confuse.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use activity_proto::{json::unescape, v1::Event};
use activity_tests::{EventExt as _, Machine, Person, Sensor, Watch, here, own_directories};
use rustix::{
    fs::{CWD, Mode, OFlags, mkdirat, openat},
    process::chdir,
};

fn hostile_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        &b"with space"[..],
        b" leading and trailing ",
        b"two\nlines",
        b"14:03:07.123 root  1 pts0  exec",
        b"\x1b[2J\x1b[1;31mred\x1b[0m",
        b"\x1b]0;title\x07",
        b"carriage\rreturn\ttab\x08\x7f",
        b"invalid \xff\xfe\xc3\x28 UTF-8",
        b"c1 \xc2\x9b31m",
        "invoice\u{202e}fdp.exe".as_bytes(),
        "日本語 и эмодзи 🎉".as_bytes(),
        b"back\\slash \\x41 'quote' \"double\" $(id) `id` *",
        b"-rf",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    names.push([b'n'; 255].to_vec());
    names.push("ü".repeat(127).into_bytes());
    names
}

#[test]
fn the_bytes_of_a_name_arrive_as_they_are() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let directory = sensor.path("names");
    fs::create_dir(&directory).unwrap();
    let names = hostile_names();
    person.act(|| {
        for name in &names {
            drop(File::create(directory.join(OsStr::from_bytes(name))).unwrap());
            Command::new("/bin/true").arg(OsStr::from_bytes(name)).status().unwrap();
        }
    });
    for name in &names {
        let path = directory.join(OsStr::from_bytes(name));
        stream.find(&format!("open of {path:?}"), |event| event.path() == path.as_os_str().as_bytes());
        stream.find(&format!("exec with {path:?}"), |event| event.argv() == [b"/bin/true", &name[..]]);
    }
}

#[test]
fn no_name_reaches_a_terminal_raw() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::everything();
    let text = Watch::start(&sensor, &["--all"]);
    let json = Watch::start(&sensor, &["--all", "--format", "json"]);
    let person = Person::new();
    let directory = sensor.path("names");
    let last = directory.join("last");
    fs::create_dir(&directory).unwrap();
    let names = hostile_names();
    person.act(|| {
        for name in &names {
            let path = directory.join(OsStr::from_bytes(name));
            drop(File::create(&path).unwrap());
            fs::copy("/bin/true", &path).unwrap();
            Command::new(&path).arg(OsStr::from_bytes(name)).current_dir(&directory).status().unwrap();
            File::open(path.join("missing")).expect_err("not a directory");
        }
        drop(File::create(&last).unwrap());
    });
    let last = last.to_str().unwrap();

    let shown = text.until_line(&[" open ", last]);
    let hidden =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let raw = shown.chars().find(|&c| c != '\n' && (c.is_control() || hidden(c)));
    assert_eq!(raw, None, "{shown}");
    let forged = shown.lines().find(|line| line.starts_with("14:03:07.123"));
    assert_eq!(forged, None);

    let lines = json.until_line(&["\"open\"", last]);
    assert_eq!(lines.chars().find(|&c| c != '\n' && c.is_control()), None);
    let wanted = directory.join(OsStr::from_bytes(&names[7]));
    let event = json.find("the invalid name", |event| {
        event["open"]["path"]
            .as_str()
            .and_then(unescape)
            .is_some_and(|path| path == wanted.as_os_str().as_bytes())
    });
    assert_eq!(event["login"]["auid"], person.auid);
}

/// Makes directories of these names, one in the other, and opens `file` in the
/// last. Returns its whole path.
fn open_deep_down(base: &Path, names: &[Vec<u8>]) -> PathBuf {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut directory = openat(CWD, base, flags, Mode::empty()).unwrap();
    let mut path = base.to_owned();
    for name in names {
        mkdirat(&directory, &name[..], Mode::RWXU).unwrap();
        directory = openat(&directory, &name[..], flags, Mode::empty()).unwrap();
        path.push(OsStr::from_bytes(name));
    }
    drop(openat(&directory, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap());
    path.join("file")
}

/// The open of a file named `file` whose path is right, or said to be cut and
/// the right end of it.
fn is_right_or_cut(event: &Event, path: &Path) -> bool {
    let path = path.as_os_str().as_bytes();
    let shown = event.path();
    shown == path || (event.is_cut("path") && shown.ends_with(b"/file") && path.ends_with(shown))
}

#[test]
fn a_path_that_is_too_long_or_too_deep_is_right_or_said_to_be_cut() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let long = |length: usize, count: usize| vec![vec![b'x'; length]; count];
    for (name, names) in [
        ("16 times 255 bytes, just under what a path may have", long(255, 15)),
        ("over 4,096 bytes", long(255, 20)),
        ("60 levels with those above", long(1, 56)),
        ("100 levels", long(1, 100)),
        ("1,000 levels", long(2, 1000)),
    ] {
        let base = sensor.path(name);
        fs::create_dir(&base).unwrap();
        let path = person.act(|| open_deep_down(&base, &names));
        let event = stream.find(name, |event| {
            event.path().ends_with(b"/file") && event.boottime_ns > 0 && is_right_or_cut(event, &path)
        });
        if names.len() < 59 && path.as_os_str().len() < 4096 {
            assert!(!event.is_cut("path") && event.path() == path.as_os_str().as_bytes(), "{name}");
        }
    }
}

fn exec_with(arguments: Vec<OsString>) -> Event {
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    person.act(|| Command::new("/bin/true").args(&arguments).status().unwrap());
    stream.find("the exec", |event| event.exec().is_some())
}

#[test]
fn a_thousand_arguments_and_empty_ones_keep_their_places() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let mut arguments: Vec<OsString> = (0..1000).map(|number| number.to_string().into()).collect();
    arguments[0] = OsString::new();
    arguments[500] = OsString::new();
    arguments[999] = OsString::new();
    let event = exec_with(arguments.clone());
    let argv = event.argv();
    assert_eq!(argv[0], b"/bin/true");
    assert_eq!(argv[1..], arguments.iter().map(|argument| argument.as_bytes()).collect::<Vec<_>>());
    assert!(!event.is_cut("argv"));
    let bytes = arguments.iter().map(|argument| argument.len() + 1).sum::<usize>() + "/bin/true".len() + 1;
    assert_eq!(event.exec().unwrap().argv_length, bytes as u64);
}

#[test]
fn an_argv_of_128_kib_is_whole_or_said_to_be_cut_with_its_length() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    // The kernel takes 128 KiB less one byte in a single argument.
    for sizes in [vec![128 * 1024 - 1], vec![1024; 128], vec![20 * 1024]] {
        let arguments: Vec<OsString> = sizes.iter().map(|&size| "a".repeat(size).into()).collect();
        let event = exec_with(arguments);
        let bytes = "/bin/true".len() + 1 + sizes.iter().map(|size| size + 1).sum::<usize>();
        assert_eq!(event.exec().unwrap().argv_length, bytes as u64);
        let there = event.argv().iter().map(|argument| argument.len() + 1).sum::<usize>();
        if event.is_cut("argv") {
            let cut = event.truncated.iter().find(|cut| cut.field == "argv").unwrap();
            assert_eq!(cut.full_length, Some(bytes as u64));
            assert!(there < bytes && there > 1024, "{there} of {bytes}");
        } else {
            assert_eq!(there, bytes);
        }
        assert!(event.argv()[1..].iter().all(|argument| argument.iter().all(|&byte| byte == b'a')));
    }
}

#[test]
fn a_working_directory_that_was_removed_keeps_its_name() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let gone = sensor.path("gone");
    fs::create_dir(&gone).unwrap();
    person.act(|| {
        own_directories();
        chdir(&gone).unwrap();
        fs::remove_dir(&gone).unwrap();
        Command::new("/bin/true").arg("nowhere").stdout(Stdio::null()).status().unwrap();
    });
    let event = stream.find("the exec", |event| event.argv().last() == Some(&&b"nowhere"[..]));
    assert_eq!(event.who().cwd, gone.as_os_str().as_bytes());
}

#[test]
fn a_symbolic_link_with_a_hostile_name_does_not_hide_its_target() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let link = sensor.path("harmless\u{1b}[8m");
    symlink("/etc/shadow", &link).unwrap();
    person.act(|| drop(File::open(&link).unwrap()));
    stream.find("the open", |event| event.path() == b"/etc/shadow");
}
