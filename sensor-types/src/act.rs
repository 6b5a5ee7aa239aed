//! The kinds of act there are.

/// Declares the acts: one line each, from which the enumeration, the way back
/// from a number and the list of all are made.
macro_rules! acts {
    ($($(#[$doc:meta])+ $act:ident = $number:literal, $name:literal;)+) => {
        /// What somebody did. The number is a record's kind, an index into the
        /// counters and a bit of [`crate::policy::Settings::acts`]; it travels
        /// as a number and is tried, never cast.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Act { $($(#[$doc])+ $act = $number),+ }

        impl Act {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$act),+];

            /// The act with this number, if there is one.
            #[must_use]
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$act),)+ _ => None }
            }

            /// The name in status, configuration and messages.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$act => $name),+ }
            }

            /// Its bit in [`crate::policy::Settings::acts`].
            #[must_use]
            pub const fn bit(self) -> u32 {
                1 << self as u32
            }
        }
    };
}

acts! {
    /// A process was made: [`crate::process::Fork`].
    Fork = 0, "fork";
    /// A program was started, or could not be: [`crate::process::Exec`].
    Exec = 1, "exec";
    /// A process ended: [`crate::process::Exit`].
    Exit = 2, "exit";
    /// A file was opened, or could not be: [`crate::file::Open`].
    Open = 3, "open";
    /// A socket was connected, or a datagram sent without: [`crate::network::Socket`].
    Connect = 4, "connect";
    /// A socket listens: [`crate::network::Socket`].
    Listen = 5, "listen";
    /// A connection was accepted: [`crate::network::Socket`].
    Accept = 6, "accept";
    /// A raw or packet socket was made: [`crate::network::Socket`].
    Socket = 7, "socket";
    /// [`crate::file::Change`]
    Rename = 8, "rename";
    /// A hard or symbolic link: [`crate::file::Change`].
    Link = 9, "link";
    /// A name was removed, a directory's too: [`crate::file::Change`].
    Unlink = 10, "unlink";
    /// [`crate::file::Change`]
    Chmod = 11, "chmod";
    /// [`crate::file::Change`]
    Chown = 12, "chown";
    /// Mounted, moved or unmounted: [`crate::file::Change`].
    Mount = 13, "mount";
    /// User, group or capabilities of a thread: [`crate::credentials::CredentialChange`].
    CredentialChange = 14, "credential_change";
    /// [`crate::credentials::LoginuidSet`]
    LoginuidSet = 15, "loginuid_set";
    /// Another process's memory or descriptors: [`crate::system::Ptrace`].
    Ptrace = 16, "ptrace";
    /// A program was loaded into the kernel, or ours were touched: [`crate::system::Bpf`].
    Bpf = 17, "bpf_load";
    /// [`crate::system::Module`]
    ModuleLoad = 18, "module_load";
    /// A descriptor came from another process: [`crate::file::Open`].
    FileReceive = 19, "file_receive";
    /// A file that others than root can change was mapped as code: [`crate::file::Open`].
    ExecMapping = 20, "exec_mapping";
    /// One level of what leads to a program, such as a script; goes into the
    /// exec event: [`crate::file::Open`].
    Interpreter = 21, "interpreter";
    /// Counted only: opens asked of io_uring that the plan cannot see.
    IoUringOpen = 22, "io_uring_open";
    /// Counted only: connects asked of io_uring that the plan cannot see.
    IoUringConnect = 23, "io_uring_connect";
}
