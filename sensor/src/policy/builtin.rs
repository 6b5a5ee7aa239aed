//! The rules that stand behind those of the configuration: the keys of
//! `[policy]`, in the order in which they are judged.
//!
//! Leaving out is the exception that has to be justified: what is not certain is
//! kept. Writes are never noise, neither are failures other than "no such file",
//! and a path counts only where it is known to be the real one.

use activity_proto::v1::{EventType, Family};
use rustix::io::Errno;

use super::{
    PolicyError,
    matcher::{Matcher, PathCounts, Paths},
    patterns::Patterns,
    rule::{Action, Rule},
    sets::{FileKind, Outcomes},
    types::Types,
};
use crate::config::{PolicyConfig, Scope};

/// A longer path is kept without a look at the lists, so that long paths cannot
/// be used to keep the sensor busy.
const LONGEST_NOISE: usize = 1024;

/// The name of a process's own terminal.
const TERMINAL: &str = "/dev/tty";

/// Names that rules of the configuration cannot have.
pub const NAMES: [&str; 13] = [
    "machine",
    "services",
    "own",
    "terminal",
    "devices",
    "sockets",
    "always",
    "missing-programs",
    "missing-files",
    "missing-sockets",
    "noise",
    "directories",
    "descriptors",
];

/// Names under which built-in rules count what they leave out.
pub const COUNTED_AS: [&str; 5] = ["scope", "exe", "noise", "missing", "directory"];

/// The rules that these keys come to. `host` is the mount namespace of the host.
///
/// # Errors
/// When the lists are too large.
pub fn rules(policy: &PolicyConfig, host: Option<u32>) -> Result<Vec<Rule>, PolicyError> {
    let mut rules = vec![machine()];
    if policy.scope == Scope::People {
        rules.push(services());
    }
    rules.push(own(policy, host));
    if policy.noise {
        let named_terminal = policy.ignore_devices.iter().any(|device| device == TERMINAL);
        rules.extend(named_terminal.then(terminal));
        rules.push(devices(policy, host));
        rules.push(sockets(policy, host)?);
        rules.push(always(policy)?);
        if !policy.missing {
            rules.extend(missing());
        }
        rules.push(noise(policy, host)?);
        rules.extend((!policy.directories).then(directories));
        rules.push(descriptors());
    }
    Ok(rules.into_iter().map(Rule::in_order).collect())
}

/// A built-in rule that leaves something out.
fn deny(name: &str, counted_as: &str, reason: &str, types: Types, matchers: Vec<Matcher>) -> Rule {
    Rule {
        name: name.to_owned(),
        action: Action::Deny,
        reason: reason.to_owned(),
        counted_as: counted_as.to_owned(),
        built_in: true,
        types,
        matchers,
    }
}

fn allow(name: &str, reason: &str, types: Types, matchers: Vec<Matcher>) -> Rule {
    Rule { action: Action::Allow, ..deny(name, name, reason, types, matchers) }
}

fn machine() -> Rule {
    allow("machine", "concerns the whole machine, whoever does it", Types::MACHINE, Vec::new())
}

fn services() -> Rule {
    deny(
        "services",
        "scope",
        "neither a login nor a terminal is behind it",
        Types::USUAL,
        vec![Matcher::Nobody],
    )
}

/// Where paths mean what they mean on the host.
fn on_host(host: Option<u32>) -> impl Iterator<Item = Matcher> {
    host.map(Matcher::MountNamespace).into_iter()
}

/// An act on files or sockets by the sensor or the collector themselves.
fn own(policy: &PolicyConfig, host: Option<u32>) -> Rule {
    let exe = Matcher::Exe(Patterns::exact(&policy.ignore_exe));
    let matchers = on_host(host).chain([exe]).collect();
    deny("own", "exe", "the executable is in `ignore_exe`", Types::FILES_AND_SOCKETS, matchers)
}

/// How shells find out that they have no terminal.
fn terminal() -> Rule {
    let path = Paths { patterns: Patterns::exact(&[TERMINAL.to_owned()]), counts: PathCounts::RealOrFailed };
    deny(
        "terminal",
        "noise",
        "how programs find out that they have no terminal",
        Types::of(&[EventType::Open]),
        vec![Matcher::Outcome(Outcomes::failed_with(Errno::NXIO)), Matcher::Path(path)],
    )
}

fn devices(policy: &PolicyConfig, host: Option<u32>) -> Rule {
    let path = Paths { patterns: Patterns::exact(&policy.ignore_devices), counts: PathCounts::RealOrMissing };
    let matchers = [
        Matcher::Outcome(Outcomes::success()),
        Matcher::FileKind(vec![FileKind::CharacterDevice]),
        Matcher::Path(path),
    ];
    let matchers = on_host(host).chain(matchers).collect();
    let reason = "the device, in `ignore_devices`, keeps nothing";
    deny("devices", "noise", reason, Types::of(&[EventType::Open]), matchers)
}

fn sockets(policy: &PolicyConfig, host: Option<u32>) -> Result<Rule, PolicyError> {
    let patterns = Patterns::new(&[&policy.ignore_sockets])?;
    let matchers = [
        Matcher::Outcome(Outcomes::success_or_missing()),
        Matcher::Family(Family::Unix.into()),
        Matcher::Path(Paths { patterns, counts: PathCounts::RealOrMissing }),
    ];
    let matchers = on_host(host).chain(matchers).collect();
    let reason = "the socket is in `ignore_sockets`";
    Ok(deny("sockets", "noise", reason, Types::of(&[EventType::Connect]), matchers))
}

fn always(policy: &PolicyConfig) -> Result<Rule, PolicyError> {
    let patterns = Patterns::new(&[&policy.always_paths, &policy.always_paths_extra])?;
    let paths = Paths { patterns, counts: PathCounts::Always };
    let types = Types::of(&[EventType::Open, EventType::Connect]);
    let matchers = vec![Matcher::PathLength(LONGEST_NOISE), Matcher::Path(paths)];
    Ok(allow("always", "the path is in `always_paths`", types, matchers))
}

fn missing() -> [Rule; 3] {
    let rule = |name, event_type, matchers: Vec<Matcher>| {
        let missing = Matcher::Outcome(Outcomes::failed_with(Errno::NOENT));
        let matchers = [missing].into_iter().chain(matchers).collect();
        deny(name, "missing", "the name does not exist", Types::of(&[event_type]), matchers)
    };
    let reads = vec![Matcher::OnlyReads, Matcher::PathLength(LONGEST_NOISE)];
    [
        rule("missing-programs", EventType::Exec, Vec::new()),
        rule("missing-files", EventType::Open, reads),
        rule("missing-sockets", EventType::Connect, vec![Matcher::Family(Family::Unix.into())]),
    ]
}

fn noise(policy: &PolicyConfig, host: Option<u32>) -> Result<Rule, PolicyError> {
    let patterns = Patterns::new(&[&policy.ignore_paths, &policy.ignore_paths_extra])?;
    let matchers = [
        Matcher::Outcome(Outcomes::success_or_missing()),
        Matcher::OnlyReads,
        Matcher::PathLength(LONGEST_NOISE),
        Matcher::Path(Paths { patterns, counts: PathCounts::RealOrMissing }),
    ];
    let matchers = on_host(host).chain(matchers).collect();
    let reason = "every program reads it, in `ignore_paths`";
    Ok(deny("noise", "noise", reason, Types::of(&[EventType::Open]), matchers))
}

fn directories() -> Rule {
    let matchers = vec![
        Matcher::Outcome(Outcomes::success()),
        Matcher::OnlyReads,
        Matcher::PathLength(LONGEST_NOISE),
        Matcher::FileKind(vec![FileKind::Directory]),
    ];
    let reason = "a directory that is opened for reading";
    deny("directories", "directory", reason, Types::of(&[EventType::Open]), matchers)
}

/// Sockets and pipes are handed over all the time, and have no name that would
/// say what they are.
fn descriptors() -> Rule {
    let kinds = vec![FileKind::CharacterDevice, FileKind::Other];
    let reason = "a socket or pipe without a name";
    let types = Types::of(&[EventType::FileReceive]);
    deny("descriptors", "noise", reason, types, vec![Matcher::Unreachable, Matcher::FileKind(kinds)])
}
