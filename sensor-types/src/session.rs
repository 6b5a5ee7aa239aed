//! Login sessions as the kernel programs keep them, by thread.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

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
