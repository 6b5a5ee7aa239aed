//! Login sessions as the kernel programs keep them, by thread.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The file of a program that begins sessions: sshd, login, cron and their like.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Program {
    /// `inode.i_ino`.
    pub inode: u64,
    /// `super_block.s_dev`, as [`FileId::device`](crate::file::FileId).
    pub device: u64,
}

/// The session of a thread.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Session {
    /// `CLOCK_BOOTTIME` when it was begun, nanoseconds; 0 for one that was there
    /// before the sensor.
    pub start_ns: u64,
    /// The login uid it was begun with.
    pub loginuid: u32,
    /// The audit session it was begun with.
    pub sessionid: u32,
    /// The thread's login uid when it was last looked at: another one since
    /// was written without the hook for that having seen it.
    pub last_loginuid: u32,
    /// `task_struct.sessionid` of the same moment.
    pub last_sessionid: u32,
}
