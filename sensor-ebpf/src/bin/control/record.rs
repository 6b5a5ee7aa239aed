//! What the control writes into its ring buffer; the tests include this file.

/// Most bytes of a path: as much as the kernel takes.
pub const TEXT_LEN: usize = 4096;

/// One system call at its entry.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Record {
    /// Nanoseconds since boot.
    pub time: u64,
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Real user id.
    pub uid: u32,
    /// Number of the system call, as a 64-bit program counts.
    pub syscall: u32,
    /// Bytes in `text`; negative: the caller's memory could not be read.
    pub length: i64,
    /// The path without its NUL, or the socket address.
    pub text: [u8; TEXT_LEN],
}
