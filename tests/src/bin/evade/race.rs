//! Another thread changes what an open is about while it runs.

use std::{
    fs::{self, File},
    hint,
    os::{
        fd::{AsRawFd as _, IntoRawFd as _},
        unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    },
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use crate::{Act, Scene, sys, tell};

pub const ACTS: &[(&str, Act)] = &[("rewrite", rewrite), ("replace", replace)];

/// Opens between two pauses: as many as a sensor can take for minutes.
const BURST: usize = 40;

/// Another thread changes the last letter of the path all the time.
/// Arguments: the number of attempts, for how many seconds at most, and
/// `sequence` to have their order told.
fn rewrite(scene: &Scene) {
    let (attempts, end) = limits(scene);
    let files = [scene.file("a"), scene.file("b")];
    let path: Vec<AtomicU8> =
        files[0].as_os_str().as_bytes().iter().chain(&[0]).map(|&byte| AtomicU8::new(byte)).collect();
    let last = &path[path.len() - 2];
    let inodes = files.each_ref().map(|file| fs::metadata(file).unwrap().ino());
    let done = AtomicBool::new(false);
    let mut truth = String::with_capacity(attempts);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                for letter in [b'b', b'a'] {
                    last.store(letter, Relaxed);
                    (0..4).for_each(|_| hint::spin_loop());
                }
            }
        });
        for attempt in (0..attempts).take_while(|_| Instant::now() < end) {
            // SAFETY: the path ends in NUL whichever letter it has before that.
            let opened = unsafe { sys::call_fd(libc::SYS_openat, &[0, path.as_ptr().addr(), 0, 0]) }.unwrap();
            let inode = File::from(opened).metadata().unwrap().ino();
            truth.push(if inode == inodes[0] { 'a' } else { 'b' });
            pause(attempt);
        }
        done.store(true, Relaxed);
    });
    for (letter, file) in ['a', 'b'].into_iter().zip(&files) {
        let metadata = fs::metadata(file).unwrap();
        tell::named(file, &metadata);
        let times = truth.matches(letter).count();
        tell::expect_times(tell::opened(file, &metadata), times);
    }
    if scene.arguments.get(2).is_some_and(|word| word == "sequence") {
        tell::sequence(&truth, files.each_ref().map(PathBuf::as_path));
    }
}

/// Another thread puts another file behind the descriptor that the open is
/// about to return. Arguments: the number of attempts, and for how many seconds
/// at most.
fn replace(scene: &Scene) {
    let (attempts, end) = limits(scene);
    let (opened, decoy) = (scene.file("opened"), scene.file("decoy"));
    let decoy_metadata = fs::metadata(&decoy).unwrap();
    let decoy = File::open(decoy).unwrap();
    // The number that the next open gets.
    let next = File::open(&opened).unwrap().into_raw_fd();
    close(next);
    tell::begin();
    let attempt = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    let mut made = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Relaxed) {
                let now = attempt.load(Relaxed);
                if now == seen {
                    hint::spin_loop();
                    continue;
                }
                seen = now;
                (0..now % 400).for_each(|_| hint::spin_loop());
                // SAFETY: whoever has this descriptor, the attempt, expects it.
                let _ = unsafe { sys::call(libc::SYS_dup2, &[decoy.as_raw_fd() as usize, next as usize]) };
            }
        });
        for number in (1..=attempts).take_while(|_| Instant::now() < end) {
            made = number;
            attempt.store(number, Relaxed);
            let descriptor = File::open(&opened).unwrap().into_raw_fd();
            pause(number);
            (0..400).for_each(|_| hint::spin_loop());
            close(descriptor);
            if descriptor != next {
                close(next);
            }
        }
        done.store(true, Relaxed);
    });
    let metadata = fs::metadata(&opened).unwrap();
    tell::named(&opened, &metadata);
    tell::expect_times(tell::opened(&opened, &metadata), made);
    tell::never(&tell::opened_object(&decoy_metadata));
}

fn limits(scene: &Scene) -> (usize, Instant) {
    (scene.number(0), Instant::now() + Duration::from_secs(scene.number(1) as u64))
}

fn close(descriptor: i32) {
    // SAFETY: it belongs to nothing else in this process.
    unsafe { libc::close(descriptor) };
}

fn pause(attempt: usize) {
    if attempt.is_multiple_of(BURST) {
        thread::sleep(Duration::from_millis(1));
    }
}
