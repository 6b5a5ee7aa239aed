//! What a rule asks of an event.

use activity_proto::v1::Family;
use ipnet::IpNet;
use serde::Serialize;

use super::{
    act::Act,
    patterns::Patterns,
    sets::{Accesses, FileKind, Humans, Numbers, Outcomes, Sessions},
};

/// One condition. The order of the variants is that of their cost: what is
/// cheap is asked first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Matcher {
    /// How it ended.
    Outcome(Outcomes),
    /// Whether neither a login nor a terminal is behind it.
    Nobody,
    /// In this mount namespace, or one that is not known. Whoever makes a
    /// namespace of his own can mount anything over any path, so paths count
    /// only in the host's where something is left out.
    MountNamespace(u32),
    /// The socket's family, as the number of [`Family`].
    Family(i32),
    /// It opens a file, or gets one, for nothing but reading.
    OnlyReads,
    /// One of these ways to open.
    Access(Accesses),
    /// The file is one of these.
    FileKind(Vec<FileKind>),
    /// The file has no place in a mounted tree.
    Unreachable,
    /// The path is at most this long.
    PathLength(usize),
    /// Real or effective user.
    Uid(Numbers),
    /// Real or effective group.
    Gid(Numbers),
    /// The human.
    LoginUid(Humans),
    /// The login session.
    Session(Sessions),
    /// The port of the service.
    Port(Numbers),
    /// The address of the other end.
    Address(Vec<IpNet>),
    /// The executable.
    Exe(Patterns),
    /// The executable, or one that led to it.
    Under(Patterns),
    /// The control group.
    Cgroup(Patterns),
    /// The paths of the objects.
    Path(Paths),
}

/// Patterns, and whose word a path may be.
#[derive(Debug, Serialize)]
pub struct Paths {
    /// What it is compared with.
    pub patterns: Patterns,
    /// When it counts.
    pub counts: PathCounts,
}

/// When a path counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PathCounts {
    /// Whoever says so.
    Always,
    /// Where it is the object's own; of what failed, as the caller said.
    RealOrFailed,
    /// Where it is the object's own; of what is missing, as the caller said.
    RealOrMissing,
}

impl PathCounts {
    /// Whether that of this act does.
    #[must_use]
    pub fn of(self, act: Act<'_>) -> bool {
        match self {
            Self::Always => true,
            Self::RealOrFailed => act.failed() || act.path_is_real(),
            Self::RealOrMissing => !act.is_refused() && (act.failed() || act.path_is_real()),
        }
    }
}

impl Matcher {
    /// Whether an act is what this asks for. Where an act has several of
    /// something (a real and an effective user, two names, people who share a
    /// terminal), one is enough to keep it, but it takes all to leave it out.
    #[must_use]
    pub fn matches(&self, act: Act<'_>, leaves_out: bool) -> bool {
        let event = act.event;
        let both = |one: bool, other: bool| if leaves_out { one && other } else { one || other };
        match self {
            Self::Outcome(outcomes) => outcomes.include(event.outcome),
            Self::Nobody => !act.belongs_to_a_person(),
            Self::MountNamespace(host) => act.mount_namespace().is_none_or(|namespace| namespace == *host),
            Self::Family(family) => act.family().unwrap_or(Family::Unspecified) as i32 == *family,
            Self::OnlyReads => Accesses::READING.include_all(act.accesses()),
            Self::Access(accesses) => accesses.include_any(act.accesses()),
            Self::FileKind(kinds) => act.file_kind().is_some_and(|kind| kinds.contains(&kind)),
            Self::Unreachable => act.is_unreachable(),
            Self::PathLength(most) => act.paths().iter().flatten().all(|path| path.len() <= *most),
            Self::Uid(uids) => (event.credentials.as_ref())
                .is_some_and(|of| both(uids.contains(of.uid), uids.contains(of.euid))),
            Self::Gid(gids) => (event.credentials.as_ref())
                .is_some_and(|of| both(gids.contains(of.gid), gids.contains(of.egid))),
            Self::LoginUid(humans) => includes_human(humans, act, leaves_out),
            Self::Session(sessions) => match &event.session {
                Some(session) => sessions.kinds.contains(&session.kind.as_str()),
                None => sessions.none,
            },
            Self::Port(ports) => act.port().is_some_and(|port| ports.contains(port)),
            Self::Address(nets) => {
                act.address().is_some_and(|address| nets.iter().any(|net| net.contains(&address)))
            }
            Self::Exe(patterns) => act.exe().is_some_and(|exe| is_executable(patterns, exe, leaves_out)),
            Self::Under(patterns) => {
                let before = act.ancestry.iter().map(|(exe, is_real)| (exe.as_ref(), is_real));
                act.exe().into_iter().chain(before).any(|exe| is_executable(patterns, exe, leaves_out))
            }
            Self::Cgroup(patterns) => {
                event.place.as_ref().is_some_and(|place| patterns.matches(&place.cgroup_path))
            }
            Self::Path(paths) => paths.match_those_of(act, leaves_out),
        }
    }

    /// Its place in the order of cost.
    #[must_use]
    pub fn cost(&self) -> u8 {
        match self {
            Self::Outcome(_) => 0,
            Self::Nobody => 1,
            Self::MountNamespace(_) => 2,
            Self::Family(_) => 3,
            Self::OnlyReads | Self::Access(_) => 4,
            Self::FileKind(_) | Self::Unreachable => 5,
            Self::PathLength(_) => 6,
            Self::Uid(_) | Self::Gid(_) => 7,
            Self::LoginUid(_) => 8,
            Self::Session(_) => 9,
            Self::Port(_) => 10,
            Self::Address(_) => 11,
            Self::Exe(_) => 12,
            Self::Under(_) => 13,
            Self::Cgroup(_) => 14,
            Self::Path(_) => 15,
        }
    }

    /// The key of `[[policy.rules]]` that it is made from; what only built-in rules
    /// ask for has a name like those.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Outcome(_) => "outcome",
            Self::Nobody => "nobody",
            Self::MountNamespace(_) => "mount_namespace",
            Self::Family(_) => "family",
            Self::OnlyReads => "only_reads",
            Self::Access(_) => "access",
            Self::FileKind(_) => "file_kind",
            Self::Unreachable => "unreachable",
            Self::PathLength(_) => "path_length",
            Self::Uid(_) => "uid",
            Self::Gid(_) => "gid",
            Self::LoginUid(_) => "login_uid",
            Self::Session(_) => "session",
            Self::Port(_) => "port",
            Self::Address(_) => "address",
            Self::Exe(_) => "exe",
            Self::Under(_) => "under",
            Self::Cgroup(_) => "cgroup",
            Self::Path(_) => "path",
        }
    }
}

impl Paths {
    fn match_those_of(&self, act: Act<'_>, leaves_out: bool) -> bool {
        if !self.counts.of(act) {
            return false;
        }
        let matches = |path: &[u8]| {
            self.patterns.matches(path) || self.patterns.covers_own_proc && act.is_own_proc(path)
        };
        match act.paths() {
            [None, _] => false,
            [Some(path), None] => matches(path),
            [Some(path), Some(new)] if leaves_out => matches(path) && matches(new),
            [Some(path), Some(new)] => matches(path) || matches(new),
        }
    }
}

fn includes_human(humans: &Humans, act: Act<'_>, leaves_out: bool) -> bool {
    let includes = |uid| humans.include(Some(uid));
    if leaves_out {
        humans.include(act.human()) && act.others().all(includes)
    } else {
        humans.include(act.human()) || act.others().any(includes)
    }
}

/// An image that is no file any more may have had any path.
fn is_executable(patterns: &Patterns, (exe, is_real): (&[u8], bool), leaves_out: bool) -> bool {
    (is_real || !leaves_out) && patterns.matches(exe)
}
