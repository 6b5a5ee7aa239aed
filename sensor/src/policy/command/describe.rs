//! Matchers in words.

use activity_proto::{
    json::errno_name,
    v1::{Access, Family},
};

use super::super::{
    act::Act,
    matcher::Matcher,
    patterns::Patterns,
    rule::{Miss, Rule},
    sets::{FileKind, Humans, Numbers, Outcomes, Sessions},
};
use crate::watch::word;

/// Patterns that are shown of a list.
const SHOWN: usize = 4;

/// Why a rule does not decide an act.
pub fn why(rule: &Rule, miss: Miss<'_>, act: Act<'_>) -> String {
    match miss {
        Miss::Type => {
            let names: Vec<_> = rule.types.names().collect();
            match names.len() {
                0..=SHOWN => format!("it is about {}", names.join(", ")),
                _ => format!("it is not about {}", act.event_type.short_name()),
            }
        }
        Miss::Matcher(Matcher::Nobody) => "a login or a terminal is behind it".to_owned(),
        Miss::Matcher(matcher) => match uncounted(matcher, act, rule.leaves_out()) {
            Some(reason) => format!("`{}` does not count: {reason}", matcher.key()),
            None => format!("`{}` is {}, not {}", matcher.key(), found(matcher, act), wanted(matcher)),
        },
    }
}

/// Why what is there does not count.
fn uncounted(matcher: &Matcher, act: Act<'_>, leaves_out: bool) -> Option<&'static str> {
    match matcher {
        Matcher::Path(paths) if !paths.counts.of(act) => {
            Some("the path is the caller's word, which is not enough to leave anything out")
        }
        Matcher::Exe(_) | Matcher::Under(_)
            if leaves_out && act.exe().is_some_and(|(_, is_real)| !is_real) =>
        {
            Some("the executable is no file any more, so that it may have had any path")
        }
        _ => None,
    }
}

/// What the act has.
fn found(matcher: &Matcher, act: Act<'_>) -> String {
    let event = act.event;
    let credentials = event.credentials.as_ref();
    match matcher {
        Matcher::Outcome(_) => match event.outcome {
            Some(outcome) if !outcome.success => outcome.errno.map_or_else(|| "failure".to_owned(), errno),
            _ => "success".to_owned(),
        },
        Matcher::Nobody => "somebody's".to_owned(),
        Matcher::MountNamespace(_) => "another one".to_owned(),
        Matcher::Family(_) => act.family().unwrap_or_default().short_name().to_owned(),
        Matcher::OnlyReads | Matcher::Access(_) => {
            let names = act.accesses().iter().filter_map(|access| Access::try_from(*access).ok());
            listed(names.map(|access| access.short_name().to_owned()))
        }
        Matcher::FileKind(_) => act.file_kind().map_or("not known", kind).to_owned(),
        Matcher::Unreachable => "reachable".to_owned(),
        Matcher::PathLength(_) => "longer".to_owned(),
        Matcher::Uid(_) => credentials.map_or_else(unknown, |of| format!("{} and {}", of.uid, of.euid)),
        Matcher::Gid(_) => credentials.map_or_else(unknown, |of| format!("{} and {}", of.gid, of.egid)),
        Matcher::LoginUid(_) => {
            let all = act.human().into_iter().chain(act.others()).map(|uid| uid.to_string());
            Some(listed(all)).filter(|uids| !uids.is_empty()).unwrap_or_else(|| "unset".to_owned())
        }
        Matcher::Session(_) => event.session.as_ref().map_or("none", |session| &session.kind).to_owned(),
        Matcher::Port(_) => act.port().map_or_else(unknown, |port| port.to_string()),
        Matcher::Address(_) => act.address().map_or_else(unknown, |address| address.to_string()),
        Matcher::Exe(_) => known(act.exe().map(|(exe, _)| exe)),
        Matcher::Under(_) => {
            let before = act.ancestry.iter().map(|(exe, _)| exe.as_ref());
            let all = act.exe().map(|(exe, _)| exe).into_iter().chain(before);
            let all = listed(all.filter(|exe| !exe.is_empty()).map(word));
            if all.is_empty() { unknown() } else { all }
        }
        Matcher::Cgroup(_) => known(event.place.as_ref().map(|place| place.cgroup_path.as_ref())),
        Matcher::Path(_) => {
            let paths = listed(act.paths().into_iter().flatten().map(word));
            if paths.is_empty() { unknown() } else { paths }
        }
    }
}

/// What it asks for.
fn wanted(matcher: &Matcher) -> String {
    match matcher {
        Matcher::Outcome(outcomes) => outcomes_in_words(outcomes),
        Matcher::Nobody => "nobody's".to_owned(),
        Matcher::MountNamespace(_) => "the host's".to_owned(),
        Matcher::Family(family) => Family::try_from(*family).unwrap_or_default().short_name().to_owned(),
        Matcher::OnlyReads => "reading only".to_owned(),
        Matcher::Access(accesses) => listed(accesses.names().map(str::to_owned)),
        Matcher::FileKind(kinds) => listed(kinds.iter().map(|of| kind(*of).to_owned())),
        Matcher::Unreachable => "without a name".to_owned(),
        Matcher::PathLength(most) => format!("{most} bytes or less"),
        Matcher::Uid(numbers) | Matcher::Gid(numbers) | Matcher::Port(numbers) => ranges(numbers),
        Matcher::LoginUid(humans) => humans_in_words(humans),
        Matcher::Session(sessions) => sessions_in_words(sessions),
        Matcher::Address(nets) => listed(nets.iter().map(ToString::to_string)),
        Matcher::Exe(patterns) | Matcher::Under(patterns) | Matcher::Cgroup(patterns) => some_of(patterns),
        Matcher::Path(paths) => some_of(&paths.patterns),
    }
}

fn listed(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn unknown() -> String {
    "not known".to_owned()
}

fn known(name: Option<&[u8]>) -> String {
    name.filter(|name| !name.is_empty()).map_or_else(unknown, word)
}

fn errno(number: u32) -> String {
    errno_name(number).map_or_else(|| number.to_string(), str::to_owned)
}

fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Regular => "a regular file",
        FileKind::Directory => "a directory",
        FileKind::CharacterDevice => "a character device",
        FileKind::Other => "something else",
    }
}

fn some_of(patterns: &Patterns) -> String {
    let texts = patterns.texts();
    let shown = listed(texts.iter().take(SHOWN).map(|text| word(text.as_bytes())));
    match texts.len().saturating_sub(SHOWN) {
        0 if texts.is_empty() => "anything: the list is empty".to_owned(),
        0 => shown,
        more => format!("{shown} or {more} more"),
    }
}

fn ranges(numbers: &Numbers) -> String {
    let range = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    listed(numbers.0.iter().map(range))
}

fn humans_in_words(humans: &Humans) -> String {
    let uids = Some(ranges(&humans.uids)).filter(|uids| !uids.is_empty());
    listed(uids.into_iter().chain(humans.unset.then(|| "unset".to_owned())))
}

fn sessions_in_words(sessions: &Sessions) -> String {
    listed(sessions.kinds.iter().copied().chain(sessions.none.then_some("none")).map(str::to_owned))
}

fn outcomes_in_words(outcomes: &Outcomes) -> String {
    let results = [(outcomes.success, "success"), (outcomes.failure, "failure")];
    let results = results.into_iter().filter(|(is_in, _)| *is_in).map(|(_, name)| name.to_owned());
    listed(results.chain(outcomes.errnos.iter().copied().map(errno)))
}
