//! The review as Markdown.

use std::fmt::Write as _;

use super::{
    model::{Host, Person, Report},
    words::{self, Clock},
};
use crate::query::grouped;

/// A cell or a line: what could be taken for Markdown or HTML is not.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '&' => plain.push_str("&amp;"),
            '\n' | '\r' => plain.push(' '),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '!' | '~' => plain.extend(['\\', character]),
            other => plain.push(other),
        }
    }
    plain
}

/// Writes it.
pub fn markdown(report: &Report, clock: &Clock) -> String {
    let mut out = String::new();
    let tenant = report.tenant.as_ref().map_or_else(String::new, |tenant| format!(" – {}", plain(tenant)));
    let _ = writeln!(out, "# {}{tenant}\n", plain(&report.title));
    let _ =
        writeln!(out, "{} ({}), made {}.\n", clock.period(report), report.zone, clock.moment(report.made));
    findings(&mut out, report, clock);
    completeness(&mut out, report, clock);
    overview(&mut out, report);
    let _ = writeln!(out, "## People\n");
    report.people.iter().for_each(|of| person(&mut out, of, clock));
    let _ = writeln!(out, "## Hosts\n");
    report.hosts.iter().for_each(|of| host(&mut out, of, clock));
    refused(&mut out, report, clock);
    let _ = writeln!(out, "## Signed\n\nReviewed by: ______________________  Date: ____________\n");
    let _ = writeln!(out, "{}\n\n{}", words::verdict(&report.completeness), words::DEFINITIONS);
    out
}

fn findings(out: &mut String, report: &Report, clock: &Clock) {
    let _ = writeln!(out, "## What needs an answer\n");
    if let Some(limits) = words::limits(report) {
        let _ = writeln!(out, "{limits}\n");
    }
    if report.findings.is_empty() && report.roster.is_some() {
        let _ = writeln!(out, "Nothing was found.\n");
    }
    for finding in &report.findings {
        let entry =
            report.people.iter().find(|of| of.person == finding.person).and_then(|of| of.roster.as_ref());
        let company = finding.company.as_ref().map_or_else(String::new, |of| format!(" ({})", plain(of)));
        let (title, person) = (words::title(finding.kind), plain(&finding.person));
        let _ = writeln!(out, "- **{title}: {person}**{company}, {}", plain(&words::amount(finding, entry)));
        for span in finding.spans.iter().take(words::SPANS) {
            let _ = writeln!(out, "  - {}", plain(&words::span(span, clock)));
        }
        if finding.spans.len() > words::SPANS {
            let _ = writeln!(out, "  - and {} more", finding.spans.len() - words::SPANS);
        }
    }
    let _ = writeln!(out);
}

fn completeness(out: &mut String, report: &Report, clock: &Clock) {
    let _ = writeln!(out, "## Is this all?\n\n**{}**\n", words::verdict(&report.completeness));
    for hole in words::holes(&report.completeness, clock) {
        let _ = writeln!(out, "- {}", plain(&hole));
    }
    let _ = writeln!(out);
}

fn overview(out: &mut String, report: &Report) {
    let _ = writeln!(out, "## Overview\n");
    let people = report.people.iter().filter(|person| person.activity.acts > 0).count();
    let refused: u64 = report.refused.iter().map(|row| row.times).sum();
    let rows = [
        ("People at work", people as u64),
        ("Hosts", report.hosts.len() as u64),
        ("Acts", report.total.acts),
        ("Acts as root", report.total.as_root),
        ("Refused logins", refused),
    ];
    table(out, &["", "number"], rows.map(|(name, number)| vec![name.to_owned(), grouped(number)]));
}

fn table(out: &mut String, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "| {} |", head.join(" | "));
    let _ = writeln!(out, "|{}", "---|".repeat(head.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| plain(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    let _ = writeln!(out);
}

/// A table under a name, with how many rows are left out.
fn titled(out: &mut String, title: &str, more: u64, head: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}:\n");
    table(out, head, rows);
    if more > 0 {
        let _ = writeln!(out, "and {} more\n", grouped(more));
    }
}

fn or(text: Option<&String>) -> String {
    text.cloned().unwrap_or_default()
}

fn person(out: &mut String, of: &Person, clock: &Clock) {
    let name = of.roster.as_ref().and_then(|entry| entry.name.as_ref());
    let name = name.map_or_else(String::new, |name| format!(" ({})", plain(name)));
    let _ = writeln!(out, "### {}{name}\n", plain(&of.person));
    if let Some(entry) = &of.roster {
        let _ = writeln!(out, "{}\n", plain(&words::contract(entry)));
    }
    if of.activity.acts == 0 {
        let _ = writeln!(out, "No acts in this period.\n");
    } else {
        let hosts: Vec<String> =
            of.hosts.iter().map(|(host, acts)| format!("{} ({})", plain(host), grouped(*acts))).collect();
        let (acts, root) = (words::count(of.activity.acts, "act", "acts"), grouped(of.activity.as_root));
        let days = words::count(of.activity.days.len() as u64, "day", "days");
        let _ = writeln!(out, "{acts} on {days}, {root} as root; hosts: {}\n", hosts.join(", "));
    }
    let logins = of.logins.iter().map(|row| {
        let way = [or(row.auth_method.as_ref()), or(row.key_fingerprint.as_ref())].join(" ");
        let from = row.remote_address.clone().unwrap_or_else(|| or(row.kind.as_ref()));
        vec![row.host.clone(), from, way, grouped(row.times), clock.time(row.first), clock.time(row.last)]
    });
    titled(out, "Logins", 0, &["host", "from", "by", "times", "first", "last"], logins.collect());
    let refused = of.refused.iter().map(|row| {
        vec![row.host.clone(), or(row.remote_address.as_ref()), grouped(row.times), clock.time(row.last)]
    });
    titled(out, "Refused logins", 0, &["host", "from", "times", "last"], refused.collect());
    let privileged = of.privileged.rows.iter().map(|row| {
        let (to, command) = (or(row.to_user.as_ref()), or(row.command.as_ref()));
        vec![row.host.clone(), to, row.how.clone(), command, grouped(row.times), clock.time(row.last)]
    });
    let head = ["host", "became", "by", "command", "times", "last"];
    titled(out, "Privileged use", of.privileged.more(), &head, privileged.collect());
    let sensitive = of.sensitive.rows.iter().map(|row| {
        let outcome = if row.success { "" } else { "refused" }.to_owned();
        let (user, exe) = (or(row.as_user.as_ref()), or(row.exe.as_ref()));
        vec![row.host.clone(), row.path.clone(), user, exe, outcome, grouped(row.times), clock.time(row.last)]
    });
    let head = ["host", "path", "as", "program", "", "times", "last"];
    titled(out, "Sensitive files", of.sensitive.more(), &head, sensitive.collect());
    let new = of
        .new_programs
        .rows
        .iter()
        .map(|row| vec![row.host.clone(), row.exe.clone(), clock.time(row.first), grouped(row.times)]);
    titled(
        out,
        "New programs",
        of.new_programs.more(),
        &["host", "program", "first", "times"],
        new.collect(),
    );
    let destinations = of.destinations.rows.iter().map(|row| {
        let port = row.port.map_or_else(String::new, |port| port.to_string());
        let place = if row.outside { "outside" } else { "inside" }.to_owned();
        vec![row.host.clone(), row.address.clone(), port, place, or(row.exe.as_ref()), grouped(row.times)]
    });
    let head = ["host", "address", "port", "", "program", "times"];
    titled(out, "Destinations", of.destinations.more(), &head, destinations.collect());
    let denied =
        of.denied.rows.iter().map(|row| {
            vec![row.host.clone(), or(row.path.as_ref()), grouped(row.times), clock.time(row.last)]
        });
    titled(
        out,
        "Refused by the kernel",
        of.denied.more(),
        &["host", "path", "times", "last"],
        denied.collect(),
    );
}

fn host(out: &mut String, of: &Host, clock: &Clock) {
    let _ = writeln!(out, "### {}\n", plain(&of.host));
    let (acts, root) = (words::count(of.activity.acts, "act", "acts"), grouped(of.activity.as_root));
    let (refused, steps) = (grouped(of.refused), grouped(of.privileged));
    let _ = writeln!(out, "{acts}, {root} as root; {steps} steps to other users, {refused} refused logins\n");
    let people = of.people.iter().map(|(person, acts)| vec![person.clone(), grouped(*acts)]);
    titled(out, "People", 0, &["person", "acts"], people.collect());
    let new =
        of.new_programs.rows.iter().map(|row| {
            vec![row.exe.clone(), or(row.human.as_ref()), clock.time(row.first), grouped(row.times)]
        });
    let head = ["program", "first started by", "first", "times"];
    titled(out, "New programs", of.new_programs.more(), &head, new.collect());
}

fn refused(out: &mut String, report: &Report, clock: &Clock) {
    let rows = report.refused.iter().take(30).map(|row| {
        let known = if row.invalid_user { "no such account" } else { "" }.to_owned();
        let (account, from) = (or(row.account.as_ref()), or(row.remote_address.as_ref()));
        vec![account, row.host.clone(), from, known, grouped(row.times), clock.time(row.last)]
    });
    if !report.refused.is_empty() {
        let _ = writeln!(out, "## Refused logins\n");
    }
    table(out, &["account", "host", "from", "", "times", "last"], rows);
}
