//! Does one act in a way that sensors are known to miss, and says on standard
//! output, one JSON object a line, what must be reported of it:
//!
//! | key | meaning |
//! |---|---|
//! | `pid` | a process that takes part |
//! | `begin` | the time in nanoseconds since boot before which everything was preparation |
//! | `expect` | part of an event that has to come, or a list of which one has to; `times` how often, at least once without it |
//! | `never` | part of an event that would be wrong |
//! | `named` | a path and the object it names, to tell a wrong pair by |
//! | `truth` | what a listener on system calls would have to have seen |
//! | `sequence`, `of` | which of two paths each of many opens really was |
//! | `forged` | a login uid that somebody gave themselves |
//! | `done` | that was all |
//! | `cannot` | why the act is not possible on this machine |
//!
//! `evade ACT DIRECTORY [ARGUMENT]…`, where the directory is empty. The act
//! `nothing` is for those that need a program to run.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what does not go as written here fails the test by panicking"
)]

mod bpf;
mod burst;
mod crowd;
mod descriptors;
mod disguise;
mod flood;
mod images;
mod interpreters;
mod login;
mod memory;
mod network;
mod opens;
mod places;
mod race;
mod sockets;
mod sys;
mod tell;
mod uring;
mod userfault;

use std::{env, ffi::OsString, fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::ExitCode};

/// Where an act takes place.
pub struct Scene {
    /// A directory of its own, as the kernel would name it.
    pub directory: PathBuf,
    /// The login uid that this process was started with.
    pub login_uid: Option<u32>,
    /// What the test has to say beyond that.
    pub arguments: Vec<OsString>,
}

impl Scene {
    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A new file with content; making it is preparation.
    pub fn file(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, name).unwrap();
        tell::begin();
        path
    }

    /// A program that does nothing: this one, with the act `nothing`.
    pub fn program(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::copy("/proc/self/exe", &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        tell::begin();
        path
    }

    /// An argument that is a number.
    pub fn number(&self, index: usize) -> usize {
        self.arguments[index].to_str().unwrap().parse().unwrap()
    }
}

type Act = fn(&Scene);

const ACTS: &[&[(&str, Act)]] = &[
    uring::ACTS,
    race::ACTS,
    userfault::ACTS,
    opens::ACTS,
    places::ACTS,
    images::ACTS,
    interpreters::ACTS,
    disguise::ACTS,
    login::ACTS,
    network::ACTS,
    sockets::ACTS,
    descriptors::ACTS,
    memory::ACTS,
    flood::ACTS,
    burst::ACTS,
    crowd::ACTS,
    bpf::ACTS,
];

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(name), Some(directory)) = (arguments.next(), arguments.next()) else {
        return ExitCode::from(64);
    };
    if name == "nothing" {
        return ExitCode::SUCCESS;
    }
    let Some((_, act)) = ACTS.iter().copied().flatten().find(|(known, _)| name == *known) else {
        eprintln!("there is no act {}", name.display());
        return ExitCode::from(64);
    };
    let directory = fs::canonicalize(directory).unwrap();
    let login_uid = login::login_uid();
    let scene = Scene { directory, login_uid, arguments: arguments.collect() };
    tell::pid(std::process::id());
    tell::begin();
    act(&scene);
    tell::done();
    ExitCode::SUCCESS
}
