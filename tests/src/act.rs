//! Who acts in a test.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use rustix::{
    mount::{MountPropagationFlags, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

/// A login uid of its own. The kernel keeps it for each thread, so a person is
/// a thread for as long as it acts, and what it starts is its own as well.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// The login uid.
    pub auid: u32,
}

impl Person {
    /// Somebody whom no other test knows.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "there is nothing default about a new person")]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // No range of the system's, of containers or of tests that run beside.
        Self { auid: 0x7000_0000 | (std::process::id() & 0xf_ffff) << 8 | number & 0xff }
    }

    /// Does something as this person, in a session of its own.
    ///
    /// # Panics
    /// When that does, and without the right to log in.
    pub fn act<T: Send>(self, act: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let done = scope.spawn(|| {
                fs::write("/proc/thread-self/loginuid", self.auid.to_string()).expect("root may log in");
                act()
            });
            match done.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

/// The audit session of this thread.
///
/// # Panics
/// Without audit in the kernel.
#[must_use]
pub fn session_id() -> u32 {
    let id = fs::read_to_string("/proc/thread-self/sessionid").expect("the kernel has audit");
    id.parse().expect("a number")
}

/// Gives this thread a working directory and a root of its own.
///
/// # Panics
/// When the kernel refuses.
pub fn own_directories() {
    // SAFETY: nothing in these tests counts on threads sharing a directory.
    unsafe { unshare_unsafe(UnshareFlags::FS) }.expect("a thread may leave its file system information");
}

/// Gives this thread mounts of its own, and what `own_directories` does.
///
/// # Panics
/// When the kernel refuses.
pub fn own_mounts() {
    // SAFETY: as above.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("root may leave the mount namespace");
    mount_change(Path::new("/"), MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .expect("root may change mounts");
}
