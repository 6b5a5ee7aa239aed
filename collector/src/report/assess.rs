//! What needs an answer: acts that the roster does not foresee.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

use super::{
    collect::Bin,
    model::{Finding, Kind, Span},
    roster::{Entry, Roster},
};

/// Acts of one finding that are no further apart are told as one stretch.
const APART: SignedDuration = SignedDuration::from_hours(1);
const QUARTER: SignedDuration = SignedDuration::from_mins(super::hours::QUARTER);
/// Nobody is known to be behind it.
const NOBODY: &str = "(nobody known)";

/// Findings, the gravest first.
pub fn assess(bins: &[Bin], touched: &[Bin], roster: Option<&Roster>, zone: &TimeZone) -> Vec<Finding> {
    let mut found: BTreeMap<(Kind, String), Vec<Span>> = BTreeMap::new();
    for bin in bins {
        let Some(person) = &bin.human else { continue };
        for (kind, acts, as_root) in judged(bin, person, roster, zone) {
            add(found.entry((kind, person.clone())).or_default(), bin, acts, as_root);
        }
    }
    for bin in touched {
        let person = bin.human.clone().unwrap_or_else(|| NOBODY.to_owned());
        add(found.entry((Kind::SensorTouched, person)).or_default(), bin, bin.acts, bin.as_root);
    }
    let company = |person: &str| roster.and_then(|roster| roster.get(person)?.company.clone());
    let finding = |((kind, person), spans): ((Kind, String), Vec<Span>)| Finding {
        kind,
        company: company(&person),
        person,
        acts: spans.iter().map(|span| span.acts).sum(),
        as_root: spans.iter().map(|span| span.as_root).sum(),
        spans,
    };
    let mut findings: Vec<Finding> = found.into_iter().map(finding).collect();
    findings.sort_by(|one, other| {
        (one.kind, other.acts, &one.person).cmp(&(other.kind, one.acts, &other.person))
    });
    findings
}

/// What of a quarter of an hour needs an answer: how many acts, and of these as root.
fn judged(bin: &Bin, person: &str, roster: Option<&Roster>, zone: &TimeZone) -> Vec<(Kind, u64, u64)> {
    let Some(roster) = roster else { return Vec::new() };
    let all = |kind| (kind, bin.acts, bin.as_root);
    let Some(entry) = roster.get(person) else { return vec![all(Kind::NotOnRoster)] };
    let at = zone.to_datetime(bin.at);
    let mut kinds = Vec::new();
    match contract(entry, at) {
        // Jobs that go on after it matter as well.
        Some(kind) => kinds.push(all(kind)),
        None if bin.attended > 0 && entry.hours.as_ref().is_some_and(|hours| !hours.contains(at)) => {
            kinds.push((Kind::OutsideHours, bin.attended, bin.attended_as_root));
        }
        None => {}
    }
    if !entry.allows(&bin.host) {
        kinds.push(all(Kind::HostNotAllowed));
    }
    kinds
}

fn contract(entry: &Entry, at: DateTime) -> Option<Kind> {
    if entry.end.is_some_and(|end| at.date() > end) {
        Some(Kind::AfterContract)
    } else if entry.start.is_some_and(|start| at.date() < start) {
        Some(Kind::BeforeContract)
    } else {
        None
    }
}

/// Bins come in the order of time.
fn add(spans: &mut Vec<Span>, bin: &Bin, acts: u64, as_root: u64) {
    let to = after(bin.at);
    let last = spans.iter_mut().rev().find(|span| span.host == bin.host);
    match last.filter(|span| bin.at.duration_since(span.to) <= APART) {
        Some(span) => {
            span.to = to;
            span.acts += acts;
            span.as_root += as_root;
        }
        None => spans.push(Span { host: bin.host.clone(), from: bin.at, to, acts, as_root }),
    }
}

fn after(at: Timestamp) -> Timestamp {
    at.checked_add(QUARTER).unwrap_or(at)
}
