//! Programs started from files that have no name, or by no name.

use std::{
    fs::{self, File},
    io::Write as _,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::Path,
    process::{Child, Command},
};

use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create, open};
use serde_json::{Value, json};

use crate::{Act, Scene, sys, tell};

pub const ACTS: &[(&str, Act)] = &[
    ("memfd-exec", memfd),
    ("deleted-exec", deleted),
    ("empty-path-exec", empty_path),
    ("long-argv", long_argv),
];

/// A successful start of the program in this file.
pub fn started(pid: u32, image: &fs::Metadata) -> Value {
    json!({
        "type": "exec",
        "process": { "pid": pid, "exeInode": image.ino(), "exeDevice": tell::device(image) },
        "outcome": { "success": true },
    })
}

/// Runs a program to its end and tells that its process takes part.
pub fn run(command: &mut Command) -> u32 {
    let mut child: Child = command.spawn().unwrap();
    tell::pid(child.id());
    child.wait().unwrap();
    child.id()
}

fn run_descriptor(file: &impl std::os::fd::AsRawFd, scene: &Scene) -> u32 {
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    run(Command::new(path).arg("nothing").arg(&scene.directory))
}

/// From a file in memory.
fn memfd(scene: &Scene) {
    let mut memory = File::from(memfd_create("hidden", MemfdFlags::CLOEXEC).unwrap());
    memory.write_all(&fs::read("/proc/self/exe").unwrap()).unwrap();
    let metadata = memory.metadata().unwrap();
    // By a second description, since the one for writing keeps it from running.
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    let image = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    drop(memory);
    tell::begin();
    let mut event = started(run_descriptor(&image, scene), &metadata);
    event["process"]["memfd"] = true.into();
    tell::expect(event);
    tell::truth("a memory file");
}

/// From a file that has been unlinked.
fn deleted(scene: &Scene) {
    let program = scene.program("program");
    let image = File::open(&program).unwrap();
    fs::remove_file(&program).unwrap();
    tell::begin();
    let mut event = started(run_descriptor(&image, scene), &image.metadata().unwrap());
    event["process"]["deleted"] = true.into();
    event["process"]["exe"] = tell::text(&program).into();
    tell::expect(event);
    tell::truth(&tell::text(&program));
}

/// By a descriptor and no path at all.
fn empty_path(scene: &Scene) {
    let program = scene.program("program");
    let image = File::open(&program).unwrap();
    tell::begin();
    let child = sys::fork(|| {
        let argv = [c"program".as_ptr(), c"nothing".as_ptr(), c"/".as_ptr(), std::ptr::null()];
        let flags = libc::AT_EMPTY_PATH as usize;
        let environment = argv[3..].as_ptr().addr();
        let descriptor = image.as_raw_fd() as usize;
        let arguments = [descriptor, c"".as_ptr().addr(), argv.as_ptr().addr(), environment, flags];
        // SAFETY: both lists end in null, and their strings in NUL.
        let error = unsafe { sys::call(libc::SYS_execveat, &arguments) }.unwrap_err();
        // Old kernels with TOMOYO look for it as /dev/fd/N.
        tell::cannot(format_args!("execveat: {error}"));
    });
    tell::pid(child);
    sys::wait(child);
    let mut event = started(child, &image.metadata().unwrap());
    event["process"]["exe"] = tell::text(&program).into();
    tell::expect(event);
    tell::truth(&tell::text(&program));
}

/// With an argument as long as the kernel takes.
fn long_argv(scene: &Scene) {
    let program = scene.program("program");
    let argument = "a".repeat(128 * 1024 - 1);
    let words = [program.to_str().unwrap(), "nothing", "/", &argument];
    let child = run(Command::new(&program).args(&words[1..]));
    let length: usize = words.iter().map(|word| word.len() + 1).sum();
    let mut event = started(child, &fs::metadata(Path::new(&program)).unwrap());
    event["exec"] = json!({ "argvLength": length });
    event["process"]["argv"] = json!([words[0], "nothing", "/"]);
    tell::expect(event);
    tell::truth(&tell::text(&program));
}
