//! The system calls that the tracepoint plan looks at.

use crate::act::Act;

/// Entries of the table that tells what a call is: more than there are calls.
pub const CALLS: usize = 576;

/// Declares the calls: `Name = number: act, jump, [64-bit numbers], [32-bit numbers]`.
macro_rules! calls {
    ($($call:ident = $number:literal: $act:ident, $jump:ident, [$($native:literal),*], [$($compat:literal),*];)+) => {
        /// A system call, whatever its number is in the caller's ABI.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each is named after its system call")]
        pub enum Call { $($call = $number),+ }

        impl Call {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$call),+];

            /// The call with this number of ours.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$call),)+ _ => None }
            }

            /// What it is recorded as.
            #[must_use]
            pub const fn act(self) -> Act {
                match self { $(Self::$call => Act::$act),+ }
            }

            /// The program that records it.
            #[must_use]
            pub const fn jump(self) -> Jump {
                match self { $(Self::$call => Jump::$jump),+ }
            }

            /// Its numbers in asm/unistd_64.h, x32's own among them.
            #[must_use]
            pub const fn native(self) -> &'static [u16] {
                match self { $(Self::$call => &[$($native),*]),+ }
            }

            /// Its numbers in asm/unistd_32.h.
            #[must_use]
            pub const fn compat(self) -> &'static [u16] {
                match self { $(Self::$call => &[$($compat),*]),+ }
            }
        }
    };
}

/// The programs that the one on the way out of system calls goes on to, by
/// index.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// Opens.
    Open = 0,
    /// Connects.
    Connect = 1,
    /// Starts of programs that failed.
    Exec = 2,
    /// Changes of one object, by its name or descriptor.
    Object = 3,
    /// Changes with two names.
    Names = 4,
    /// Datagrams.
    Send = 5,
    /// Sockets made, connections accepted.
    Socket = 6,
    /// Users, groups, capabilities.
    Credentials = 7,
    /// Other processes.
    Ptrace = 8,
    /// bpf(2).
    Bpf = 9,
    /// Descriptors from elsewhere.
    Receive = 10,
    /// Code mapped.
    Mapping = 11,
}

impl Jump {
    /// All of them, with the program's name in the object.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Open, "call_open"),
        (Self::Connect, "call_connect"),
        (Self::Exec, "call_exec"),
        (Self::Object, "call_object"),
        (Self::Names, "call_names"),
        (Self::Send, "call_send"),
        (Self::Socket, "call_socket"),
        (Self::Credentials, "call_credentials"),
        (Self::Ptrace, "call_ptrace"),
        (Self::Bpf, "call_bpf"),
        (Self::Receive, "call_receive"),
        (Self::Mapping, "call_mapping"),
    ];
}

calls! {
    Open = 1: Open, Open, [2], [5];
    Creat = 2: Open, Open, [85], [8];
    OpenAt = 3: Open, Open, [257], [295];
    OpenAt2 = 4: Open, Open, [437], [437];
    OpenByHandleAt = 5: Open, Open, [304], [342];
    Truncate = 6: Open, Open, [76], [92, 193];
    Connect = 7: Connect, Connect, [42], [362];
    Execve = 8: Exec, Exec, [59, 520], [11];
    ExecveAt = 9: Exec, Exec, [322, 545], [358];
    Unlink = 10: Unlink, Object, [87], [10];
    UnlinkAt = 11: Unlink, Object, [263], [301];
    Rmdir = 12: Unlink, Object, [84], [40];
    Chmod = 13: Chmod, Object, [90], [15];
    Fchmod = 14: Chmod, Object, [91], [94];
    FchmodAt = 15: Chmod, Object, [268, 452], [306, 452];
    Chown = 16: Chown, Object, [92], [182, 212];
    Lchown = 17: Chown, Object, [94], [16, 198];
    Fchown = 18: Chown, Object, [93], [95, 207];
    FchownAt = 19: Chown, Object, [260], [298];
    Umount = 20: Mount, Object, [166], [22, 52];
    Rename = 21: Rename, Names, [82], [38];
    RenameAt = 22: Rename, Names, [264], [302];
    RenameAt2 = 23: Rename, Names, [316], [353];
    Link = 24: Link, Names, [86], [9];
    LinkAt = 25: Link, Names, [265], [303];
    Symlink = 26: Link, Names, [88], [83];
    SymlinkAt = 27: Link, Names, [266], [304];
    Mount = 28: Mount, Names, [165], [21];
    MoveMount = 29: Mount, Names, [429], [429];
    SendTo = 30: Connect, Send, [44], [369];
    SendMsg = 31: Connect, Send, [46, 518], [370];
    SendMmsg = 32: Connect, Send, [307, 538], [345];
    Socket = 33: Socket, Socket, [41], [359];
    Accept = 34: Accept, Socket, [43], [];
    Accept4 = 35: Accept, Socket, [288], [364];
    SetUid = 36: CredentialChange, Credentials, [105, 106, 113, 114, 117, 119, 122, 123], [23, 46, 70, 71, 138, 139, 164, 170, 203, 204, 208, 210, 213, 214, 215, 216];
    CapSet = 37: CredentialChange, Credentials, [126], [185];
    Ptrace = 38: Ptrace, Ptrace, [101, 521], [26];
    ProcessVmReadv = 39: Ptrace, Ptrace, [310, 539], [347];
    ProcessVmWritev = 40: Ptrace, Ptrace, [311, 540], [348];
    Bpf = 41: Bpf, Bpf, [321], [357];
    PidfdGetfd = 42: FileReceive, Receive, [438], [438];
    RecvMsg = 43: FileReceive, Receive, [47, 519], [372];
    Mmap = 44: ExecMapping, Mapping, [9], [192];
}
