//! What both forms for people say in the same words.

use jiff::{Timestamp, tz::TimeZone};

use super::{
    model::{Completeness, Finding, Kind, Report, Span},
    roster::Entry,
};
use crate::query::{grouped, moment::length};

/// Stretches of a finding that are told one by one.
pub const SPANS: usize = 8;

/// Times in the zone of the review.
pub struct Clock(pub TimeZone);

impl Clock {
    /// A day, such as `Mon 2 Mar 2026`.
    pub fn day(&self, at: Timestamp) -> String {
        at.to_zoned(self.0.clone()).strftime("%a %-d %b %Y").to_string()
    }

    /// A day and a time: `2 Mar 09:15`.
    pub fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.0.clone()).strftime("%-d %b %H:%M").to_string()
    }

    /// A day and a time with its year: `2 Mar 2026 09:15`.
    pub fn moment(&self, at: Timestamp) -> String {
        at.to_zoned(self.0.clone()).strftime("%-d %b %Y %H:%M").to_string()
    }

    /// A stretch: `Sat 14 Mar 23:00–23:45`.
    pub fn stretch(&self, from: Timestamp, to: Timestamp) -> String {
        let (from, to) = (from.to_zoned(self.0.clone()), to.to_zoned(self.0.clone()));
        let form = if from.date() == to.date() { "%H:%M" } else { "%a %-d %b %H:%M" };
        format!("{} – {}", from.strftime("%a %-d %b %H:%M"), to.strftime(form))
    }

    /// The days of a period, the last one included.
    pub fn period(&self, report: &Report) -> String {
        let last = report.until.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(report.until);
        format!("{} to {}", self.day(report.since), self.day(last))
    }
}

/// What a finding is about.
pub fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::AfterContract => "After the end of the contract",
        Kind::BeforeContract => "Before the contract began",
        Kind::HostNotAllowed => "On a host that is not allowed",
        Kind::SensorTouched => "The sensor was touched",
        Kind::NotOnRoster => "Not on the roster",
        Kind::OutsideHours => "Outside of working hours",
    }
}

/// How grave it is: 2, 1 or 0.
pub fn gravity(kind: Kind) -> u8 {
    match kind {
        Kind::AfterContract | Kind::SensorTouched => 2,
        Kind::BeforeContract | Kind::HostNotAllowed | Kind::NotOnRoster => 1,
        Kind::OutsideHours => 0,
    }
}

/// `12 acts`, `1 act`.
pub fn count(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { more })
}

/// How much of it, and what the roster says.
pub fn amount(finding: &Finding, entry: Option<&Entry>) -> String {
    let mut text = count(finding.acts, "act", "acts");
    if finding.as_root > 0 {
        text += &format!(", {} as root", grouped(finding.as_root));
    }
    let said = entry.and_then(|entry| match finding.kind {
        Kind::AfterContract => entry.end.map(|end| format!("contract ended {end}")),
        Kind::BeforeContract => entry.start.map(|start| format!("contract begins {start}")),
        Kind::HostNotAllowed => Some(format!("allowed: {}", entry.hosts.join(", "))),
        Kind::OutsideHours => entry.hours.as_ref().map(|hours| format!("works {hours}")),
        Kind::SensorTouched | Kind::NotOnRoster => None,
    });
    if let Some(said) = said {
        text += &format!("; {said}");
    }
    text
}

/// A stretch in words.
pub fn span(span: &Span, clock: &Clock) -> String {
    let root = if span.as_root > 0 { format!(", {} as root", grouped(span.as_root)) } else { String::new() };
    let acts = count(span.acts, "act", "acts");
    format!("{} on {}: {acts}{root}", clock.stretch(span.from, span.to), span.host)
}

/// The command that shows what was done.
pub fn look(finding: &Finding) -> Option<String> {
    let (first, last) = (finding.spans.first()?, finding.spans.iter().max_by_key(|span| span.to)?);
    let is_name = !finding.person.is_empty()
        && finding.person.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@'));
    is_name.then(|| {
        format!(
            "activity-collector timeline --user {} --since {} --until {}",
            finding.person, first.from, last.to
        )
    })
}

/// What is missing, in one sentence each.
pub fn holes(of: &Completeness, clock: &Clock) -> Vec<String> {
    let mut holes = Vec::new();
    for gap in &of.gaps {
        let reason = gap.reason.as_deref().unwrap_or("unknown");
        let missing = match (gap.missing, gap.unknown) {
            (Some(missing), 0) => count(missing, "event is missing", "events are missing"),
            (Some(missing), unknown) => {
                format!(
                    "at least {} missing, and {unknown} times nobody knows",
                    count(missing, "event is", "events are")
                )
            }
            (None, _) => "nobody knows how much is missing".to_owned(),
        };
        let when =
            if gap.first == gap.last { clock.time(gap.first) } else { clock.stretch(gap.first, gap.last) };
        holes.push(format!("{}: {missing} ({reason}, {}, {when})", gap.host, count(gap.gaps, "gap", "gaps")));
    }
    for silence in &of.silences {
        let host = silence.host.as_deref().filter(|host| !host.is_empty());
        let address = silence.address.as_deref().unwrap_or("?");
        let who = host.map_or_else(|| address.to_owned(), |host| format!("{host} ({address})"));
        let reason = silence.reason.as_deref().unwrap_or("unknown").replace('_', " ");
        holes.push(match silence.ended {
            Some(ended) => format!(
                "{who}: nothing came for {}, {} ({reason})",
                length(ended.duration_since(silence.since)),
                clock.stretch(silence.since, ended)
            ),
            None => format!("{who}: silent since {}, and still is ({reason})", clock.time(silence.since)),
        });
    }
    for sensor in of.sensors.iter().filter(|sensor| sensor.unheard_hours > 0) {
        holes.push(format!(
            "{}: nothing is stored from {} of {} hours",
            sensor.host,
            grouped(sensor.unheard_hours),
            grouped(sensor.hours)
        ));
    }
    if of.sensors.is_empty() {
        holes.push("No sensor has been heard at all: there is nothing to review.".to_owned());
    }
    if of.damaged > 0 {
        holes.push(format!("{} places in the log could not be read", of.damaged));
    }
    holes
}

/// What the whole says about being whole.
pub fn verdict(of: &Completeness) -> &'static str {
    if of.is_complete {
        "Every sensor was heard in every hour, and none of them tells of a loss."
    } else {
        "This review has holes. What happened in them is not known, and a signature does not cover it."
    }
}

/// What was not looked at.
pub fn limits(report: &Report) -> Option<&'static str> {
    report.roster.is_none().then_some(
        "No roster was given: contracts, working hours and allowed hosts were not checked (--roster FILE).",
    )
}

/// Somebody's contract in one line.
pub fn contract(entry: &Entry) -> String {
    let mut parts: Vec<String> = [&entry.kind, &entry.company].into_iter().flatten().cloned().collect();
    match (entry.start, entry.end) {
        (Some(start), Some(end)) => parts.push(format!("{start} to {end}")),
        (Some(start), None) => parts.push(format!("since {start}")),
        (None, Some(end)) => parts.push(format!("until {end}")),
        (None, None) => {}
    }
    parts.extend(entry.hours.as_ref().map(ToString::to_string));
    if !entry.hosts.is_empty() {
        parts.push(format!("hosts: {}", entry.hosts.join(", ")));
    }
    parts.join(" · ")
}

/// What a word of the review means.
pub const DEFINITIONS: &str = "An act is something a program did for a person: a program started, a file opened or \
                               changed, a connection, a step to another user. Repeats that a sensor counted together \
                               count as often as they happened. A person is the login that an act goes back to, \
                               through sudo and su. Jobs (cron, services) count, but not as presence outside of hours.";
