//! What every record begins with.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Length of `task_struct.comm` and of the terminal names kept here.
pub const NAME_LEN: usize = 16;

/// A 32-bit id that is not set: audit's `AUDIT_UID_UNSET` and
/// `AUDIT_SID_UNSET`.
pub const UNSET: u32 = u32::MAX;

/// Who acted, and when: read from the task at the hook. Process ids are those
/// of the initial pid namespace, user ids of the initial user namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Header {
    /// An [`Act`](crate::act::Act).
    pub kind: u32,
    /// Process id (`task_struct.tgid`).
    pub pid: u32,
    /// `CLOCK_BOOTTIME` at the hook, nanoseconds.
    pub boottime_ns: u64,
    /// `start_boottime` of the thread group leader, nanoseconds.
    pub start_ns: u64,
    /// The same of the real parent's leader.
    pub parent_start_ns: u64,
    /// Inode of the task's control group in the unified hierarchy.
    pub cgroup_id: u64,
    /// Thread id (`task_struct.pid`).
    pub tid: u32,
    /// Process id of the real parent.
    pub parent_pid: u32,
    /// Real user id (`cred.uid`).
    pub uid: u32,
    /// Real group id (`cred.gid`).
    pub gid: u32,
    /// Effective user id (`cred.euid`).
    pub euid: u32,
    /// Effective group id (`cred.egid`).
    pub egid: u32,
    /// `task_struct.loginuid`, [`UNSET`] where nobody logged in.
    pub loginuid: u32,
    /// `task_struct.sessionid`, [`UNSET`] where nobody logged in.
    pub sessionid: u32,
    /// Inode of the mount namespace; 0 where it could not be read.
    pub mount_namespace: u32,
    /// The login uid that the session was begun with, which differs from
    /// `loginuid` when that was written again since; [`UNSET`] where no session
    /// is known.
    pub session_loginuid: u32,
    /// When the session was begun: `CLOCK_BOOTTIME` of the first setting of the
    /// login uid, nanoseconds; 0 where the sensor did not see it.
    pub session_start_ns: u64,
    /// The audit session that the session was begun with; [`UNSET`] where no
    /// session is known.
    pub session_sessionid: u32,
    /// Zero.
    pub reserved: u32,
    /// `task_struct.comm`, ended by NUL.
    pub comm: [u8; NAME_LEN],
    /// Name of the controlling terminal, ended by NUL; empty without one.
    pub tty: [u8; NAME_LEN],
}

const _: () = assert!(size_of::<Header>() == 128);
