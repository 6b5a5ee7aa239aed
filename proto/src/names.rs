//! Names of the enumerations as people and scripts write them.

use crate::v1::{
    Access, Confidence, EventType, Family, GapReason, Lane, Method, PathSource, ProcessSource, Protocol,
    event::Payload,
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
    }
    Lane { Process = "process", File = "file" }
    Method { Kernel = "kernel", Session = "session", Inferred = "inferred" }
    Confidence { Low = "low", Medium = "medium", High = "high" }
    ProcessSource { Kernel = "kernel", Proc = "proc" }
    Access {
        Read = "read", Write = "write", Create = "create", Truncate = "truncate", Append = "append",
        Path = "path",
    }
    PathSource { Kernel = "kernel", Fd = "fd", User = "user" }
    Family { Unix = "unix", Inet = "inet", Inet6 = "inet6" }
    Protocol {
        Tcp = "tcp", Udp = "udp", Stream = "stream", Datagram = "datagram", Seqpacket = "seqpacket",
        Raw = "raw", Icmp = "icmp",
    }
    GapReason {
        RingFull = "ring_full", Decode = "decode", SlowSubscriber = "slow_subscriber",
        NotConnected = "not_connected",
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
