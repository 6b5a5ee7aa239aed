//! Which image a process really runs.

use std::{
    fs::{self, File},
    io::Write as _,
    os::{
        fd::AsRawFd as _,
        unix::{
            fs::{MetadataExt as _, PermissionsExt as _},
            process::CommandExt as _,
        },
    },
    process::Command,
};

use activity_tests::{EventExt as _, Machine, Person, Sensor, here};
use rustix::fs::{MemfdFlags, memfd_create};

#[test]
fn a_script_names_both_its_interpreter_and_itself() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let script = sensor.path("script");
    fs::write(&script, "#!/bin/sh\nexit 3\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    person.act(|| Command::new(&script).arg("argument").status().unwrap());

    let event = stream.find("the exec", |event| event.argv().last() == Some(&&b"argument"[..]));
    let shell = fs::canonicalize("/bin/sh").unwrap();
    assert_eq!(event.who().exe, shell.as_os_str().as_encoded_bytes());
    assert_eq!(event.who().exe_inode, Some(fs::metadata(&shell).unwrap().ino()));
    let exec = event.exec().unwrap();
    assert_eq!(exec.script, script.as_os_str().as_encoded_bytes());
    assert_eq!(exec.filename, script.as_os_str().as_encoded_bytes());
}

#[test]
fn a_program_is_not_what_it_calls_itself() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    person.act(|| Command::new("/bin/true").arg0("[kworker/0:1]").arg("in disguise").status().unwrap());

    let event = stream.find("the exec", |event| event.argv() == [&b"[kworker/0:1]"[..], b"in disguise"]);
    let truth = fs::canonicalize("/bin/true").unwrap();
    assert_eq!(event.who().exe, truth.as_os_str().as_encoded_bytes());
    assert!(event.exec().unwrap().script.is_empty());
}

#[test]
fn an_image_in_memory_is_said_to_be_one() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let mut memory = File::from(memfd_create("hidden", MemfdFlags::CLOEXEC).unwrap());
    memory.write_all(&fs::read("/bin/true").unwrap()).unwrap();
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    person.act(|| Command::new(&path).arg("from memory").status().unwrap());

    let event = stream.find("the exec", |event| event.argv().last() == Some(&&b"from memory"[..]));
    let process = event.who();
    assert!(process.memfd && !process.deleted, "{process:?}");
    assert!(process.exe.windows(6).any(|part| part == b"hidden"), "{process:?}");
}

#[test]
fn an_image_that_was_unlinked_is_said_to_be() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let image = sensor.path("image");
    fs::copy("/bin/true", &image).unwrap();
    let descriptor = File::open(&image).unwrap();
    fs::remove_file(&image).unwrap();
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    person.act(|| Command::new(&path).arg("unlinked").status().unwrap());

    let event = stream.find("the exec", |event| event.argv().last() == Some(&&b"unlinked"[..]));
    let process = event.who();
    assert!(process.deleted && !process.memfd, "{process:?}");
    assert_eq!(process.exe, image.as_os_str().as_encoded_bytes());
}

#[test]
fn a_child_that_runs_no_program_of_its_own_has_its_parents() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let file = sensor.path("by-the-subshell");
    let script = format!("(echo >{}); exit 0", file.display());
    let pid = person.act(|| {
        let mut child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        child.wait().unwrap();
        child.id()
    });
    let shell = stream.find("the shell", |event| event.exec().is_some() && event.who().pid == pid);
    let open = stream.find("the open", |event| event.path() == file.as_os_str().as_encoded_bytes());
    assert_eq!(open.who().parent_uid, shell.who().uid);
    assert_ne!(open.who().pid, pid);
    assert_eq!((open.who().exe, open.who().argv), (shell.who().exe, shell.who().argv));
}
