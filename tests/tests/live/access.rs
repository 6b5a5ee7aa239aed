//! Who may subscribe.

use std::{
    fs,
    io::Read as _,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
};

use activity_tests::{Machine, Person, Sensor, deadline, here};
use rustix::{
    io::Errno,
    thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

/// A user whom the machine does not know.
const STRANGER: u32 = 64_321;

/// What somebody else gets from the socket: an error, or the bytes until it is
/// closed.
fn ask_as(uid: u32, gid: u32, socket: &Path) -> Result<Vec<u8>, Errno> {
    let failed = |error: std::io::Error| Errno::from_io_error(&error).expect("an error of the system's");
    Person::new().act(|| {
        // Of this thread alone.
        set_thread_groups(&[]).unwrap();
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        set_thread_res_gid(gid, gid, gid).unwrap();
        set_thread_res_uid(uid, uid, uid).unwrap();
        let mut stream = UnixStream::connect(socket).map_err(failed)?;
        stream.set_read_timeout(Some(deadline())).unwrap();
        let mut bytes = vec![0; 1000];
        // A server that lets one in speaks first, with its settings.
        let length = stream.read(&mut bytes).map_err(failed)?;
        bytes.truncate(length);
        Ok(bytes)
    })
}

#[test]
fn the_socket_is_closed_to_other_users() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let mode = fs::metadata(sensor.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    assert_eq!(ask_as(STRANGER, STRANGER, &sensor.socket()), Err(Errno::ACCESS));
    assert_eq!(ask_as(65_534, 65_534, &sensor.socket()), Err(Errno::ACCESS));
}

#[test]
fn a_socket_that_was_opened_wide_still_gives_strangers_nothing() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    fs::set_permissions(sensor.socket(), fs::Permissions::from_mode(0o777)).unwrap();
    for uid in [STRANGER, 65_534] {
        let got = ask_as(uid, uid, &sensor.socket());
        assert!(matches!(&got, Ok(bytes) if bytes.is_empty()) || got == Err(Errno::CONNRESET), "{got:?}");
    }
    assert!(ask_as(0, 0, &sensor.socket()).is_ok_and(|bytes| !bytes.is_empty()), "root is let in");
}

#[test]
fn members_of_the_group_are_let_in() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let group = 64_999;
    let sensor = Sensor::start(&format!("[stream]\ngroup = \"{group}\"\n"), &[]);
    assert!(ask_as(STRANGER, group, &sensor.socket()).is_ok_and(|bytes| !bytes.is_empty()));
    assert_eq!(ask_as(STRANGER, STRANGER, &sensor.socket()), Err(Errno::ACCESS));
}
