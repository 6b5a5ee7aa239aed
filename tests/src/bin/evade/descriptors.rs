//! Files that come as descriptors, and files that are read without `read`.

use std::{
    fs::{self, File, OpenOptions},
    io::{IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _, unix::net::UnixStream},
    ptr,
};

use rustix::{
    mm::{MapFlags, ProtFlags, mmap},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
    process::{PidfdFlags, PidfdGetfdFlags, kill_process, pidfd_getfd, pidfd_open},
};
use serde_json::{Value, json};

use crate::{Act, Scene, sys, tell};

pub const ACTS: &[(&str, Act)] = &[("scm-rights", scm_rights), ("pidfd-getfd", by_pidfd), ("copy", copy)];

/// This process has received this file.
fn received(pid: u32, file: &fs::Metadata) -> Value {
    json!({
        "type": "file_receive",
        "process": { "pid": pid },
        "fileReceive": { "$mentions": [file.ino()] },
    })
}

/// Over a unix socket, to a process that opens nothing.
fn scm_rights(scene: &Scene) {
    let file = scene.file("secret");
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = sys::fork(|| assert!(receive(&theirs).metadata().unwrap().is_file()));
    tell::pid(child);
    let opened = File::open(&file).unwrap();
    tell::begin();
    let descriptors = [opened.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(&ours, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
    sys::wait(child);
    tell::expect(received(child, &opened.metadata().unwrap()));
    tell::truth(&format!("{} received by {child}", tell::text(&file)));
}

fn receive(from: &UnixStream) -> File {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::empty()).unwrap();
    let mut files = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors.map(File::from)),
        _ => None,
    });
    files.next().unwrap().next().unwrap()
}

/// Out of another process, which does nothing for it.
fn by_pidfd(scene: &Scene) {
    let file = scene.file("secret");
    let metadata = fs::metadata(&file).unwrap();
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    // The child has the file, this process never opens it.
    let child = sys::fork(|| {
        let opened = File::open(&file).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&opened);
        theirs.write_all(&number.to_ne_bytes()).unwrap();
        loop {
            std::thread::park();
        }
    });
    tell::pid(child);
    let mut number = [0; 4];
    ours.read_exact(&mut number).unwrap();
    tell::begin();
    let stolen = pidfd_open(sys::pid(child), PidfdFlags::empty())
        .and_then(|pidfd| pidfd_getfd(pidfd, i32::from_ne_bytes(number), PidfdGetfdFlags::empty()));
    kill_process(sys::pid(child), rustix::process::Signal::KILL).unwrap();
    sys::wait(child);
    match stolen {
        Ok(stolen) => assert_eq!(File::from(stolen).metadata().unwrap().ino(), metadata.ino()),
        Err(error) => tell::cannot(format_args!("pidfd_getfd: {error}")),
    }
    tell::expect(received(std::process::id(), &metadata));
    tell::truth(&format!("{} taken from {child}", tell::text(&file)));
}

/// `sendfile`, `splice`, `copy_file_range` and `mmap`: the opens are the report.
fn copy(scene: &Scene) {
    let files = ["by-sendfile", "by-splice", "by-copy-file-range", "by-mmap"].map(|name| scene.file(name));
    let target = scene.path("target");
    let to = OpenOptions::new().create(true).write(true).truncate(false).open(&target).unwrap();
    let [sendfile, splice, range, map] = files.each_ref().map(|file| File::open(file).unwrap());
    let refused = |error: &dyn std::fmt::Display| tell::cannot(error);
    rustix::fs::sendfile(&to, &sendfile, None, 3).unwrap_or_else(|error| refused(&error));
    let mut pipe = [0; 2];
    // SAFETY: the call writes two descriptors.
    unsafe { sys::call(libc::SYS_pipe2, &[pipe.as_mut_ptr().addr(), 0]) }.unwrap();
    let from = std::os::fd::AsRawFd::as_raw_fd(&splice) as usize;
    // SAFETY: without offsets the call takes numbers only.
    let spliced = unsafe { sys::call(libc::SYS_splice, &[from, 0, pipe[1] as usize, 0, 3, 0]) };
    spliced.unwrap_or_else(|error| refused(&error));
    rustix::fs::copy_file_range(&range, None, &to, None, 3).unwrap_or_else(|error| refused(&error));
    // SAFETY: the kernel chooses the address, so nothing is replaced.
    unsafe { mmap(ptr::null_mut(), 3, ProtFlags::READ, MapFlags::PRIVATE, &map, 0) }.unwrap();
    for (file, opened) in files.iter().zip([&sendfile, &splice, &range, &map]) {
        tell::open_of(file, opened);
    }
    tell::open_of(&target, &to);
}
