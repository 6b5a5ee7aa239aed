//! Sets of event types, and what each type has that a rule can ask for.

use activity_proto::v1::EventType;
use serde::{Serialize, Serializer};

/// A set of event types, by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Types(u64);

impl Types {
    /// What no rule can decide about: what the sensor says of itself.
    const OWN: Self = Self::of(&[
        EventType::Unspecified,
        EventType::Gap,
        EventType::Status,
        EventType::SessionStart,
        EventType::SessionUpdate,
        EventType::SessionEnd,
        EventType::LoginFailed,
        EventType::AccountSwitch,
        EventType::Heartbeat,
        EventType::Silence,
    ]);
    /// Rare, and of the whole machine's concern.
    pub const MACHINE: Self =
        Self::of(&[EventType::LoginuidSet, EventType::BpfLoad, EventType::ModuleLoad, EventType::Tamper]);
    /// Acts on files and sockets.
    pub const FILES_AND_SOCKETS: Self = Self::of(&[
        EventType::Open,
        EventType::Connect,
        EventType::FileReceive,
        EventType::Listen,
        EventType::Accept,
        EventType::Socket,
        EventType::Rename,
        EventType::Link,
        EventType::Unlink,
        EventType::Chmod,
        EventType::Chown,
        EventType::ExecMapping,
    ]);
    /// Those with a path.
    pub const WITH_PATH: Self = Self::of(&[
        EventType::Exec,
        EventType::Open,
        EventType::Connect,
        EventType::Listen,
        EventType::Accept,
        EventType::Rename,
        EventType::Link,
        EventType::Unlink,
        EventType::Chmod,
        EventType::Chown,
        EventType::Mount,
        EventType::FileReceive,
        EventType::ExecMapping,
    ]);
    /// Those that say what a descriptor allows.
    pub const WITH_ACCESS: Self = Self::of(&[EventType::Open, EventType::FileReceive]);
    /// Those with an address and a port.
    pub const WITH_ADDRESS: Self = Self::of(&[EventType::Connect, EventType::Listen, EventType::Accept]);
    /// Those that the kernel programs leave out by themselves where neither a
    /// login uid nor a terminal is behind them.
    pub const LEFT_OUT_IN_KERNEL: Self = Self(Self::ALL.0 & !Self::PROCESS.0);
    /// Process events always come out of the kernel.
    const PROCESS: Self =
        Self(Self::of(&[EventType::Exec, EventType::Exit]).0 | Self::MACHINE.0 | Self::OWN.0);
    /// Everything that rules decide about.
    pub const ALL: Self = Self(Self::up_to(EventType::Silence) & !Self::OWN.0);
    /// The same without what matters whoever does it.
    pub const USUAL: Self = Self(Self::ALL.0 & !Self::MACHINE.0);

    /// These types.
    #[must_use]
    pub const fn of(types: &[EventType]) -> Self {
        let mut bits = 0;
        let mut rest = types;
        while let [first, others @ ..] = rest {
            bits |= 1 << *first as i32;
            rest = others;
        }
        Self(bits)
    }

    const fn up_to(last: EventType) -> u64 {
        (1 << (last as i32 + 1)) - 1
    }

    /// Whether this type is in it.
    #[must_use]
    pub const fn contains(self, event_type: EventType) -> bool {
        self.0 & 1 << event_type as i32 != 0
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// As bits, by the numbers of the types.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The names of what is in it.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let numbers = (0..64).filter(move |number| self.0 & 1 << number != 0);
        numbers.filter_map(|number| Some(EventType::try_from(number).ok()?.short_name()))
    }
}

impl Serialize for Types {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_decided_about_or_of_the_sensors_own_making() {
        for number in 0..64 {
            let Ok(event_type) = EventType::try_from(number) else { continue };
            assert_ne!(Types::ALL.contains(event_type), Types::OWN.contains(event_type), "{event_type:?}");
        }
        assert!(!Types::USUAL.contains(EventType::Tamper) && Types::USUAL.contains(EventType::Open));
        assert_eq!(
            Types::of(&[EventType::Open, EventType::Exec]).names().collect::<Vec<_>>(),
            ["exec", "open"]
        );
    }
}
