//! Views and questions over a small store of known events.

pub mod fixture;

use activity_proto::v1::{GapReason, Outcome};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{named::NAMED, views::VIEWS, *};
use crate::store::tests::layout;
use fixture::Month;

/// A day's events: a login, sudo, a secret, the way out, a refused login, a loss.
async fn day() -> (tempfile::TempDir, Engine) {
    let mut month = Month::default();
    month.heartbeats("web-1", "2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z");
    let alice = month.login("alice", 1001, "web-1", "192.0.2.10", "2026-03-02T09:00:00Z");
    month.exec(&alice, "2026-03-02T09:01:00Z", "/usr/bin/ls", &["ls", "-la"]);
    month.open(&alice, "2026-03-02T09:02:00Z", "/etc/shadow", "/usr/bin/cat").outcome =
        Some(Outcome { success: false, errno: Some(13) });
    let root = month.sudo(&alice, "2026-03-02T22:00:00Z", &["sudo", "-i"]);
    month.exec(&root, "2026-03-02T22:00:01Z", "/usr/bin/cat", &["cat", "/etc/shadow"]);
    let open = month.open(&root, "2026-03-02T22:00:02Z", "/etc/shadow", "/usr/bin/cat");
    (open.count, open.sampled) = (Some(3), Some(2));
    month.connect(&root, "2026-03-02T22:00:03Z", "203.0.113.5", 443, "/usr/bin/curl");
    month.connect(&root, "2026-03-02T22:00:04Z", "10.0.0.5", 5432, "/usr/bin/psql");
    month.logout(&alice, "2026-03-02T22:30:00Z");
    month.refused("admin", "198.51.100.66", "web-1", "2026-03-02T03:00:00Z");
    month.gap("web-1", "2026-03-02T12:00:00Z", GapReason::RingFull, 312);
    month.silence("db-1", "unix:/run/db-1.sock", "2026-03-02T02:00:00Z", Some("2026-03-02T03:00:00Z"));
    month.silence("", "unix:/run/mail.sock", "2026-03-02T01:00:00Z", None);
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    month.store(&layout);
    let engine = Engine::open(&layout).await.unwrap();
    (directory, engine)
}

async fn rows(engine: &Engine, sql: &str) -> Value {
    engine.rows::<Value>(sql, Vec::new()).await.unwrap_or_else(|failure| panic!("{sql}: {failure}")).into()
}

async fn asked(engine: &Engine, name: &str, given: &[(&str, &str)]) -> Value {
    let now = "2026-03-04T12:00:00Z".parse::<Timestamp>().unwrap().to_zoned(TimeZone::UTC);
    let question = named::named(name).unwrap();
    let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let values = question.bind(&given, &now).unwrap();
    let rows = engine.rows::<Value>(question.sql, values).await;
    rows.unwrap_or_else(|failure| panic!("{name}: {failure}")).into()
}

#[tokio::test]
async fn every_view_has_the_columns_that_are_told_in_their_order() {
    let (_directory, engine) = day().await;
    for view in VIEWS {
        let described = rows(&engine, &format!("DESCRIBE {}", view.name)).await;
        let columns: Vec<_> =
            described.as_array().unwrap().iter().map(|row| row["column_name"].as_str().unwrap()).collect();
        let told: Vec<_> = view.columns.iter().map(|(column, _)| *column).collect();
        assert_eq!(columns, told, "{}", view.name);
    }
}

#[tokio::test]
async fn a_session_has_its_way_in_and_its_end() {
    let (_directory, engine) = day().await;
    let expected = json!([{
        "host": "web-1", "session": "boot-1", "human": "alice", "kind": "ssh",
        "remote_address": "192.0.2.10", "remote_port": 50_001, "auth_method": "publickey",
        "key_fingerprint": "SHA256:alice", "tty": "pts0",
        "started": "2026-03-02T09:00:00Z", "ended": "2026-03-02T22:30:00Z",
    }]);
    assert_eq!(rows(&engine, "SELECT * FROM sessions").await, expected);
    let logins =
        rows(&engine, "SELECT account, success, invalid_user, remote_address FROM logins ORDER BY time")
            .await;
    let expected = json!([
        {"account": "admin", "success": false, "invalid_user": true, "remote_address": "198.51.100.66"},
        {"account": "alice", "success": true, "invalid_user": false, "remote_address": "192.0.2.10"},
    ]);
    assert_eq!(logins, expected);
}

#[tokio::test]
async fn acts_have_their_people_and_count_what_they_stand_for() {
    let (_directory, engine) = day().await;
    let opens = "SELECT human, as_user, chain, success, error, acts FROM opens ORDER BY time";
    let expected = json!([
        {"human": "alice", "as_user": "alice", "chain": ["alice"], "success": false, "error": "EACCES", "acts": 1},
        {"human": "alice", "as_user": "root", "chain": ["alice", "root"], "success": true, "acts": 6},
    ]);
    assert_eq!(rows(&engine, opens).await, expected);
    let execs = rows(&engine, "SELECT human, argv[1] AS word FROM execs WHERE as_user = 'root'").await;
    assert_eq!(execs, json!([{"human": "alice", "word": "cat"}]));
    let switch = "SELECT human, from_user, to_user, how, command, success FROM privilege_changes";
    let expected = json!([{
        "human": "alice", "from_user": "alice", "to_user": "root", "how": "sudo", "command": ["sudo", "-i"],
        "success": true,
    }]);
    assert_eq!(rows(&engine, switch).await, expected);
}

#[tokio::test]
async fn what_is_not_known_is_told() {
    let (_directory, engine) = day().await;
    let gaps = rows(&engine, "SELECT host, reason, missing, counts FROM gaps").await;
    let expected =
        json!([{"host": "web-1", "reason": "ring_full", "missing": 312, "counts": "{\"open\":312}"}]);
    assert_eq!(gaps, expected);
    let silences =
        rows(&engine, "SELECT host, address, reason, since, ended FROM silences ORDER BY since").await;
    let expected = json!([
        {"address": "unix:/run/mail.sock", "reason": "never_reached", "since": "2026-03-02T01:00:00Z"},
        {"host": "db-1", "address": "unix:/run/db-1.sock", "reason": "no_heartbeat",
         "since": "2026-03-02T02:00:00Z", "ended": "2026-03-02T03:00:00Z"},
    ]);
    assert_eq!(silences, expected);
    let sensors =
        "SELECT host, last_heartbeat, events, runs, gaps, missing, conservation_errors FROM sensors";
    let expected = json!([{
        "host": "web-1", "last_heartbeat": "2026-03-02T23:00:00Z", "events": 36, "runs": 1, "gaps": 1,
        "missing": 312, "conservation_errors": 0,
    }]);
    assert_eq!(rows(&engine, sensors).await, expected);
}

#[tokio::test]
async fn every_question_is_answered_as_it_is() {
    let (_directory, engine) = day().await;
    for named in NAMED {
        asked(&engine, named.name, &[]).await;
    }
    let columns = |rows: Value, names: &[&str]| -> Vec<Value> {
        let pick = |row: &Value| names.iter().map(|name| row[*name].clone()).collect();
        rows.as_array().unwrap().iter().map(pick).collect()
    };
    let sudo = asked(&engine, "sudo", &[("human", "al*")]).await;
    assert_eq!(columns(sudo, &["human", "to_user", "how", "times"]), [json!(["alice", "root", "sudo", 1])]);
    assert_eq!(asked(&engine, "sudo", &[("human", "a")]).await, json!([]));
    assert_eq!(asked(&engine, "sudo", &[("human", "alic_")]).await, json!([]), "only * stands for anything");
    assert_eq!(asked(&engine, "sudo", &[("until", "2026-03-02T21:00:00Z")]).await, json!([]));
    let reads = asked(&engine, "sensitive-reads", &[]).await;
    assert_eq!(
        columns(reads, &["path", "as_user", "times"]),
        [json!(["/etc/shadow", "root", 6]), json!(["/etc/shadow", "alice", 1])]
    );
    let outside = asked(&engine, "outside-connections", &[]).await;
    assert_eq!(columns(outside, &["address", "port"]), [json!(["203.0.113.5", 443])]);
    let outside = asked(&engine, "outside-connections", &[("inside", "203.0.113.0/24")]).await;
    assert_eq!(columns(outside, &["address"]), [json!(["10.0.0.5"])]);
    let denied = asked(&engine, "denied", &[]).await;
    assert_eq!(columns(denied, &["human", "path"]), [json!(["alice", "/etc/shadow"])]);
    let root = asked(&engine, "after-hours-root", &[("zone", "UTC")]).await;
    assert_eq!(columns(root, &["argv"]), [json!([["cat", "/etc/shadow"]])]);
    // It is Tuesday morning there.
    let root = asked(&engine, "after-hours-root", &[("zone", "Asia/Tokyo"), ("from", "06:00")]).await;
    assert_eq!(root, json!([]));
    let new = asked(&engine, "new-programs", &[("since", "2026-03-02T10:00:00Z")]).await;
    assert_eq!(columns(new, &["exe", "human"]), [json!(["/usr/bin/cat", "alice"])]);
    let refused = asked(&engine, "failed-logins", &[]).await;
    assert_eq!(columns(refused, &["account", "times", "invalid_user"]), [json!(["admin", 1, true])]);
    let silent = asked(&engine, "silent-sensors", &[]).await;
    assert_eq!(
        columns(silent, &["address", "silent_now"]),
        [json!(["unix:/run/mail.sock", true]), json!(["unix:/run/db-1.sock", false])]
    );
}

#[tokio::test]
async fn values_are_bound_and_nothing_else_is_done_with_them() {
    let (_directory, engine) = day().await;
    let of = |value: &str| vec![("who".to_owned(), ScalarValue::Utf8(Some(value.to_owned())))];
    let sql = "SELECT count(*) AS n FROM execs WHERE human = $who";
    assert_eq!(engine.rows::<Value>(sql, of("alice")).await.unwrap(), [json!({"n": 2})]);
    let hostile = engine.rows::<Value>(sql, of("' OR 1 = 1 --")).await.unwrap();
    assert_eq!(hostile, [json!({"n": 0})]);
    let missing = engine.rows::<Value>(sql, Vec::new()).await.unwrap_err().to_string();
    assert_eq!(missing, "the statement has $who: give --param who=VALUE");
    let unknown = engine.rows::<Value>("SELECT 1", of("x")).await.unwrap_err().to_string();
    assert_eq!(unknown, "the statement has no place $who for --param who");
}

#[tokio::test]
async fn a_view_can_be_read_and_not_replaced() {
    let (_directory, engine) = day().await;
    for statement in ["CREATE OR REPLACE VIEW gaps AS SELECT 1", "DROP VIEW gaps", "DELETE FROM events"] {
        assert!(engine.rows::<Value>(statement, Vec::new()).await.is_err(), "{statement}");
    }
}
