//! Who a thread is: its users, groups, capabilities and login uid.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::header::Header;

/// What `struct cred` says, in the initial user namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Ids {
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Saved user id.
    pub suid: u32,
    /// User id for files.
    pub fsuid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Saved group id.
    pub sgid: u32,
    /// Group id for files.
    pub fsgid: u32,
    /// Effective capabilities, by number of bit.
    pub capabilities: u64,
}

/// A thread's credentials were changed.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CredentialChange {
    /// The thread, with its credentials before the change where `old_known`.
    pub header: Header,
    /// Before.
    pub old: Ids,
    /// After.
    pub new: Ids,
    /// 1: `old` is there.
    pub old_known: u32,
    /// 0, or the negative error number; then `new` is as `old`.
    pub result: i32,
}

/// The login uid of a thread was set.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct LoginuidSet {
    /// The thread, which alone can set its own; with the login uid before, as
    /// which it did so.
    pub header: Header,
    /// [`crate::header::UNSET`] where there was none.
    pub old_loginuid: u32,
    /// [`crate::header::UNSET`] where there was none.
    pub old_sessionid: u32,
    /// As tried.
    pub new_loginuid: u32,
    /// After.
    pub new_sessionid: u32,
    /// Seen only at the thread's next act, so the time is later than the
    /// setting: 1 and the number of that [`Act`](crate::act::Act); 0 where it was
    /// seen at once.
    pub noticed: u32,
    /// 0, or the negative error number.
    pub result: i32,
    /// 1: the program is one of the [login programs](crate::session::Program), so
    /// this begins a session.
    pub by_login_program: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<CredentialChange>() == size_of::<Header>() + 88);
const _: () = assert!(size_of::<LoginuidSet>() == size_of::<Header>() + 32);
