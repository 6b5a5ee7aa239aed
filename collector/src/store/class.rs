//! What kind of act a file has: the last part of its partition.

use std::{error::Error, fmt, str::FromStr};

use activity_proto::v1::EventType;

/// The kinds, after the categories of OCSF; each type of event belongs to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What processes do with themselves and each other.
    Process,
    /// What is done with files.
    File,
    /// What is done with sockets.
    Network,
    /// Who comes, goes and becomes somebody else.
    Identity,
    /// What changes the kernel.
    Kernel,
    /// What sensors tell of themselves, and what no other class knows.
    Sensor,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Process, Self::File, Self::Network, Self::Identity, Self::Kernel, Self::Sensor];

    /// That of a type.
    pub fn of_type(kind: EventType) -> Self {
        match kind {
            EventType::Exec
            | EventType::Exit
            | EventType::CredentialChange
            | EventType::LoginuidSet
            | EventType::Ptrace
            | EventType::ExecMapping => Self::Process,
            EventType::Open
            | EventType::FileReceive
            | EventType::Rename
            | EventType::Link
            | EventType::Unlink
            | EventType::Chmod
            | EventType::Chown
            | EventType::Mount => Self::File,
            EventType::Connect | EventType::Listen | EventType::Accept | EventType::Socket => Self::Network,
            EventType::SessionStart
            | EventType::SessionUpdate
            | EventType::SessionEnd
            | EventType::LoginFailed
            | EventType::AccountSwitch => Self::Identity,
            EventType::BpfLoad | EventType::ModuleLoad | EventType::Tamper => Self::Kernel,
            EventType::Unspecified
            | EventType::Gap
            | EventType::Status
            | EventType::Heartbeat
            | EventType::Silence => Self::Sensor,
        }
    }

    /// That of a type's name in the column `type`; `None` where there is no such type.
    pub fn of_name(name: &str) -> Option<Self> {
        // Types are numbered from 1 without holes.
        let mut types = (1..).map_while(|number| EventType::try_from(number).ok());
        types.find(|kind| kind.short_name() == name).map(Self::of_type)
    }

    /// Its name, as in `class=process`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::File => "file",
            Self::Network => "network",
            Self::Identity => "identity",
            Self::Kernel => "kernel",
            Self::Sensor => "sensor",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no class of this name.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAClass;

impl fmt::Display for NotAClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such class")
    }
}

impl Error for NotAClass {}

impl FromStr for Class {
    type Err = NotAClass;

    fn from_str(name: &str) -> Result<Self, NotAClass> {
        Self::ALL.into_iter().find(|class| class.name() == name).ok_or(NotAClass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_found_by_its_name_and_every_type_by_its_own() {
        for class in Class::ALL {
            assert_eq!(class.name().parse(), Ok(class));
        }
        assert_eq!("".parse::<Class>(), Err(NotAClass));
        for (name, class) in [("open", Class::File), ("silence", Class::Sensor), ("tamper", Class::Kernel)] {
            assert_eq!(Class::of_name(name), Some(class), "{name}");
        }
        assert_eq!(Class::of_name("nothing"), None);
    }
}
