//! The login sessions that were there before the sensor, put into the kernel
//! programs' map.

use std::{fs, path::Path};

use anyhow::Context as _;
use aya::maps::{HashMap, MapData, MapError};
use sensor_types::{
    header::UNSET,
    session::{Program, Session},
};
use zerocopy::transmute;

/// The programs that begin sessions, as the kernel programs know them.
pub struct LoginProgramMap(HashMap<MapData, [u64; 2], u32>);

impl LoginProgramMap {
    /// Takes over the map.
    pub fn new(map: HashMap<MapData, [u64; 2], u32>) -> Self {
        Self(map)
    }

    /// Adds a file: device, as the kernel numbers it, and inode.
    ///
    /// # Errors
    /// When the kernel refuses, as it does when the map is full.
    pub fn add(&mut self, (device, inode): (u64, u64)) -> Result<(), MapError> {
        let key: [u64; 2] = transmute!(Program { inode, device });
        self.0.insert(key, 1, 0)
    }
}

/// An entry of the map, as plain words.
type Words = [u64; 3];

/// `BPF_NOEXIST`: what the hooks have put there is newer.
const NO_EXIST: u64 = 1;

/// The key whose presence says that the map is complete: no thread has it. Until
/// then a login uid without an entry is no news to the programs.
const COMPLETE: u32 = 0;

/// Puts every thread with a login uid into the map, then marks it complete. The
/// fork hook must be attached, so that no thread falls between the two.
///
/// # Errors
/// When the kernel refuses.
pub fn seed(map: &mut HashMap<&mut MapData, u32, Words>) -> anyhow::Result<()> {
    for tid in threads() {
        if let Some(session) = session_of(tid) {
            let words: Words = transmute!(session);
            match map.insert(tid, words, NO_EXIST) {
                Ok(()) | Err(MapError::SyscallError(_)) => {}
                Err(error) => return Err(error).context("the map of login sessions cannot be filled"),
            }
        }
    }
    let mark = Session {
        start_ns: 0,
        loginuid: UNSET,
        sessionid: UNSET,
        last_loginuid: UNSET,
        last_sessionid: UNSET,
    };
    let words: Words = transmute!(mark);
    map.insert(COMPLETE, words, 0).context("the map of login sessions cannot be filled")
}

fn threads() -> impl Iterator<Item = u32> {
    numbers(Path::new("/proc"))
        .flat_map(|pid| numbers(&Path::new("/proc").join(pid.to_string()).join("task")))
}

fn numbers(directory: &Path) -> impl Iterator<Item = u32> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The session of a thread that has a login uid. When it began is not known.
fn session_of(tid: u32) -> Option<Session> {
    let read = |name| fs::read_to_string(format!("/proc/{tid}/{name}")).ok()?.trim().parse::<u32>().ok();
    let loginuid = read("loginuid").filter(|id| *id != UNSET)?;
    let sessionid = read("sessionid").unwrap_or(UNSET);
    Some(Session { start_ns: 0, loginuid, sessionid, last_loginuid: loginuid, last_sessionid: sessionid })
}
