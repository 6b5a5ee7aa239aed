//! System calls that no crate here has.

use std::{
    fs::File,
    io,
    os::fd::{FromRawFd as _, OwnedFd, RawFd},
    ptr,
};

use rustix::{
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous},
    process::{Pid, WaitOptions, waitpid},
};

/// The size of a page on x86-64.
pub const PAGE: usize = 4096;

/// Makes a system call.
///
/// # Safety
/// The arguments must be what the call's manual asks for; what it writes to
/// must be valid for that.
pub unsafe fn call(number: libc::c_long, arguments: &[usize]) -> io::Result<usize> {
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
    let [a, b, c, d, e, f] = std::array::from_fn(argument);
    // SAFETY: as the caller promises.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Makes a system call that returns a new descriptor.
///
/// # Safety
/// As for [`call`].
pub unsafe fn call_fd(number: libc::c_long, arguments: &[usize]) -> io::Result<OwnedFd> {
    // SAFETY: as the caller promises.
    let descriptor = unsafe { call(number, arguments) }?;
    // SAFETY: the call has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(RawFd::try_from(descriptor).unwrap()) })
}

/// A page of the process's own memory below 4 GiB.
pub fn low_page() -> *mut u8 {
    // `MAP_32BIT`
    let flags = MapFlags::PRIVATE | MapFlags::from_bits_retain(0x40);
    // SAFETY: the kernel chooses the address, so nothing is replaced.
    let page = unsafe { mmap_anonymous(ptr::null_mut(), PAGE, ProtFlags::READ | ProtFlags::WRITE, flags) };
    page.unwrap().cast()
}

/// Empty pages.
pub fn pages(count: usize) -> *mut u8 {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the kernel chooses the address, so nothing is replaced.
    let pages = unsafe { mmap_anonymous(ptr::null_mut(), PAGE * count, protection, MapFlags::PRIVATE) };
    pages.unwrap().cast()
}

/// The first page of a file, which this process has not touched.
pub fn untouched_page_of(file: &File) -> *const u8 {
    // SAFETY: the kernel chooses the address, so nothing is replaced.
    let page = unsafe { mmap(ptr::null_mut(), PAGE, ProtFlags::READ, MapFlags::PRIVATE, file, 0) };
    let page = page.unwrap();
    // SAFETY: the page is ours, and its content is the file's.
    unsafe { madvise(page, PAGE, Advice::LinuxDontNeed) }.unwrap();
    page.cast_const().cast()
}

/// Opens a path for reading through the 32-bit entry of the kernel; a negative
/// result is an error number.
#[cfg(target_arch = "x86_64")]
pub fn open_by_int80(path: &[u8]) -> i32 {
    /// `open` of asm/unistd_32.h.
    const OPEN: i32 = 5;
    assert!(path.len() < PAGE);
    let page = low_page();
    // SAFETY: the path is shorter than the page, whose rest is zero.
    unsafe { page.copy_from_nonoverlapping(path.as_ptr(), path.len()) };
    let mut result = OPEN;
    // SAFETY: the call reads the path and changes no memory; rbx, which the
    // compiler keeps for itself, is put back.
    unsafe {
        std::arch::asm!(
            "push rbx",
            "mov ebx, {address:e}",
            "int 0x80",
            "pop rbx",
            address = in(reg) u32::try_from(page.addr()).unwrap(),
            inlateout("eax") result,
            in("ecx") 0,
            in("edx") 0,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
        );
    }
    result
}

/// There is no such entry elsewhere.
#[cfg(not(target_arch = "x86_64"))]
pub fn open_by_int80(_path: &[u8]) -> i32 {
    -libc::ENOSYS
}

/// Starts a child that does this and then ends, without a program of its own.
/// Only where this process has one thread.
pub fn fork(child: impl FnOnce()) -> u32 {
    // SAFETY: there is one thread, so the child finds no lock taken.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        child();
        std::process::exit(0);
    }
    u32::try_from(pid).expect("a process can be made")
}

/// A process id as rustix has it.
pub fn pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

/// Waits for a child's end.
pub fn wait(child: u32) {
    waitpid(Some(pid(child)), WaitOptions::empty()).unwrap();
}

/// Waits until a child that is traced has stopped.
pub fn wait_stopped(child: u32) {
    waitpid(Some(pid(child)), WaitOptions::UNTRACED).unwrap();
}
