//! Who works here, as a small file says it.

use std::{collections::BTreeMap, fs, path::Path};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::hours::Hours;
use crate::failure::Failure;

/// One person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The account's name.
    pub person: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// The first day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Date>,
    /// The last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Date>,
    /// When they work; any time where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// Where they work, `*` for anything; anywhere where it is not said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
}

impl Entry {
    /// Whether it is a contract with somebody from outside.
    pub fn is_contractor(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| !matches!(kind, "employee" | "service"))
    }

    /// Whether they may work on a host.
    pub fn allows(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|pattern| matches(pattern, host))
    }
}

/// Whether a name is as a pattern with `*` says.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(head) else { return false };
    let parts: Vec<&str> = rest.split('*').collect();
    let Some((last, middle)) = parts.split_last() else { return false };
    for part in middle {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(last)
}

/// People by their accounts.
pub type Roster = BTreeMap<String, Entry>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    person: Vec<Raw>,
}

/// As it is written, in either form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    person: String,
    name: Option<String>,
    kind: Option<String>,
    company: Option<String>,
    start: Option<Day>,
    end: Option<Day>,
    hours: Option<String>,
    #[serde(default)]
    hosts: Hosts,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Day {
    Toml(toml::value::Datetime),
    Text(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Hosts {
    List(Vec<String>),
    Text(String),
}

impl Default for Hosts {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// Reads a roster: CSV where the file is called so, TOML otherwise.
///
/// # Errors
/// When it cannot be read or something in it cannot be: a sentence that says where.
pub fn read(path: &Path) -> Result<Roster, Failure> {
    let told = |why: String| Failure::config(format!("the roster {}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
    let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    if is_csv { parse_csv(&text) } else { parse_toml(&text) }.map_err(told)
}

/// A roster in TOML.
pub fn parse_toml(text: &str) -> Result<Roster, String> {
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().unwrap_or_default().start;
        let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        format!("line {line}: {}", error.message().lines().next().unwrap_or_default())
    })?;
    roster(file.person.into_iter().map(Ok))
}

/// A roster in CSV with a header.
pub fn parse_csv(text: &str) -> Result<Roster, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    roster(reader.deserialize().map(|row| row.map_err(|error: csv::Error| error.to_string())))
}

fn roster(rows: impl Iterator<Item = Result<Raw, String>>) -> Result<Roster, String> {
    let mut roster = Roster::new();
    for row in rows {
        let entry = entry(row?)?;
        let person = entry.person.clone();
        if roster.insert(person.clone(), entry).is_some() {
            return Err(format!("{person} is there twice"));
        }
    }
    Ok(roster)
}

fn entry(raw: Raw) -> Result<Entry, String> {
    let person = raw.person;
    if person.is_empty() {
        return Err("a `person` has no name".to_owned());
    }
    let wrong = |what: &str, why: &str| format!("{what} of {person}: {why}");
    let day = |what: &str, day: Option<Day>| -> Result<Option<Date>, String> {
        let text = match day {
            Some(Day::Toml(day)) => day.to_string(),
            Some(Day::Text(text)) => text,
            None => return Ok(None),
        };
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| wrong(what, "give a day as 2026-01-31"))
    };
    let (start, end) = (day("`start`", raw.start)?, day("`end`", raw.end)?);
    if let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        return Err(wrong("`end`", "it is before `start`"));
    }
    let hours = raw.hours.filter(|text| !text.is_empty()).map(|text| Hours::read(&text)).transpose();
    let hours = hours.map_err(|why| wrong("`hours`", &why))?.flatten();
    let hosts = match raw.hosts {
        Hosts::List(hosts) => hosts,
        Hosts::Text(text) => {
            text.split([' ', ';']).filter(|host| !host.is_empty()).map(str::to_owned).collect()
        }
    };
    let set = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (name, kind, company) = (set(raw.name), set(raw.kind), set(raw.company));
    Ok(Entry { person, name, kind, company, start, end, hours, hosts })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = "
        [[person]]
        person = 'bob'
        kind = 'contractor'
        company = 'Example GmbH'
        start = 2026-01-01
        end = '2026-03-20'
        hours = 'Mon-Fri 08:00-18:00'
        hosts = ['web-*', 'db-1']
        [[person]]
        person = 'alice'";

    const CSV: &str = "person,name,kind,company,start,end,hours,hosts
        bob,,contractor,Example GmbH,2026-01-01,2026-03-20,Mon-Fri 08:00-18:00,web-* db-1
        alice,,,,,,,";

    #[test]
    fn both_forms_say_the_same() {
        let roster = parse_toml(TOML).unwrap();
        assert_eq!(roster, parse_csv(CSV).unwrap());
        let bob = &roster["bob"];
        assert_eq!(bob.end.unwrap().to_string(), "2026-03-20");
        assert!(bob.is_contractor() && bob.allows("web-7") && bob.allows("db-1") && !bob.allows("db-12"));
        assert!(roster["alice"].allows("anything") && !roster["alice"].is_contractor());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, sentence) in [
            ("[[person]]\nname = 'x'", "line 1: missing field `person`"),
            ("[[person]]\nperson = 'x'\nboss = 1", "line 3: unknown field `boss`"),
            ("[[person]]\nperson = 'x'\nend = 'soon'", "`end` of x: give a day"),
            ("[[person]]\nperson = 'x'\nstart = 2026-02-01\nend = 2026-01-01", "`end` of x: it is before"),
            ("[[person]]\nperson = 'x'\nhours = 'at night'", "`hours` of x: "),
            ("[[person]]\nperson = 'x'\n[[person]]\nperson = 'x'", "x is there twice"),
        ] {
            let error = parse_toml(text).unwrap_err();
            assert!(error.starts_with(sentence), "{error}");
        }
        assert!(parse_csv("person,boss\nx,y").is_err());
        assert!(parse_csv("name\nx").is_err());
    }

    #[test]
    fn a_star_in_a_host_stands_for_anything() {
        for (pattern, name, expected) in [
            ("web-*", "web-1", true),
            ("*-1", "web-1", true),
            ("w*b-*1", "web-01", true),
            ("*", "", true),
            ("web-*", "db-1", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
