//! Many at once: threads of one process, and one of several processes that do
//! the same at the same time.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::{fs::FileExt as _, process::CommandExt as _},
    path::PathBuf,
    process::{self, Command},
    thread,
    time::{Duration, Instant},
};

use crate::{Act, Scene, sys, tell};

pub const ACTS: &[(&str, Act)] = &[("crowd", crowd), ("threads", threads)];

/// The code with which [`threads`] ends.
const ENDED_BY_A_THREAD: i32 = 7;

/// Each child opens so many files of its person's.
const OPENS: usize = 10;
/// So many processes of one of the crowd share ids with those of the others.
const IDS: usize = 40;

/// Starts children, every other with a program of its own, that open files
/// named after this process's login uid; ids are used again by the others of
/// the crowd as much as by oneself. Writes how many opens there were to
/// `UID.truth`. Arguments: how many, for how many seconds at most, and the
/// first id.
fn crowd(scene: &Scene) {
    let uid = scene.login_uid.unwrap_or_else(|| tell::cannot("this kernel has no login uid"));
    let last = OpenOptions::new().write(true).open("/proc/sys/kernel/ns_last_pid");
    let last = last.unwrap_or_else(|error| tell::cannot(format_args!("ns_last_pid: {error}")));
    let files: Vec<PathBuf> = (0..OPENS).map(|number| scene.path(&format!("u{uid}-{number}"))).collect();
    for file in &files {
        fs::write(file, "").unwrap();
    }
    let (most, seconds) = (scene.number(0), Duration::from_secs(scene.number(1) as u64));
    let first = scene.number(2).to_string();
    let begun = Instant::now();
    let mut opens = 0;
    for child in 0.. {
        if opens >= most || begun.elapsed() > seconds {
            break;
        }
        if child % IDS == 0 {
            last.write_all_at(first.as_bytes(), 0).unwrap();
        }
        let child = sys::fork(|| {
            if child % 2 == 0 {
                panic!("{}", Command::new("cat").args(&files).exec());
            }
            for file in &files {
                drop(File::open(file).unwrap());
            }
        });
        sys::wait(child);
        opens += OPENS;
    }
    let mut truth = File::create(scene.path(&format!("{uid}.truth"))).unwrap();
    write!(truth, "{opens}").unwrap();
}

/// Starts that many threads, the last of which ends the process, while the first
/// one waits.
fn threads(scene: &Scene) {
    for _ in 1..scene.number(0) {
        thread::spawn(thread::park);
    }
    let last = thread::spawn(|| process::exit(ENDED_BY_A_THREAD));
    last.join().unwrap();
}
