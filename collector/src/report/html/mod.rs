//! The review as one HTML file: styles and charts within, nothing to load, nothing to run.

mod chart;
mod people;
mod table;

use jiff::{SignedDuration, civil::Date};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    model::{Completeness, Finding, Report},
    words::{self, Clock},
};
use crate::query::grouped;
use table::{Cell, table};

const STYLE: &str = include_str!("style.css");

/// The whole file.
pub fn html(report: &Report, clock: &Clock) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Even what somebody smuggled in would run nothing and load nothing.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (report.title) ", " (clock.period(report)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (head(report, clock))
                    (findings(report, clock))
                    (completeness(report, clock))
                    (overview(report, clock))
                    h2 id="people" { "People" }
                    @for person in &report.people { (people::person(person, report, clock)) }
                    h2 id="hosts" { "Hosts" }
                    @for host in &report.hosts { (people::host(host, report, clock)) }
                    (refused(report, clock))
                    (sign(report))
                }
            }
        }
    };
    page.into_string()
}

fn head(report: &Report, clock: &Clock) -> Markup {
    html! {
        header {
            h1 { (report.title) @if let Some(tenant) = &report.tenant { " – " (tenant) } }
            div { (clock.period(report)) " (" (report.zone) ")" }
            div class="muted small" {
                "Made " (clock.moment(report.made)) ". "
                @match report.roster {
                    Some(entries) => { "Compared with a roster of " (words::count(entries as u64, "person", "people")) "." }
                    None => { "Without a roster." }
                }
            }
            nav {
                a href="#findings" { "What needs an answer" }
                a href="#complete" { "Is this all?" }
                a href="#overview" { "Overview" }
                a href="#people" { "People" }
                a href="#hosts" { "Hosts" }
                a href="#refused" { "Refused logins" }
                a href="#sign" { "Signature" }
            }
        }
    }
}

fn class(gravity: u8) -> &'static str {
    match gravity {
        2 => "grave",
        1 => "warn",
        _ => "note",
    }
}

fn findings(report: &Report, clock: &Clock) -> Markup {
    html! {
        h2 id="findings" { "What needs an answer" }
        @if let Some(limits) = words::limits(report) { div class="box warn" { (limits) } }
        @if report.findings.is_empty() && report.roster.is_some() {
            div class="box ok" { "Nothing was found: everybody was on the roster, within contract, hours and hosts." }
        }
        @for finding in &report.findings { (finding_box(finding, report, clock)) }
    }
}

fn finding_box(finding: &Finding, report: &Report, clock: &Clock) -> Markup {
    let entry = report.people.iter().find(|of| of.person == finding.person).and_then(|of| of.roster.as_ref());
    html! {
        div class={ "box " (class(words::gravity(finding.kind))) } {
            b { (words::title(finding.kind)) ": " (finding.person) }
            @if let Some(company) = &finding.company { " (" (company) ")" }
            div { (words::amount(finding, entry)) }
            ul {
                @for span in finding.spans.iter().take(words::SPANS) { li { (words::span(span, clock)) } }
                @if finding.spans.len() > words::SPANS {
                    li class="muted" { "and " (finding.spans.len() - words::SPANS) " more" }
                }
            }
            @if let Some(look) = words::look(finding) { div class="small muted" { "Look: " code { (look) } } }
        }
    }
}

fn completeness(report: &Report, clock: &Clock) -> Markup {
    let of: &Completeness = &report.completeness;
    let (from, to) = (report.since.as_second(), report.until.min(report.made).as_second());
    html! {
        h2 id="complete" { "Is this all?" }
        div class={ "box " (if of.is_complete { "ok" } else { "grave" }) } {
            b { (words::verdict(of)) }
            @let holes = words::holes(of, clock);
            @if !holes.is_empty() { ul { @for hole in holes { li { (hole) } } } }
        }
        @if !of.sensors.is_empty() {
            table {
                thead { tr { th { "Sensor on" } th style="width:46%" { "Heard" } th class="number" { "Hours" } th { "Last" } } }
                tbody {
                    @for sensor in &of.sensors {
                        tr {
                            td { (sensor.host) }
                            td {
                                @let holes = sensor.unheard.iter().map(|hole| (hole.from.as_second(), hole.to.as_second()));
                                (chart::strip(from, to, sensor.first_seen.as_second(), holes))
                            }
                            td class="number" { (grouped(sensor.hours.saturating_sub(sensor.unheard_hours))) " of " (grouped(sensor.hours)) }
                            td class="time" { (clock.time(sensor.last_seen)) }
                        }
                    }
                }
            }
        }
    }
}

/// The first and the last day of the period.
fn bounds(report: &Report, clock: &Clock) -> (Date, Date) {
    let last = report.until.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(report.until);
    (clock.0.to_datetime(report.since).date(), clock.0.to_datetime(last).date())
}

fn overview(report: &Report, clock: &Clock) -> Markup {
    let people = report.people.iter().filter(|person| person.activity.acts > 0).count() as u64;
    let refused: u64 = report.refused.iter().map(|row| row.times).sum();
    let (from, to) = bounds(report, clock);
    let tiles = [
        (people, "people at work"),
        (report.hosts.len() as u64, "hosts"),
        (report.total.acts, "acts"),
        (report.total.as_root, "acts as root"),
        (refused, "refused logins"),
    ];
    html! {
        h2 id="overview" { "Overview" }
        div class="tiles" {
            @for (number, name) in tiles { div class="tile" { b { (grouped(number)) } span { (name) } } }
        }
        div class="charts" {
            figure { figcaption { "Acts by day" } (chart::days(&report.total.days, from, to, None)) }
            figure { figcaption { "Acts by weekday and hour" } (chart::heat(&report.total.hours, None)) }
        }
    }
}

fn refused(report: &Report, clock: &Clock) -> Markup {
    const SHOWN: usize = 30;
    let rows = report.refused.iter().take(SHOWN).map(|row| {
        vec![
            Cell::text(row.account.as_deref()),
            Cell::text(Some(&row.host)),
            Cell::text(row.remote_address.as_deref()),
            if row.invalid_user { Cell::Bad("no such account".into()) } else { Cell::text(None) },
            Cell::Number(row.times),
            Cell::Time(clock.time(row.first)),
            Cell::Time(clock.time(row.last)),
        ]
    });
    html! {
        h2 id="refused" { "Refused logins" }
        @if report.refused.is_empty() { p { "None." } } @else {
            (table(&["Account", "Host", "From", "", "#Times", "First", "Last"], rows.collect()))
            @if report.refused.len() > SHOWN { p class="muted small" { "and " (report.refused.len() - SHOWN) " more" } }
        }
    }
}

fn sign(report: &Report) -> Markup {
    html! {
        h2 id="sign" { "Signature" }
        p { (words::verdict(&report.completeness)) }
        div class="sign" { div { "Reviewed by" } div { "Date" } div { "Signature" } }
        p class="small muted" { (words::DEFINITIONS) }
    }
}
