//! Workloads of single system calls.

use std::{
    ffi::CString,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::ffi::OsStrExt as _,
    path::Path,
    thread,
    time::Duration,
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    net::{
        AddressFamily, SocketFlags, SocketType, connect as connect_to, ipproto, socket_with,
        sockopt::set_socket_linger,
    },
    process::getppid,
    thread::{UnshareFlags, unshare_unsafe},
};

use super::Work;
use crate::Result;

/// Opens and closes one file.
pub fn open(directory: &Path) -> Result<Work> {
    let path = file(directory, "one")?;
    Ok(Work::Each(Box::new(move |_| open_once(&path))))
}

/// A system call that nobody watches.
pub fn other() -> Work {
    Work::Each(Box::new(|_| {
        std::hint::black_box(getppid());
        Ok(())
    }))
}

/// Connects to a listener of its own and closes both ends.
pub fn connect() -> Result<Work> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok(Work::Each(Box::new(move |_| connect_once(&listener, &address))))
}

/// Two loops of `open` at once, half of the count each.
pub fn two(directory: &Path) -> Result<Work> {
    let paths = [file(directory, "first")?, file(directory, "second")?];
    Ok(Work::Whole(Box::new(move |count| {
        thread::scope(|scope| {
            let loops = paths.each_ref().map(|path| scope.spawn(move || open_apart(path, count / 2)));
            loops.into_iter().try_for_each(|one| one.join().map_err(|_| "a thread panicked")?)
        })
    })))
}

/// With descriptors of its own: threads that share theirs wait for each other.
fn open_apart(path: &CString, count: u64) -> Result {
    // SAFETY: this thread uses no descriptor of another's from here on.
    unsafe { unshare_unsafe(UnshareFlags::FILES) }?;
    (0..count).try_for_each(|_| open_once(path))
}

fn file(directory: &Path, name: &str) -> Result<CString> {
    let path = directory.join(name);
    fs::write(&path, name)?;
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn open_once(path: &CString) -> Result {
    openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(())
}

/// Closed with a reset: ports that wait for their last packets would run out.
fn connect_once(listener: &TcpListener, address: &SocketAddr) -> Result {
    let socket =
        socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, Some(ipproto::TCP))?;
    set_socket_linger(&socket, Some(Duration::ZERO))?;
    connect_to(&socket, address)?;
    listener.accept()?;
    Ok(())
}
