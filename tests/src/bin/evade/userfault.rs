//! A path of which the process itself provides the end while the call waits.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::ffi::OsStrExt as _},
    thread,
};

use crate::{Act, Scene, sys, tell};

pub const ACTS: &[(&str, Act)] = &[("userfault", userfault)];

// linux/userfaultfd.h
const API: usize = 0xc018_aa3f;
const REGISTER: usize = 0xc020_aa00;
const COPY: usize = 0xc028_aa03;
const API_VERSION: u64 = 0xaa;
const MODE_MISSING: u64 = 1;

/// The path's last letters lie in a page that does not exist before the kernel
/// asks for it, and then its first letter becomes another, for those who read
/// late.
fn userfault(scene: &Scene) {
    let file = scene.file("secret");
    let bytes = file.as_os_str().as_bytes();
    let (begin, end) = bytes.split_at(bytes.len() - "cret".len());
    let pages = sys::pages(2);
    let second = pages.wrapping_add(sys::PAGE);
    let path = second.wrapping_sub(begin.len());
    // SAFETY: the first part is shorter than the first page.
    unsafe { path.copy_from_nonoverlapping(begin.as_ptr(), begin.len()) };

    // SAFETY: the call takes flags only.
    let faults = match unsafe { sys::call_fd(libc::SYS_userfaultfd, &[libc::O_CLOEXEC as usize]) } {
        Ok(faults) => File::from(faults),
        Err(error) => tell::cannot(format_args!("userfaultfd: {error}")),
    };
    ioctl(&faults, API, &mut [API_VERSION, 0, 0]);
    let page = [second.addr() as u64, sys::PAGE as u64];
    ioctl(&faults, REGISTER, &mut [page[0], page[1], MODE_MISSING, 0]);

    let path_at = path.addr();
    let opened = thread::scope(|scope| {
        scope.spawn(|| provide(&faults, end, path_at, begin));
        let here = libc::AT_FDCWD as usize;
        // SAFETY: the path ends in NUL when the kernel has it.
        unsafe { sys::call_fd(libc::SYS_openat, &[here, path_at, 0, 0]) }.unwrap()
    });
    tell::open_of(&file, &opened.into());
}

/// Waits for the kernel's question, changes the path's begin, and answers.
fn provide(mut faults: &File, end: &[u8], path: usize, begin: &[u8]) {
    let mut question = [0; 32];
    faults.read_exact(&mut question).unwrap();
    let mut page = vec![0; sys::PAGE];
    (&mut page[..]).write_all(end).unwrap();
    let letter = std::ptr::with_exposed_provenance_mut::<u8>(path + 1);
    // SAFETY: the letter lies in the first page; the kernel may read it
    // meanwhile, which is the point.
    unsafe { letter.write_volatile(b'~') };
    let to = (path + begin.len()) as u64;
    ioctl(faults, COPY, &mut [to, page.as_ptr().addr() as u64, sys::PAGE as u64, 0, 0]);
}

fn ioctl(faults: &File, what: usize, argument: &mut [u64]) {
    let arguments = [faults.as_raw_fd() as usize, what, argument.as_mut_ptr().addr()];
    // SAFETY: the argument is the structure that the number stands for.
    unsafe { sys::call(libc::SYS_ioctl, &arguments) }.unwrap();
}
