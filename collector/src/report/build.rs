//! From rows to what is known of each person and each host.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    Asked,
    collect::{Bin, Collected, Seen},
    model::{Activity, Completeness, Destination, Host, List, Person, Report, Sensor, Stretch},
    roster::{Entry, Roster},
};
use crate::query::moment::zone_name;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Rows of a table that has no order by person.
const SHOWN: usize = 15;

/// The review of what was collected.
pub fn build(collected: Collected, asked: &Asked) -> Report {
    let roster = asked.roster.as_ref();
    let findings = super::assess::assess(&collected.bins, &collected.touched, roster, &asked.zone);
    let mut total = Activity::default();
    collected.bins.iter().for_each(|bin| count(&mut total, bin, &asked.zone));
    let completeness = completeness(&collected, asked);
    Report {
        title: asked.title.clone(),
        tenant: asked.tenant.clone(),
        since: asked.since,
        until: asked.until,
        zone: zone_name(&asked.zone),
        made: asked.made,
        roster: roster.map(Roster::len),
        findings,
        completeness,
        total,
        people: people(&collected, asked, roster),
        hosts: hosts(&collected, asked),
        refused: collected.refused,
    }
}

fn count(activity: &mut Activity, bin: &Bin, zone: &TimeZone) {
    activity.acts = activity.acts.saturating_add(bin.acts);
    activity.as_root = activity.as_root.saturating_add(bin.as_root);
    let at = zone.to_datetime(bin.at);
    let day = activity.days.entry(at.date()).or_default();
    *day = day.saturating_add(bin.acts);
    let weekday = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or_default();
    let hour = usize::try_from(at.hour()).unwrap_or_default();
    if let Some(hour) = activity.hours.get_mut(weekday).and_then(|day| day.get_mut(hour)) {
        *hour = hour.saturating_add(bin.acts);
    }
}

/// Those of a person; the statement cut them and counted.
fn destinations(rows: &[Destination], person: &str) -> List<Destination> {
    let rows: Vec<Destination> = rows.iter().filter(|row| row.human == person).cloned().collect();
    List { all: rows.first().map_or(0, |row| row.total), rows }
}

/// The first rows of many.
fn first<Row: Clone>(rows: &[Row], is_theirs: impl Fn(&Row) -> bool) -> List<Row> {
    let theirs = || rows.iter().filter(|row| is_theirs(row));
    List { all: theirs().count() as u64, rows: theirs().take(SHOWN).cloned().collect() }
}

/// Everybody who did something or came in, contractors first.
fn people(of: &Collected, asked: &Asked, roster: Option<&Roster>) -> Vec<Person> {
    let mut people: BTreeMap<&str, Person> = BTreeMap::new();
    for bin in &of.bins {
        let Some(human) = &bin.human else { continue };
        let person = people.entry(human).or_default();
        count(&mut person.activity, bin, &asked.zone);
        *person.hosts.entry(bin.host.clone()).or_default() += bin.acts;
    }
    for account in of.logins.iter().filter_map(|login| login.account.as_deref()) {
        people.entry(account).or_default();
    }
    // Who is on the roster and did nothing is told as well: the account may not be needed.
    for account in roster.into_iter().flat_map(Roster::keys) {
        people.entry(account).or_default();
    }
    let mut people: Vec<Person> = people
        .into_iter()
        .map(|(name, person)| Person {
            person: name.to_owned(),
            roster: roster.and_then(|roster| roster.get(name).cloned()),
            logins: of.logins.iter().filter(|row| row.account.as_deref() == Some(name)).cloned().collect(),
            refused: of.refused.iter().filter(|row| row.account.as_deref() == Some(name)).cloned().collect(),
            privileged: first(&of.privileged, |row| row.human == name),
            sensitive: first(&of.sensitive, |row| row.human == name),
            new_programs: first(&of.new_programs, |row| row.human.as_deref() == Some(name)),
            destinations: destinations(&of.destinations, name),
            denied: first(&of.denied, |row| row.human == name),
            ..person
        })
        .collect();
    let is_inside = |person: &Person| !person.roster.as_ref().is_some_and(Entry::is_contractor);
    people.sort_by_key(is_inside);
    people
}

fn hosts(of: &Collected, asked: &Asked) -> Vec<Host> {
    let mut hosts: BTreeMap<&str, Host> = BTreeMap::new();
    for seen in of.seen.iter().filter(|seen| seen.last_seen >= asked.since) {
        hosts.entry(&seen.host).or_default();
    }
    for bin in &of.bins {
        let host = hosts.entry(&bin.host).or_default();
        count(&mut host.activity, bin, &asked.zone);
        *host.people.entry(bin.human.clone().unwrap_or_default()).or_default() += bin.acts;
    }
    let times = |rows: &mut dyn Iterator<Item = u64>| rows.fold(0_u64, u64::saturating_add);
    let of_host = |(name, host): (&str, Host)| Host {
        host: name.to_owned(),
        logins: of.logins.iter().filter(|row| row.host == name).cloned().collect(),
        refused: times(&mut of.refused.iter().filter(|row| row.host == name).map(|row| row.times)),
        privileged: times(&mut of.privileged.iter().filter(|row| row.host == name).map(|row| row.times)),
        sensitive: times(&mut of.sensitive.iter().filter(|row| row.host == name).map(|row| row.times)),
        new_programs: first(&of.new_programs, |row| row.host == name),
        ..host
    };
    hosts.into_iter().map(of_host).collect()
}

fn completeness(of: &Collected, asked: &Asked) -> Completeness {
    let sensors: Vec<Sensor> = of.seen.iter().map(|seen| sensor(seen, of, asked)).collect();
    let is_complete = of.gaps.is_empty()
        && of.silences.is_empty()
        && of.damaged == 0
        && !sensors.is_empty()
        && sensors.iter().all(|sensor| sensor.unheard.is_empty());
    let (gaps, silences) = (of.gaps.clone(), of.silences.clone());
    Completeness { is_complete, gaps, silences, sensors, damaged: of.damaged }
}

/// In which hours of the period a sensor was not heard, since it was there.
fn sensor(seen: &Seen, of: &Collected, asked: &Asked) -> Sensor {
    let heard: Vec<Timestamp> =
        of.heard.iter().filter(|heard| heard.sensor_id == seen.sensor_id).map(|heard| heard.at).collect();
    let mut unheard: Vec<Stretch> = Vec::new();
    let (mut hours, mut unheard_hours) = (0, 0);
    let mut at = asked.since.max(seen.first_seen);
    // Whole hours of the clock, as those that are heard.
    let second = at.as_second();
    at = Timestamp::from_second(second - second.rem_euclid(3600)).unwrap_or(at);
    let end = asked.until.min(asked.made);
    while let Some(next) = at.checked_add(HOUR).ok().filter(|_| at < end) {
        hours += 1;
        if heard.binary_search(&at).is_err() && next <= end {
            unheard_hours += 1;
            match unheard.last_mut().filter(|last| last.to == at) {
                Some(last) => last.to = next,
                None => unheard.push(Stretch { from: at, to: next }),
            }
        }
        at = next;
    }
    Sensor {
        host: seen.host.clone(),
        sensor_id: seen.sensor_id.clone(),
        first_seen: seen.first_seen,
        last_seen: seen.last_seen,
        hours,
        unheard,
        unheard_hours,
    }
}
