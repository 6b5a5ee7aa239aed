//! What became of an act in the sensor's stream, and at the control.

use std::fmt;

use activity_tests::Seen;
use serde_json::Value;

use crate::{
    pattern::has,
    report::{Expected, Report},
};

/// What became of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// With the true object and person.
    Reported,
    /// Not itself, but in a count.
    Counted(String),
    /// The status names the way without a count.
    NotCovered(String),
    /// Nothing anywhere; what was waited for.
    Missed(String),
    /// An event names another object or another person.
    Wrong(String),
    /// The machine has not what it takes.
    CannotRun(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported => write!(f, "reported"),
            Self::Counted(where_) => write!(f, "counted ({where_})"),
            Self::NotCovered(_) => write!(f, "not covered, and said so"),
            Self::Missed(_) => write!(f, "missed"),
            Self::Wrong(what) => write!(f, "WRONG: {what}"),
            Self::CannotRun(why) => write!(f, "cannot run here: {why}"),
        }
    }
}

/// What the control saw of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Glimpse {
    /// The true object.
    True,
    /// Something else.
    Other(String),
    /// Nothing.
    Nothing,
}

impl fmt::Display for Glimpse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::True => write!(f, "seen"),
            Self::Other(text) => write!(f, "saw only {text}"),
            Self::Nothing => write!(f, "missed"),
        }
    }
}

/// Judges the sensor by the events since the act began.
pub fn events(report: &Report, person: Option<u32>, events: &[Value]) -> Verdict {
    if let Some(why) = &report.cannot {
        return Verdict::CannotRun(why.clone());
    }
    let begun = |event: &&Value| number(&event["boottimeNs"]).is_some_and(|time| time >= report.begin);
    let events: Vec<&Value> = events.iter().filter(begun).collect();
    let mut wrong = events.iter().filter_map(|event| wrong(report, person, event));
    if let Some(wrong) = wrong.next() {
        return Verdict::Wrong(wrong);
    }
    for expected in &report.expected {
        let seen = times(expected, &events);
        match expected.times {
            Some(times) if seen > times => {
                return Verdict::Wrong(format!("{seen} instead of {times}: {}", expected.one_of[0]));
            }
            Some(times) if seen == times => {}
            None if seen > 0 => {}
            _ => return Verdict::Missed(format!("{seen} of {}", expected.one_of[0])),
        }
    }
    Verdict::Reported
}

fn times(expected: &Expected, events: &[&Value]) -> u64 {
    let wanted = events.iter().filter(|event| expected.one_of.iter().any(|part| has(event, part)));
    wanted.map(|event| event["count"].as_u64().unwrap_or(1)).sum()
}

/// Why an event must not be, if so.
fn wrong(report: &Report, person: Option<u32>, event: &Value) -> Option<String> {
    if report.never.iter().any(|never| has(event, never)) {
        return Some(format!("what did not happen: {event}"));
    }
    if report.named.iter().any(|named| misnamed(event, named)) {
        return Some(format!("path and object do not belong together: {event}"));
    }
    let ours = event["process"]["pid"].as_u64().is_some_and(|pid| report.pids.contains(&pid));
    let people = [&event["login"]["auid"], &event["attribution"]["uid"]];
    let known = |uid: u64| person.map(u64::from) == Some(uid) || report.forged == Some(uid);
    let stranger = people.into_iter().filter_map(Value::as_u64).find(|uid| !known(*uid));
    (ours && stranger.is_some()).then(|| format!("another person: {event}"))
}

/// Whether an event has this path with another object.
fn misnamed(event: &Value, named: &Value) -> bool {
    let open = &event["open"];
    let happened = event["outcome"]["success"] == true && open["pathSource"] != "user";
    let differs = |field: &str| !open[field].is_null() && !has(&open[field], &named[field]);
    happened && open["path"] == named["path"] && (differs("inode") || differs("device"))
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Judges the control by what it saw.
pub fn control(report: &Report, seen: &[Seen]) -> Glimpse {
    let ours = |seen: &&Seen| report.pids.contains(&seen.pid.into()) && seen.time >= report.begin;
    let texts: Vec<Option<&str>> = seen.iter().filter(ours).map(|seen| seen.text.as_deref()).collect();
    if let Some((truth, paths)) = &report.sequence {
        return sequence(truth, paths, &texts);
    }
    let found = report.truth.iter().filter(|truth| texts.contains(&Some(truth))).count();
    if found == report.truth.len() && found > 0 {
        return Glimpse::True;
    }
    // What every program does at its start is not part of the act.
    let at_start = |text: &str| text.contains(".so") || text == "/proc/self/maps";
    match texts.iter().flatten().rfind(|text| !at_start(text)) {
        Some(text) => Glimpse::Other(shorten(text)),
        None => Glimpse::Nothing,
    }
}

fn sequence(truth: &str, paths: &[String; 2], texts: &[Option<&str>]) -> Glimpse {
    let letter = |text: &&str| match paths.iter().position(|path| path == text) {
        Some(0) => Some('a'),
        Some(_) => Some('b'),
        None => None,
    };
    let seen: Vec<char> = texts.iter().flatten().filter_map(letter).collect();
    let right = truth.chars().zip(&seen).filter(|(truth, seen)| truth == *seen).count();
    match truth.len() - right {
        0 => Glimpse::True,
        wrong => Glimpse::Other(format!("the other file in {wrong} of {}", truth.len())),
    }
}

/// What a path ends with, and without the test's own directory.
fn shorten(text: &str) -> String {
    let numbers = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let part = |part: &str| if !part.is_empty() && numbers(part) { "N".to_owned() } else { part.to_owned() };
    let end = text.split_once("/act-").and_then(|(_, end)| end.split_once('/')).map_or(text, |(_, end)| end);
    format!("`{}`", end.split('/').map(part).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PERSON: Option<u32> = Some(1000);

    fn report() -> Report {
        Report::of(concat!(
            r#"{"pid":7}"#,
            "\n",
            r#"{"begin":100}"#,
            "\n",
            r#"{"expect":{"type":"open","open":{"inode":5}}}"#,
            "\n",
            r#"{"never":{"open":{"inode":6}}}"#,
            "\n",
            r#"{"named":{"path":"/a","inode":5,"device":"8:1"}}"#,
        ))
    }

    fn open(path: &str, inode: u32, auid: u32) -> Value {
        json!({
            "type": "open", "boottimeNs": "100", "process": { "pid": 7 }, "login": { "auid": auid },
            "open": { "path": path, "inode": inode.to_string(), "device": "8:1" },
            "outcome": { "success": true },
        })
    }

    #[test]
    fn the_true_object_of_the_right_person_is_a_report() {
        assert_eq!(events(&report(), PERSON, &[open("/a", 5, 1000)]), Verdict::Reported);
        assert!(matches!(events(&report(), PERSON, &[]), Verdict::Missed(_)));
    }

    #[test]
    fn what_was_before_the_act_is_no_report() {
        let mut event = open("/a", 5, 1000);
        event["boottimeNs"] = json!("99");
        assert!(matches!(events(&report(), PERSON, &[event]), Verdict::Missed(_)));
    }

    #[test]
    fn another_object_another_pair_or_another_person_is_wrong() {
        for event in [open("/b", 6, 1000), open("/a", 8, 1000), open("/a", 5, 1001)] {
            let verdict = events(&report(), PERSON, &[open("/a", 5, 1000), event.clone()]);
            assert!(matches!(verdict, Verdict::Wrong(_)), "{event}: {verdict:?}");
        }
    }
}
