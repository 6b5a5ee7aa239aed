//! A person, and a host.

use maud::{Markup, html};

use super::{
    super::{
        model::{Host, Kind, Login, NewProgram, Person, Report},
        words::{self, Clock},
    },
    bounds, chart, class,
    table::{Cell, table},
};
use crate::query::grouped;

/// A table under a name, with how many rows are left out.
fn titled(title: &str, more: u64, head: &[&str], rows: Vec<Vec<Cell>>) -> Markup {
    html! {
        @if !rows.is_empty() {
            h4 { (title) }
            (table(head, rows))
            @if more > 0 { p class="muted small" { "and " (grouped(more)) " more" } }
        }
    }
}

/// All that is known of a person.
pub fn person(of: &Person, report: &Report, clock: &Clock) -> Markup {
    let entry = of.roster.as_ref();
    let mut kinds: Vec<Kind> = report
        .findings
        .iter()
        .filter(|finding| finding.person == of.person)
        .map(|finding| finding.kind)
        .collect();
    kinds.dedup();
    let (from, to) = bounds(report, clock);
    html! {
        section class="card" {
            div class="head" {
                h3 {
                    (of.person)
                    @if let Some(name) = entry.and_then(|entry| entry.name.as_ref()) { " – " (name) }
                    @for kind in kinds {
                        span class={ "chip " (class(words::gravity(kind))) } { (words::title(kind)) }
                    }
                }
                @if let Some(entry) = entry { div class="muted" { (words::contract(entry)) } }
                @if of.activity.acts == 0 { p { "No acts in this period." } } @else {
                    p {
                        b { (words::count(of.activity.acts, "act", "acts")) } " on "
                        (words::count(of.activity.days.len() as u64, "day", "days")) ", "
                        (grouped(of.activity.as_root)) " as root. Hosts: "
                        @for (index, (host, acts)) in of.hosts.iter().enumerate() {
                            @if index > 0 { ", " }
                            (host) " (" (grouped(*acts)) ")"
                        }
                        "."
                    }
                    div class="charts" {
                        figure {
                            figcaption { "Acts by day" @if entry.is_some_and(|entry| entry.end.is_some()) { " (red: after the contract)" } }
                            (chart::days(&of.activity.days, from, to, entry.and_then(|entry| entry.end)))
                        }
                        figure {
                            figcaption { "Acts by weekday and hour" @if entry.is_some_and(|entry| entry.hours.is_some()) { " (amber: outside of working hours)" } }
                            (chart::heat(&of.activity.hours, entry.and_then(|entry| entry.hours.as_ref())))
                        }
                    }
                }
            }
            (logins(&of.logins, clock, false))
            (tables(of, clock))
        }
    }
}

fn logins(logins: &[Login], clock: &Clock, with_account: bool) -> Markup {
    const SHOWN: usize = 15;
    let rows = logins.iter().take(SHOWN).map(|row| {
        let who = if with_account { &row.account } else { &None };
        let first = if with_account { Cell::text(who.as_deref()) } else { Cell::text(Some(&row.host)) };
        vec![
            first,
            Cell::text(row.remote_address.as_deref().or(row.kind.as_deref())),
            Cell::text(row.auth_method.as_deref()),
            Cell::mono(row.key_fingerprint.as_deref()),
            Cell::Number(row.times),
            Cell::Time(clock.time(row.first)),
            Cell::Time(clock.time(row.last)),
        ]
    });
    let first = if with_account { "Account" } else { "Host" };
    let more = logins.len().saturating_sub(SHOWN) as u64;
    titled("Logins", more, &[first, "From", "By", "Key", "#Times", "First", "Last"], rows.collect())
}

fn tables(of: &Person, clock: &Clock) -> Markup {
    let refused = of.refused.iter().take(10).map(|row| {
        vec![
            Cell::text(Some(&row.host)),
            Cell::text(row.remote_address.as_deref()),
            Cell::Number(row.times),
            Cell::Time(clock.time(row.first)),
            Cell::Time(clock.time(row.last)),
        ]
    });
    let privileged = of.privileged.rows.iter().map(|row| {
        vec![
            Cell::text(Some(&row.host)),
            Cell::text(row.to_user.as_deref()),
            Cell::text(Some(&row.how)),
            Cell::mono(row.command.as_deref()),
            Cell::Number(row.times),
            Cell::Time(clock.time(row.last)),
        ]
    });
    let sensitive = of.sensitive.rows.iter().map(|row| {
        vec![
            Cell::text(Some(&row.host)),
            Cell::mono(Some(&row.path)),
            Cell::text(row.as_user.as_deref()),
            Cell::mono(row.exe.as_deref()),
            if row.success { Cell::text(None) } else { Cell::Bad("refused".into()) },
            Cell::Number(row.times),
            Cell::Time(clock.time(row.last)),
        ]
    });
    let destinations = of.destinations.rows.iter().map(|row| {
        vec![
            Cell::text(Some(&row.host)),
            Cell::mono(Some(&row.address)),
            Cell::text(row.port.map(|port| port.to_string()).as_deref()),
            if row.outside { Cell::Bad("outside".into()) } else { Cell::text(None) },
            Cell::mono(row.exe.as_deref()),
            Cell::Number(row.times),
            Cell::Time(clock.time(row.last)),
        ]
    });
    let denied = of.denied.rows.iter().map(|row| {
        vec![
            Cell::text(Some(&row.host)),
            Cell::mono(row.path.as_deref()),
            Cell::Number(row.times),
            Cell::Time(clock.time(row.last)),
        ]
    });
    let more_refused = of.refused.len().saturating_sub(10) as u64;
    html! {
        (titled("Refused logins", more_refused, &["Host", "From", "#Times", "First", "Last"], refused.collect()))
        (titled("Privileged use", of.privileged.more(), &["Host", "Became", "By", "Command", "#Times", "Last"], privileged.collect()))
        (titled("Sensitive files", of.sensitive.more(), &["Host", "Path", "As", "Program", "", "#Times", "Last"], sensitive.collect()))
        (new_programs(&of.new_programs.rows, of.new_programs.more(), clock, false))
        (titled("Destinations", of.destinations.more(), &["Host", "Address", "Port", "", "Program", "#Times", "Last"], destinations.collect()))
        (titled("Refused by the kernel", of.denied.more(), &["Host", "Path", "#Times", "Last"], denied.collect()))
    }
}

fn new_programs(rows: &[NewProgram], more: u64, clock: &Clock, with_person: bool) -> Markup {
    let rows = rows.iter().map(|row| {
        let who = if with_person { row.human.as_deref() } else { Some(row.host.as_str()) };
        vec![
            Cell::text(who),
            Cell::mono(Some(&row.exe)),
            Cell::Number(row.times),
            Cell::Time(clock.time(row.first)),
        ]
    });
    let first = if with_person { "First started by" } else { "Host" };
    titled(
        "Programs that never ran there before",
        more,
        &[first, "Program", "#Times", "First"],
        rows.collect(),
    )
}

/// All that is known of a host.
pub fn host(of: &Host, report: &Report, clock: &Clock) -> Markup {
    let (from, to) = bounds(report, clock);
    let mut people: Vec<_> = of.people.iter().collect();
    people.sort_by(|one, other| other.1.cmp(one.1));
    html! {
        section class="card" {
            div class="head" {
                h3 { (of.host) }
                p {
                    b { (words::count(of.activity.acts, "act", "acts")) } ", "
                    (grouped(of.activity.as_root)) " as root, "
                    (words::count(of.privileged, "step", "steps")) " to other users, "
                    (words::count(of.sensitive, "opening", "openings")) " of sensitive files, "
                    (words::count(of.refused, "refused login", "refused logins")) ". "
                    @if !people.is_empty() { "People: " }
                    @for (index, (person, acts)) in people.iter().enumerate() {
                        @if index > 0 { ", " }
                        (person) " (" (grouped(**acts)) ")"
                    }
                }
                @if of.activity.acts > 0 {
                    div class="charts" {
                        figure { figcaption { "Acts by day" } (chart::days(&of.activity.days, from, to, None)) }
                        figure { figcaption { "Acts by weekday and hour" } (chart::heat(&of.activity.hours, None)) }
                    }
                }
            }
            (logins(&of.logins, clock, true))
            (new_programs(&of.new_programs.rows, of.new_programs.more(), clock, true))
        }
    }
}
