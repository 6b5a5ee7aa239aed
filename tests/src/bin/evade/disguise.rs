//! Processes and threads that pretend to be others.

use std::{fs, fs::File, thread};

use rustix::thread::{Gid, Uid, set_thread_res_gid, set_thread_res_uid};
use serde_json::json;

use crate::{Act, Scene, sys, tell};

pub const ACTS: &[(&str, Act)] = &[
    ("process-name", process_name),
    ("overwritten-argv", overwritten_argv),
    ("moved-argv", moved_argv),
    ("thread-credentials", thread_credentials),
];

const NAME: &std::ffi::CStr = c"sshd: accepted";

/// Opens a file and tells that it was this program with these arguments.
fn open_as_ourselves(scene: &Scene, act: &str) {
    let file = scene.file("secret");
    let opened = File::open(&file).unwrap();
    let mut event = tell::opened(&file, &opened.metadata().unwrap());
    let us = fs::read_link("/proc/self/exe").unwrap();
    event["process"] = json!({ "pid": std::process::id(), "exe": tell::text(&us), "argv": [act] });
    tell::expect(event);
    tell::truth(&tell::text(&file));
}

/// `PR_SET_NAME`
fn process_name(scene: &Scene) {
    rustix::thread::set_name(NAME).unwrap();
    open_as_ourselves(scene, "process-name");
}

/// The memory that /proc shows as the command line says something else.
fn overwritten_argv(scene: &Scene) {
    let [begin, end] = argument_bounds();
    let argv = std::ptr::with_exposed_provenance_mut::<u8>(begin);
    // SAFETY: the process's arguments lie there, and nothing reads them any more.
    unsafe { argv.write_bytes(b'x', end - begin) };
    assert!(fs::read("/proc/self/cmdline").unwrap().starts_with(b"xxxx"));
    open_as_ourselves(scene, "overwritten-argv");
}

/// `PR_SET_MM`: /proc shows other memory as the command line.
fn moved_argv(scene: &Scene) {
    let page = sys::pages(1);
    let name = NAME.to_bytes_with_nul();
    // SAFETY: the name is shorter than the page.
    unsafe { page.copy_from_nonoverlapping(name.as_ptr(), name.len()) };
    let bounds =
        [(libc::PR_SET_MM_ARG_START, page.addr()), (libc::PR_SET_MM_ARG_END, page.addr() + name.len())];
    for (which, address) in bounds {
        let arguments = [libc::PR_SET_MM as usize, which as usize, address, 0, 0];
        // SAFETY: the addresses lie in the page.
        if let Err(error) = unsafe { sys::call(libc::SYS_prctl, &arguments) } {
            tell::cannot(format_args!("PR_SET_MM: {error}"));
        }
    }
    assert_eq!(fs::read("/proc/self/cmdline").unwrap(), name);
    open_as_ourselves(scene, "moved-argv");
}

/// Where the arguments are, as /proc has it.
fn argument_bounds() -> [usize; 2] {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The second field is in brackets and can hold anything.
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    [48, 49].map(|number| fields[number - 3].parse().unwrap())
}

/// One thread takes other credentials by the plain system call; the process
/// keeps its own.
fn thread_credentials(scene: &Scene) {
    let files = [scene.file("by-the-thread"), scene.file("by-the-process")];
    thread::scope(|scope| {
        scope.spawn(|| {
            set_thread_res_gid(Gid::from_raw(65_534), Gid::from_raw(65_534), Gid::from_raw(65_534)).unwrap();
            set_thread_res_uid(Uid::from_raw(65_534), Uid::from_raw(65_534), Uid::from_raw(65_534)).unwrap();
            tell::open_of(&files[0], &File::open(&files[0]).unwrap());
        });
    });
    tell::open_of(&files[1], &File::open(&files[1]).unwrap());
}
