//! Opens a file for reading through the 32-bit entry of the kernel, from a
//! 64-bit program: the way past a hook that looks at 64-bit numbers only.

use std::{env, os::unix::ffi::OsStrExt as _, process::ExitCode};

fn main() -> ExitCode {
    let Some(path) = env::args_os().nth(1) else { return ExitCode::from(64) };
    match open(path.as_bytes()) {
        Some(descriptor) if descriptor >= 0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

#[cfg(target_arch = "x86_64")]
fn open(path: &[u8]) -> Option<i32> {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

    /// `open` of asm/unistd_32.h.
    const OPEN: i32 = 5;
    const PAGE: usize = 4096;
    if path.len() >= PAGE {
        return None;
    }
    // `MAP_32BIT`, since the entry takes 32 bits of an address.
    let low = MapFlags::PRIVATE | MapFlags::from_bits_retain(0x40);
    // SAFETY: the kernel chooses the address, so nothing is replaced.
    let page = unsafe { mmap_anonymous(std::ptr::null_mut(), PAGE, ProtFlags::READ | ProtFlags::WRITE, low) };
    let page = page.ok()?.cast::<u8>();
    // SAFETY: the path is shorter than the page, whose rest is zero.
    unsafe { page.copy_from_nonoverlapping(path.as_ptr(), path.len()) };
    let address = u32::try_from(page.addr()).ok()?;
    let mut result = OPEN;
    // SAFETY: the call reads the path and changes no memory; rbx, which the
    // compiler keeps for itself, is put back.
    unsafe {
        std::arch::asm!(
            "push rbx",
            "mov ebx, {address:e}",
            "int 0x80",
            "pop rbx",
            address = in(reg) address,
            inlateout("eax") result,
            in("ecx") 0,
            in("edx") 0,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
        );
    }
    Some(result)
}

#[cfg(not(target_arch = "x86_64"))]
fn open(_path: &[u8]) -> Option<i32> {
    None
}
