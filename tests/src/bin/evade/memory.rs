//! Other processes' memory, and code brought into a program.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    process::Command,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::{Act, Scene, images::run, sys, tell};

pub const ACTS: &[(&str, Act)] = &[
    ("ptrace", ptrace_attach),
    ("process-vm-writev", vm_writev),
    ("proc-mem", proc_mem),
    ("preload", preload),
];

/// What is changed in the child; both have it at the same address.
static VICTIM: AtomicU64 = AtomicU64::new(1);

/// A child that waits while something is done to it.
fn to_victim(act: impl FnOnce(u32) -> std::io::Result<()>) -> u32 {
    let child = sys::fork(|| {
        loop {
            std::thread::park();
        }
    });
    let done = act(child);
    kill_process(sys::pid(child), Signal::KILL).unwrap();
    sys::wait(child);
    if let Err(error) = done {
        tell::cannot(error);
    }
    child
}

fn traced(child: u32) -> Value {
    json!({ "type": "ptrace", "ptrace": { "$mentions": [child] } })
}

fn ptrace_attach(_: &Scene) {
    let child = to_victim(|child| {
        let ptrace = |request: u32| {
            let arguments = [request as usize, child as usize, 0, 0];
            // SAFETY: these requests take numbers only.
            unsafe { sys::call(libc::SYS_ptrace, &arguments) }
        };
        ptrace(libc::PTRACE_ATTACH)?;
        sys::wait_stopped(child);
        ptrace(libc::PTRACE_DETACH).map(drop)
    });
    tell::expect(traced(child));
    tell::truth(&format!("ptrace of {child}"));
}

fn vm_writev(_: &Scene) {
    let child = to_victim(|child| {
        let value = 2_u64;
        let from = libc::iovec { iov_base: (&raw const value).cast_mut().cast(), iov_len: 8 };
        let to = libc::iovec { iov_base: VICTIM.as_ptr().cast(), iov_len: 8 };
        let arguments = [child as usize, (&raw const from).addr(), 1, (&raw const to).addr(), 1, 0];
        // SAFETY: it is the child's memory that is written.
        unsafe { sys::call(libc::SYS_process_vm_writev, &arguments) }.map(drop)
    });
    tell::expect(traced(child));
    tell::truth(&format!("memory of {child}"));
}

fn proc_mem(_: &Scene) {
    let path = |child: u32| format!("/proc/{child}/mem");
    let child = to_victim(|child| {
        let memory = OpenOptions::new().write(true).open(path(child))?;
        memory.write_all_at(&2_u64.to_ne_bytes(), VICTIM.as_ptr().addr() as u64)
    });
    assert_eq!(VICTIM.load(Relaxed), 1, "not this process's own memory");
    let opened = json!({ "type": "open", "open": { "path": path(child), "access": ["write"] } });
    tell::expect_one_of(vec![traced(child), opened]);
    tell::truth(&path(child));
}

/// A library of the user's own in front of all others.
fn preload(scene: &Scene) {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut libraries = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    let Some(library) = libraries.find(|path| path.contains("/libgcc_s") || path.contains("/libc.so")) else {
        tell::cannot("this program is linked statically")
    };
    let program = scene.program("program");
    let ours = scene.path("library.so");
    fs::copy(library, &ours).unwrap();
    std::os::unix::fs::chown(&ours, Some(65_534), Some(65_534)).unwrap();
    tell::begin();
    let (metadata, path) = (fs::metadata(&ours).unwrap(), tell::text(&ours));
    let child = run(Command::new(&program).arg("nothing").arg(&scene.directory).env("LD_PRELOAD", &ours));
    let process = json!({ "pid": child });
    // The environment may be shown with its name or without.
    let started =
        |preload: String| json!({ "type": "exec", "process": process, "exec": { "$mentions": [preload] } });
    tell::expect_one_of(vec![started(path.clone()), started(format!("LD_PRELOAD={path}"))]);
    let mut mapped = json!({ "type": "exec_mapping", "process": process });
    mapped["execMapping"] = json!({ "$mentions": [std::os::unix::fs::MetadataExt::ino(&metadata)] });
    tell::expect(mapped);
    tell::truth(&path);
}
