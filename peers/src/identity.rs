//! Who a peer is, as its certificate says it, and what that role may do.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// What the URIs of identities begin with.
const SCHEME: &str = "activity://";
/// Longest name and longest tenant.
const NAME_MAX: usize = 63;

/// The name of a peer or a tenant: 1 to 63 of `a-z 0-9 . _ -`, of which the first is a
/// letter or a digit, so that it can be a file's name or an argument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = NotAnIdentity;

    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let allowed = |byte: u8| plain(byte) || matches!(byte, b'.' | b'_' | b'-');
        let well_formed =
            text.len() <= NAME_MAX && text.bytes().next().is_some_and(plain) && text.bytes().all(allowed);
        well_formed.then(|| Self(text.to_owned())).ok_or(NotAnIdentity::Name)
    }
}

/// What a peer is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Records, and delivers what it recorded.
    Sensor,
    /// Receives events and says which it has stored.
    Collector,
    /// Looks on.
    Viewer,
    /// Looks on and changes what a program does.
    Admin,
}

/// What a call does, as far as permission to it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// See events, sessions and the status.
    Read,
    /// Say that events are stored, so that they need not be kept any more.
    Acknowledge,
    /// Change what a program does.
    Administer,
    /// Bring events.
    Deliver,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Sensor, Self::Collector, Self::Viewer, Self::Admin];

    /// Whether this role may do what needs `right`.
    #[must_use]
    pub fn may(self, right: Right) -> bool {
        match self {
            Self::Sensor => right == Right::Deliver,
            Self::Collector => matches!(right, Right::Read | Right::Acknowledge),
            Self::Viewer => right == Right::Read,
            Self::Admin => matches!(right, Right::Read | Right::Administer),
        }
    }

    /// The word in the URI.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sensor => "sensor",
            Self::Collector => "collector",
            Self::Viewer => "viewer",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = NotAnIdentity;

    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(NotAnIdentity::Role)
    }
}

/// `activity://TENANT/ROLE/NAME`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// To whom it belongs; peers of different tenants do not meet.
    pub tenant: Name,
    /// What it is there for.
    pub role: Role,
    /// Which of its role it is.
    pub name: Name,
}

/// Why a certificate names nobody: a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAnIdentity {
    /// None of the URIs is an identity.
    #[error("it has no URI activity://TENANT/ROLE/NAME among its subject alternative names")]
    Absent,
    /// There is more than one.
    #[error("it has more than one URI that begins with activity:")]
    Several,
    /// The URI has other than three parts.
    #[error("its URI is not of the form activity://TENANT/ROLE/NAME")]
    Form,
    /// There is no such role.
    #[error("there is no such role; there are sensor, collector, viewer and admin")]
    Role,
    /// A name or tenant that is none.
    #[error("names and tenants are 1 to 63 of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit")]
    Name,
}

impl Identity {
    /// The one identity among the URIs of a certificate. URIs of other schemes may
    /// stand beside it.
    ///
    /// # Errors
    /// When there is none, more than one, or one of the wrong form.
    pub fn among<'a>(uris: impl IntoIterator<Item = &'a str>) -> Result<Self, NotAnIdentity> {
        let ours = |uri: &&str| {
            let scheme = uri.split(':').next().unwrap_or_default();
            scheme.eq_ignore_ascii_case("activity")
        };
        let mut ours = uris.into_iter().filter(ours);
        match (ours.next(), ours.next()) {
            (None, _) => Err(NotAnIdentity::Absent),
            (Some(uri), None) => uri.parse(),
            (Some(_), Some(_)) => Err(NotAnIdentity::Several),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}/{}", self.tenant, self.role, self.name)
    }
}

impl FromStr for Identity {
    type Err = NotAnIdentity;

    fn from_str(uri: &str) -> Result<Self, NotAnIdentity> {
        let mut parts = uri.strip_prefix(SCHEME).ok_or(NotAnIdentity::Form)?.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(tenant), Some(role), Some(name), None) => {
                Ok(Self { tenant: tenant.parse()?, role: role.parse()?, name: name.parse()? })
            }
            _ => Err(NotAnIdentity::Form),
        }
    }
}

/// Who is expected at the other end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Of this role; of any when absent.
    pub role: Option<Role>,
    /// Of this tenant; of any when absent.
    pub tenant: Option<Name>,
    /// Of this name; of any when absent.
    pub name: Option<Name>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_identity_is_read_as_it_is_written() {
        let identity: Identity = "activity://default/sensor/web-1.example_2".parse().unwrap();
        assert_eq!((identity.tenant.as_str(), identity.role), ("default", Role::Sensor));
        assert_eq!(identity.name.as_str(), "web-1.example_2");
        assert_eq!(identity.to_string(), "activity://default/sensor/web-1.example_2");
    }

    #[test]
    fn what_is_nearly_an_identity_is_none() {
        let long = format!("activity://default/sensor/{}", "a".repeat(64));
        for (uri, fault) in [
            ("", NotAnIdentity::Form),
            ("activity:default/sensor/a", NotAnIdentity::Form),
            ("Activity://default/sensor/a", NotAnIdentity::Form),
            ("activity://default/sensor", NotAnIdentity::Form),
            ("activity://default/sensor/a/", NotAnIdentity::Form),
            ("activity://default/sensor/a/b", NotAnIdentity::Form),
            ("activity://default/Sensor/a", NotAnIdentity::Role),
            ("activity://default//a", NotAnIdentity::Role),
            ("activity:///sensor/a", NotAnIdentity::Name),
            ("activity://default/sensor/", NotAnIdentity::Name),
            ("activity://default/sensor/A", NotAnIdentity::Name),
            ("activity://default/sensor/..", NotAnIdentity::Name),
            ("activity://default/sensor/-a", NotAnIdentity::Name),
            ("activity://default/sensor/a?b", NotAnIdentity::Name),
            ("activity://default/sensor/a%61", NotAnIdentity::Name),
            ("activity://default/sensor/a\n", NotAnIdentity::Name),
            ("activity://default/sensor/ä", NotAnIdentity::Name),
            ("activity://user@default/sensor/a", NotAnIdentity::Name),
            (long.as_str(), NotAnIdentity::Name),
        ] {
            assert_eq!(uri.parse::<Identity>(), Err(fault), "{uri:?}");
        }
    }

    #[test]
    fn exactly_one_uri_is_the_identity() {
        let uri = "activity://default/sensor/a";
        assert_eq!(Identity::among([]), Err(NotAnIdentity::Absent));
        assert_eq!(Identity::among(["https://example.org/"]), Err(NotAnIdentity::Absent));
        assert_eq!(Identity::among(["spiffe://example.org/x", uri]), Ok(uri.parse().unwrap()));
        assert_eq!(Identity::among([uri, uri]), Err(NotAnIdentity::Several));
        // One that another reader might take for an identity counts as one.
        assert_eq!(Identity::among([uri, "ACTIVITY://default/admin/a"]), Err(NotAnIdentity::Several));
        assert_eq!(Identity::among([uri, "activity:x"]), Err(NotAnIdentity::Several));
    }

    #[test]
    fn each_role_may_what_it_is_there_for_and_nothing_else() {
        use Right::{Acknowledge, Administer, Deliver, Read};
        let rights =
            |role: Role| [Read, Acknowledge, Administer, Deliver].map(|right| u8::from(role.may(right)));
        assert_eq!(rights(Role::Sensor), [0, 0, 0, 1]);
        assert_eq!(rights(Role::Collector), [1, 1, 0, 0]);
        assert_eq!(rights(Role::Viewer), [1, 0, 0, 0]);
        assert_eq!(rights(Role::Admin), [1, 0, 1, 0]);
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(
            tenant in "[a-z0-9][a-z0-9._-]{0,62}", name in "[a-z0-9][a-z0-9._-]{0,62}", role in 0..4usize,
        ) {
            let uri = format!("activity://{tenant}/{}/{name}", Role::ALL[role]);
            let identity: Identity = uri.parse().unwrap();
            prop_assert_eq!(identity.to_string(), uri);
        }

        #[test]
        fn no_text_is_an_identity_that_is_written_otherwise(
            uri in r"(activity://)?([a-z0-9._/%\-]|\PC|sensor|/viewer/){0,12}",
        ) {
            if let Ok(identity) = uri.parse::<Identity>() {
                prop_assert_eq!(identity.to_string(), uri);
            }
        }
    }
}
