//! What the words in a rule mean.

use std::net::IpAddr;

use activity_proto::v1::{Access, EventType};
use ipnet::IpNet;

use super::{
    sets::{Accesses, Humans, Numbers, Outcomes, Sessions, errno_of},
    types::Types,
};
use crate::{config::Words, identity::SESSION_KINDS};

/// How unlike a known word a suggestion may be, from 0 (anything) to 1 (equal).
const SIMILAR: f64 = 0.6;

/// Event types.
pub fn types(words: &Words) -> Result<Types, String> {
    let mut types = Vec::new();
    for word in words.iter() {
        let known = Types::ALL.names();
        let event_type = EventType::from_short_name(word)
            .ok_or_else(|| format!("names no event type with {word:?}{}", nearest(word, known)))?;
        if !Types::ALL.contains(event_type) {
            return Err(format!(
                "names {word:?}, which the sensor says by itself; no rule decides about that"
            ));
        }
        types.push(event_type);
    }
    Ok(Types::of(&types))
}

/// People by login uid, `unset` for nobody.
pub fn humans(words: &Words) -> Result<Humans, String> {
    let mut humans = Humans::default();
    for word in words.iter() {
        match word {
            "unset" => humans.unset = true,
            word => humans.uids.0.push(id(word, "user", uid_of)?),
        }
    }
    Ok(humans)
}

/// Users by name or number.
pub fn users(words: &Words) -> Result<Numbers, String> {
    words.iter().map(|word| id(word, "user", uid_of)).collect::<Result<_, _>>().map(Numbers)
}

/// Groups by name or number.
pub fn groups(words: &Words) -> Result<Numbers, String> {
    let gid = |name: &str| uzers::get_group_by_name(name).map(|group| group.gid());
    words.iter().map(|word| id(word, "group", gid)).collect::<Result<_, _>>().map(Numbers)
}

/// The user of this name, from whatever the machine asks for names.
pub fn uid_of(name: &str) -> Option<u32> {
    uzers::get_user_by_name(name).map(|user| user.uid())
}

fn id(word: &str, what: &str, of: impl Fn(&str) -> Option<u32>) -> Result<(u32, u32), String> {
    if let Some(range) = range(word) {
        return range;
    }
    let id = of(word).ok_or_else(|| {
        format!("names the {what} {word:?}, who does not exist here; give another name, a number or a range")
    })?;
    Ok((id, id))
}

/// Kinds of sessions, `none` for no session.
pub fn sessions(words: &Words) -> Result<Sessions, String> {
    let mut sessions = Sessions::default();
    for word in words.iter() {
        match SESSION_KINDS.iter().find(|kind| **kind == word) {
            Some(kind) => sessions.kinds.push(kind),
            None if word == "none" => sessions.none = true,
            None => {
                let known = SESSION_KINDS.into_iter().chain(["none"]);
                return Err(format!("names no kind of session with {word:?}{}", nearest(word, known)));
            }
        }
    }
    Ok(sessions)
}

/// Ways to open.
pub fn accesses(words: &Words) -> Result<Accesses, String> {
    let mut accesses = Accesses::default();
    for word in words.iter() {
        let known = Access::SHORT_NAMES.iter().copied();
        let access = Access::from_short_name(word)
            .ok_or_else(|| format!("names no access with {word:?}{}", nearest(word, known)))?;
        accesses = accesses.and(access);
    }
    Ok(accesses)
}

/// Networks, or single addresses.
pub fn networks(words: &Words) -> Result<Vec<IpNet>, String> {
    let network = |word: &str| {
        let address = || word.parse::<IpAddr>().ok().map(IpNet::from);
        word.parse().ok().or_else(address).ok_or_else(|| {
            format!(
                "must hold addresses or networks, such as \"10.0.0.0/8\" or \"::1\", which {word:?} is not"
            )
        })
    };
    words.iter().map(network).collect()
}

/// Numbers, and ranges of them.
pub fn numbers(words: &Words) -> Result<Numbers, String> {
    let number = |word: &str| {
        let wrong = || format!("must hold numbers or ranges, such as \"8000-8099\", which {word:?} is not");
        range(word).ok_or_else(wrong)?
    };
    words.iter().map(number).collect::<Result<_, _>>().map(Numbers)
}

/// Results and names of errors.
pub fn outcomes(words: &Words) -> Result<Outcomes, String> {
    let mut outcomes = Outcomes::default();
    for word in words.iter() {
        match word {
            "success" => outcomes.success = true,
            "failure" => outcomes.failure = true,
            name => outcomes.errnos.push(errno_of(name).ok_or_else(|| {
                format!("must be \"success\", \"failure\" or the name of an error, such as \"ENOENT\", not {name:?}")
            })?),
        }
    }
    Ok(outcomes)
}

/// A number, or two with a `-` between; `None` where it is neither.
fn range(word: &str) -> Option<Result<(u32, u32), String>> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (first, last) = match word.split_once('-') {
        Some((first, last)) => (first, last),
        None => (word, word),
    };
    if !is_number(first) || !is_number(last) {
        return None;
    }
    let ordered = first.parse().ok().zip(last.parse().ok()).filter(|(first, last)| first <= last);
    Some(ordered.ok_or_else(|| {
        format!("must hold numbers up to 4294967295, and ranges from less to more, which {word:?} is not")
    }))
}

/// The known word most like this one, as the end of a sentence.
fn nearest(word: &str, known: impl Iterator<Item = &'static str>) -> String {
    let likeness = |known: &&str| strsim::normalized_damerau_levenshtein(word, known);
    let known: Vec<_> = known.collect();
    let best = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match best.filter(|best| likeness(best) >= SIMILAR) {
        Some(best) => format!("; did you mean {best:?}?"),
        None => format!("; there are {}", known.join(", ")),
    }
}
