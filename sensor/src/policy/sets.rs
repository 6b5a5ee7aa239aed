//! What the values of an event are compared with: plain data.

use activity_proto::{
    json::errno_name,
    v1::{Access, Outcome},
};
use rustix::{fs::FileType, io::Errno};
use serde::{Serialize, Serializer};

/// A set of numbers, as ranges with both ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Numbers(pub Vec<(u32, u32)>);

impl Numbers {
    /// Whether this number is in it.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }
}

/// People, by the login uid they came with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Humans {
    /// Their numbers.
    pub uids: Numbers,
    /// Also what nobody logged in for.
    pub unset: bool,
}

impl Humans {
    /// Whether somebody, or nobody, is among them.
    #[must_use]
    pub fn include(&self, uid: Option<u32>) -> bool {
        uid.map_or(self.unset, |uid| self.uids.contains(uid))
    }
}

/// Kinds of sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sessions {
    /// As in `Session.kind`.
    pub kinds: Vec<&'static str>,
    /// Also what belongs to no session.
    pub none: bool,
}

/// How acts end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// Well.
    pub success: bool,
    /// In any way but well.
    pub failure: bool,
    /// With one of these error numbers.
    pub errnos: Vec<u32>,
}

impl Outcomes {
    /// Well, or because there was no such file.
    #[must_use]
    pub fn success_or_missing() -> Self {
        Self { success: true, ..Self::failed_with(Errno::NOENT) }
    }

    /// Well.
    #[must_use]
    pub fn success() -> Self {
        Self { success: true, ..Self::default() }
    }

    /// With this error.
    #[must_use]
    pub fn failed_with(errno: Errno) -> Self {
        Self { errnos: vec![errno.raw_os_error().unsigned_abs()], ..Self::default() }
    }

    /// Whether it includes this one. A failure without a number counts as one
    /// that is no other than `EIO`; what cannot fail goes well.
    #[must_use]
    pub fn include(&self, outcome: Option<Outcome>) -> bool {
        let Some(outcome) = outcome else { return self.success };
        if outcome.success {
            return self.success || outcome.errno.is_some_and(|errno| self.errnos.contains(&errno));
        }
        let errno = outcome.errno.unwrap_or(Errno::IO.raw_os_error().unsigned_abs());
        self.failure || self.errnos.contains(&errno)
    }
}

/// The error number of this name, such as `ENOENT`.
#[must_use]
pub fn errno_of(name: &str) -> Option<u32> {
    (1..=MAX_ERRNO).find(|errno| errno_name(*errno) == Some(name))
}

const MAX_ERRNO: u32 = 133;

/// Ways to open a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accesses(u32);

impl Accesses {
    /// Reading content, or none at all.
    pub const READING: Self = Self(1 << Access::Read as i32 | 1 << Access::Path as i32);

    /// With one more.
    #[must_use]
    pub fn and(self, access: Access) -> Self {
        Self(self.0 | 1 << access as i32)
    }

    /// Whether one of these is in it.
    #[must_use]
    pub fn include_any(self, accesses: &[i32]) -> bool {
        accesses.iter().any(|access| self.contains(*access))
    }

    /// Whether there are any, and no others than those in it.
    #[must_use]
    pub fn include_all(self, accesses: &[i32]) -> bool {
        !accesses.is_empty() && accesses.iter().all(|access| self.contains(*access))
    }

    fn contains(self, access: i32) -> bool {
        u32::try_from(access).ok().and_then(|bit| self.0.checked_shr(bit)).is_some_and(|bits| bits & 1 == 1)
    }

    /// The names of those in it.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let numbers = (0..32).filter(move |number| self.contains(*number));
        numbers.filter_map(|number| Some(Access::try_from(number).ok()?.short_name()))
    }
}

impl Serialize for Accesses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A character device.
    CharacterDevice,
    /// Anything else.
    Other,
}

impl FileKind {
    /// Of a file with this mode.
    #[must_use]
    pub fn of(mode: u32) -> Self {
        match FileType::from_raw_mode(mode) {
            FileType::RegularFile => Self::Regular,
            FileType::Directory => Self::Directory,
            FileType::CharacterDevice => Self::CharacterDevice,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_an_error_is_its_number() {
        assert_eq!((errno_of("ENOENT"), errno_of("EHWPOISON")), (Some(2), Some(133)));
        assert_eq!((errno_of("ENONSENSE"), errno_of("")), (None, None));
        assert!((1..=200).filter_map(errno_name).all(|name| errno_of(name).is_some()));
    }

    #[test]
    fn an_outcome_is_compared_by_result_and_number() {
        let outcome = |success, errno| Some(Outcome { success, errno });
        let missing = Outcomes::failed_with(Errno::NOENT);
        assert!(missing.include(outcome(false, Some(2))) && !missing.include(outcome(false, Some(13))));
        assert!(!missing.include(outcome(true, None)) && !missing.include(None));
        assert!(!Outcomes::success_or_missing().include(outcome(false, None)), "a failure without a number");
        assert!(Outcomes::success().include(None), "what cannot fail");
        let in_progress = Outcomes { errnos: vec![115], ..Outcomes::default() };
        assert!(in_progress.include(outcome(true, Some(115))));
        let failure = Outcomes { failure: true, ..Outcomes::default() };
        assert!(failure.include(outcome(false, None)) && !failure.include(outcome(true, Some(115))));
    }

    #[test]
    fn all_accesses_or_one_of_them() {
        let (read, write) = (Access::Read as i32, Access::Write as i32);
        assert!(Accesses::READING.include_any(&[write, read]));
        assert!(!Accesses::READING.include_all(&[write, read]));
        assert!(!Accesses::READING.include_all(&[]) && !Accesses::READING.include_any(&[-1, 99]));
        assert_eq!(Accesses::default().and(Access::Write).names().collect::<Vec<_>>(), ["write"]);
    }
}
