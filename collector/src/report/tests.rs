//! The review of a made-up month: exactly what was put in.

use activity_proto::v1::{GapReason, Outcome};
use jiff::{ToSpan as _, civil};
use serde_json::{Value, json};

use super::*;
use crate::{query::tests::fixture::Month, store::tests::layout};

const ROSTER: &str = "
    [[person]]
    person = 'alice'
    name = 'Alice Example'
    kind = 'employee'
    hours = 'Mon-Fri 07:00-19:00'
    [[person]]
    person = 'bob'
    name = 'Bob Example'
    kind = 'contractor'
    company = 'Example GmbH'
    start = 2026-01-01
    end = 2026-03-20
    hours = 'Mon-Fri 08:00-18:00'
    hosts = ['web-*']
    [[person]]
    person = 'dora'
    kind = 'contractor'
    company = 'Nobody Ltd'
    end = 2026-12-31";

/// Every working day of March 2026, in the morning and the afternoon of Berlin.
fn working_days() -> impl Iterator<Item = civil::Date> {
    let all = civil::date(2026, 3, 1).series(1.day()).take(31);
    all.filter(|day| day.weekday().to_monday_zero_offset() < 5)
}

/// March 2026 in Berlin.
pub fn march() -> Month {
    let mut month = Month::default();
    for host in ["web-1", "db-1"] {
        month.heartbeats(host, "2026-02-27T00:00:00Z", "2026-03-27T02:00:00Z");
        month.heartbeats(host, "2026-03-27T05:00:00Z", "2026-04-01T00:00:00Z");
    }
    // What ran before March is not new in it.
    let old = month.login("alice", 1001, "web-1", "192.0.2.10", "2026-02-27T09:00:00Z");
    for exe in ["/usr/bin/ls", "/usr/bin/vim", "/usr/bin/systemctl", "/usr/bin/psql"] {
        month.exec(&old, "2026-02-27T09:01:00Z", exe, &["x"]);
    }
    month.logout(&old, "2026-02-27T10:00:00Z");
    for day in working_days() {
        let at = |time: &str| format!("{day}T{time}Z");
        let alice = month.login("alice", 1001, "web-1", "192.0.2.10", &at("08:00:00"));
        for minute in 0..40 {
            month.exec(
                &alice,
                &at(&format!("{:02}:{:02}:00", 8 + minute / 5, minute)),
                "/usr/bin/ls",
                &["ls"],
            );
        }
        if day.day() % 7 == 2 {
            let root = month.sudo(&alice, &at("10:00:00"), &["sudo", "systemctl", "reload", "nginx"]);
            month.exec(&root, &at("10:00:01"), "/usr/bin/systemctl", &["systemctl", "reload", "nginx"]);
        }
        month.connect(&alice, &at("11:00:00"), "10.0.0.5", 5432, "/usr/bin/psql");
        month.logout(&alice, &at("16:00:00"));
        if day.day() <= 20 {
            let bob = month.login("bob", 1002, "web-1", "203.0.113.40", &at("09:00:00"));
            for minute in 0..25 {
                month.exec(
                    &bob,
                    &at(&format!("{:02}:{:02}:30", 9 + minute / 5, minute)),
                    "/usr/bin/vim",
                    &["vim", "app.py"],
                );
            }
            month.logout(&bob, &at("15:00:00"));
        }
    }
    wrong(&mut month);
    month
}

/// What a review has to find.
fn wrong(month: &mut Month) {
    // On a Saturday night, as root, in a file with secrets, of which one try was refused.
    let bob = month.login("bob", 1002, "web-1", "203.0.113.40", "2026-03-14T22:10:00Z");
    month.open(&bob, "2026-03-14T22:11:00Z", "/etc/shadow", "/usr/bin/cat").outcome =
        Some(Outcome { success: false, errno: Some(13) });
    let root = month.sudo(&bob, "2026-03-14T22:12:00Z", &["sudo", "-i"]);
    month.open(&root, "2026-03-14T22:13:00Z", "/etc/shadow", "/usr/bin/cat");
    month.exec(&root, "2026-03-14T22:14:00Z", "/tmp/<script>alert(1)</script>", &["x|y", "*_`<b>"]);
    // Where he may not be.
    let bob = month.login("bob", 1002, "db-1", "203.0.113.40", "2026-03-18T10:00:00Z");
    month.exec(&bob, "2026-03-18T10:05:00Z", "/usr/bin/psql", &["psql", "customers"]);
    // After the end of his contract: he takes something along.
    let bob = month.login("bob", 1002, "web-1", "198.51.100.7", "2026-03-24T13:00:00Z");
    month.open(&bob, "2026-03-24T13:05:00Z", "/srv/backup/tls.key", "/usr/bin/curl");
    month.connect(&bob, "2026-03-24T13:06:00Z", "203.0.113.99", 443, "/usr/bin/curl");
    // Nobody knows her.
    let carol = month.login("carol", 1003, "db-1", "192.0.2.77", "2026-03-05T10:00:00Z");
    month.exec(&carol, "2026-03-05T10:01:00Z", "/usr/bin/id", &["id"]);
    for minute in 0..25 {
        month.refused("admin", "198.51.100.66", "web-1", &format!("2026-03-09T02:{minute:02}:00Z"));
    }
    month.refused("alice", "198.51.100.66", "web-1", "2026-03-09T02:30:00Z");
    month.gap("web-1", "2026-03-12T09:30:00Z", GapReason::RingFull, 312);
    month.gap("db-1", "2026-03-27T05:00:00Z", GapReason::UncleanEnd, 0);
    month.silence("db-1", "db-1:50051", "2026-03-27T02:00:00Z", Some("2026-03-27T05:00:00Z"));
    // After the period.
    let later = month.login("eve", 1009, "web-1", "192.0.2.99", "2026-04-01T08:00:00Z");
    month.exec(&later, "2026-04-01T08:00:01Z", "/usr/bin/later", &["later"]);
}

fn asked(roster: Option<&str>) -> Asked {
    Asked {
        title: "Access review".into(),
        tenant: Some("acme & sons".into()),
        since: "2026-02-28T23:00:00Z".parse().unwrap(),
        until: "2026-03-31T22:00:00Z".parse().unwrap(),
        made: "2026-04-01T07:00:00Z".parse().unwrap(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        inside: INSIDE.into(),
        roster: roster.map(|text| roster::parse_toml(text).unwrap()),
    }
}

async fn made(month: Month, asked: &Asked) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    month.store(&layout);
    review(&Engine::open(&layout).await.unwrap(), asked).await.unwrap()
}

#[tokio::test]
async fn the_review_of_a_known_month_finds_exactly_what_was_put_in() {
    let asked = asked(Some(ROSTER));
    let report = made(march(), &asked).await;
    let json: Value = serde_json::from_str(&render(&report, &asked.zone, Form::Json).unwrap()).unwrap();
    let findings: Vec<Value> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            json!([of["kind"], of["person"], of["acts"], of["asRoot"], of["spans"].as_array().unwrap().len()])
        })
        .collect();
    // A login is an act, and so is a step to root.
    assert_eq!(
        findings,
        [
            json!(["after_contract", "bob", 3, 0, 1]),
            json!(["host_not_allowed", "bob", 2, 0, 1]),
            json!(["not_on_roster", "carol", 2, 0, 1]),
            json!(["outside_hours", "bob", 5, 3, 1]),
        ]
    );
    assert_eq!(
        json["findings"][3]["spans"],
        json!([{
            "host": "web-1", "from": "2026-03-14T22:00:00Z", "to": "2026-03-14T22:15:00Z", "acts": 5, "asRoot": 3,
        }])
    );
    let people: Vec<_> = report.people.iter().map(|of| (of.person.as_str(), of.activity.acts)).collect();
    assert_eq!(people, [("bob", 15 * 27 + 10), ("dora", 0), ("alice", 22 * 43 + 2 * 5), ("carol", 2)]);
    let whole = &report.completeness;
    assert!(!whole.is_complete);
    let gaps: Vec<_> = whole.gaps.iter().map(|of| (of.host.as_str(), of.missing, of.unknown)).collect();
    assert_eq!(gaps, [("db-1", None, 1), ("web-1", Some(312), 0)]);
    let heard: Vec<_> =
        whole.sensors.iter().map(|of| (of.host.as_str(), of.hours, of.unheard_hours)).collect();
    // March has 743 hours in Berlin. Silences and gaps are not signs of life, acts are.
    assert_eq!(heard, [("db-1", 743, 3), ("web-1", 743, 3)]);
}

#[tokio::test]
async fn the_review_reads_the_same_every_time() {
    let asked = asked(Some(ROSTER));
    let report = made(march(), &asked).await;
    insta::assert_snapshot!(render(&report, &asked.zone, Form::Md).unwrap());
}

#[tokio::test]
async fn the_page_is_one_file_in_which_nothing_runs() {
    let asked = asked(Some(ROSTER));
    let report = made(march(), &asked).await;
    let page = render(&report, &asked.zone, Form::Html).unwrap();
    if let Some(path) = std::env::var_os("ACTIVITY_SHOW_REPORT") {
        fs::write(path, &page).unwrap();
    }
    assert!(page.contains("/tmp/&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("acme &amp; sons"));
    for loads in
        ["<script", "src=", "url(", "@import", "http://", "https://", "javascript:", " onload=", " onerror="]
    {
        assert!(!page.contains(loads), "{loads}");
    }
    for (one, other) in
        [("After the end of the contract", "Is this all?"), ("Is this all?", "<h2 id=\"people\"")]
    {
        assert!(page.find(one).unwrap() < page.rfind(other).unwrap());
    }
}

#[tokio::test]
async fn without_a_roster_a_review_says_what_was_not_checked() {
    let asked = asked(None);
    let report = made(march(), &asked).await;
    assert!(report.findings.is_empty());
    for form in [Form::Html, Form::Md] {
        let text = render(&report, &asked.zone, form).unwrap();
        assert!(text.contains("No roster was given") && !text.contains("Nothing was found"));
    }
}

#[tokio::test]
async fn a_month_without_holes_is_told_to_be_whole_and_an_empty_store_is_not() {
    let asked = asked(Some(ROSTER));
    let mut month = Month::default();
    month.heartbeats("web-1", "2026-02-27T00:00:00Z", "2026-04-01T00:00:00Z");
    let report = made(month, &asked).await;
    assert!(report.completeness.is_complete && report.findings.is_empty());
    assert!(render(&report, &asked.zone, Form::Md).unwrap().contains("Nothing was found."));
    let nothing = made(Month::default(), &asked).await;
    assert!(!nothing.completeness.is_complete);
    assert!(render(&nothing, &asked.zone, Form::Md).unwrap().contains("No sensor has been heard at all"));
}
