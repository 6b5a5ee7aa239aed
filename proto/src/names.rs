//! Names of the enumerations as people and scripts write them.

use crate::v1::{
    Access, ActorLink, Confidence, EventType, Family, GapReason, Lane, Method, MountOperation, PathSource,
    ProcessSource, Protocol, PtraceOperation, Reason, SilenceReason, TamperObject, event::Payload,
};

/// Gives an enumeration its short lower-case names, both ways.
macro_rules! short_names {
    ($($enum:ident { $($variant:ident = $name:literal),+ $(,)? })+) => { $(
        impl $enum {
            /// The name used in JSON, in filters and on the terminal; empty when unspecified.
            #[must_use]
            pub fn short_name(self) -> &'static str {
                match self { Self::Unspecified => "", $(Self::$variant => $name),+ }
            }

            /// The value with this short name.
            #[must_use]
            pub fn from_short_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// Every short name, in the order of the numbers.
            pub const SHORT_NAMES: &'static [&'static str] = &[$($name),+];
        }
    )+ };
}

short_names! {
    EventType {
        Exec = "exec", Exit = "exit", Open = "open", Connect = "connect", Gap = "gap", Status = "status",
        Listen = "listen", Accept = "accept", Socket = "socket", Rename = "rename", Link = "link",
        Unlink = "unlink", Chmod = "chmod", Chown = "chown", Mount = "mount",
        CredentialChange = "credential_change", LoginuidSet = "loginuid_set", Ptrace = "ptrace",
        BpfLoad = "bpf_load", ModuleLoad = "module_load", FileReceive = "file_receive",
        ExecMapping = "exec_mapping", Tamper = "tamper", SessionStart = "session_start",
        SessionUpdate = "session_update", SessionEnd = "session_end", LoginFailed = "login_failed",
        AccountSwitch = "account_switch", Heartbeat = "heartbeat", Silence = "silence",
    }
    Lane { Process = "process", File = "file" }
    Method { Kernel = "kernel", Session = "session", Inferred = "inferred", Inherited = "inherited" }
    Reason {
        NoLogin = "no_login", Container = "container", Batch = "batch", Claimed = "claimed",
        Rewritten = "rewritten", Detached = "detached", SharedTerminal = "shared_terminal",
        UnknownOrigin = "unknown_origin",
    }
    ActorLink { Owner = "owner", Attached = "attached", Asked = "asked" }
    Confidence { Low = "low", Medium = "medium", High = "high" }
    ProcessSource { Kernel = "kernel", Proc = "proc" }
    Access {
        Read = "read", Write = "write", Create = "create", Truncate = "truncate", Append = "append",
        Path = "path",
    }
    PathSource { Kernel = "kernel", Fd = "fd", User = "user", KernelCopy = "kernel_copy" }
    Family {
        Unix = "unix", Inet = "inet", Inet6 = "inet6", Vsock = "vsock", Packet = "packet",
        Netlink = "netlink", Other = "other",
    }
    Protocol {
        Tcp = "tcp", Udp = "udp", Stream = "stream", Datagram = "datagram", Seqpacket = "seqpacket",
        Raw = "raw", Icmp = "icmp", Packet = "packet",
    }
    MountOperation { Mount = "mount", Move = "move", Unmount = "unmount" }
    PtraceOperation {
        Attach = "attach", Request = "request", MemoryWrite = "memory_write", MemoryRead = "memory_read",
        Descriptor = "descriptor",
    }
    TamperObject { Program = "program", Map = "map", Link = "link" }
    GapReason {
        RingFull = "ring_full", Decode = "decode", SlowSubscriber = "slow_subscriber",
        NotConnected = "not_connected", CpuLimit = "cpu_limit", SpoolFull = "spool_full",
        SpoolDamaged = "spool_damaged", SpoolWrite = "spool_write", UncleanEnd = "unclean_end",
    }
    SilenceReason {
        Disconnected = "disconnected", NoHeartbeat = "no_heartbeat", Stopped = "stopped",
        NeverReached = "never_reached",
    }
}

impl Payload {
    /// The type of an event with this payload.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self {
            Self::Exec(_) => EventType::Exec,
            Self::Exit(_) => EventType::Exit,
            Self::Open(_) => EventType::Open,
            Self::Connect(_) => EventType::Connect,
            Self::Gap(_) => EventType::Gap,
            Self::Status(_) => EventType::Status,
            Self::Listen(_) => EventType::Listen,
            Self::Accept(_) => EventType::Accept,
            Self::Socket(_) => EventType::Socket,
            Self::Rename(_) => EventType::Rename,
            Self::Link(_) => EventType::Link,
            Self::Unlink(_) => EventType::Unlink,
            Self::Chmod(_) => EventType::Chmod,
            Self::Chown(_) => EventType::Chown,
            Self::Mount(_) => EventType::Mount,
            Self::CredentialChange(_) => EventType::CredentialChange,
            Self::LoginuidSet(_) => EventType::LoginuidSet,
            Self::Ptrace(_) => EventType::Ptrace,
            Self::BpfLoad(_) => EventType::BpfLoad,
            Self::ModuleLoad(_) => EventType::ModuleLoad,
            Self::FileReceive(_) => EventType::FileReceive,
            Self::ExecMapping(_) => EventType::ExecMapping,
            Self::Tamper(_) => EventType::Tamper,
            Self::SessionStart(_) => EventType::SessionStart,
            Self::SessionUpdate(_) => EventType::SessionUpdate,
            Self::SessionEnd(_) => EventType::SessionEnd,
            Self::LoginFailed(_) => EventType::LoginFailed,
            Self::AccountSwitch(_) => EventType::AccountSwitch,
            Self::Heartbeat(_) => EventType::Heartbeat,
            Self::Silence(_) => EventType::Silence,
        }
    }
}

impl crate::v1::Event {
    /// The type of this event; unspecified when a newer sensor sent a payload
    /// that this build does not know.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        self.payload.as_ref().map_or(EventType::Unspecified, Payload::event_type)
    }
}
