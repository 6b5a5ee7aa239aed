//! Timelines of known days.

use activity_proto::v1::{GapReason, Outcome};
use serde_json::{Value, json};

use super::*;
use crate::{query::tests::fixture::Month, store::tests::layout};

fn asked(who: &str) -> Asked {
    Asked {
        who: who.parse().unwrap(),
        since: "2026-03-02T00:00:00Z".parse().unwrap(),
        until: "2026-03-03T00:00:00Z".parse().unwrap(),
        host: "%".into(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        all: false,
    }
}

async fn engine(month: Month) -> (tempfile::TempDir, Engine) {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    month.store(&layout);
    let engine = Engine::open(&layout).await.unwrap();
    (directory, engine)
}

async fn text(engine: &Engine, asked: &Asked) -> String {
    let mut out = Vec::new();
    show(engine, asked, &mut text::Text::new(&mut out, asked, false)).await.unwrap();
    String::from_utf8(out).unwrap()
}

async fn objects(engine: &Engine, asked: &Asked) -> Vec<Value> {
    let mut out = Vec::new();
    show(engine, asked, &mut json::Json { out: &mut out, who: &asked.who }).await.unwrap();
    String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Two sessions at once, a step to root, repeats, losses and what others do.
fn day() -> Month {
    let mut month = Month::default();
    let alice = month.login("alice", 1001, "web-1", "192.0.2.10", "2026-03-02T08:00:00Z");
    month.exec(&alice, "2026-03-02T08:00:05Z", "/usr/bin/ls", &["ls", "-la", "my files"]);
    for second in 10..20 {
        month.exec(&alice, &format!("2026-03-02T08:00:{second}Z"), "/usr/bin/true", &["true"]);
        month.open(&alice, &format!("2026-03-02T08:00:{second}.5Z"), "/tmp/x", "/usr/bin/true");
    }
    month.open(&alice, "2026-03-02T08:01:00Z", "/etc/shadow", "/usr/bin/cat").outcome =
        Some(Outcome { success: false, errno: Some(13) });
    month.gap("web-1", "2026-03-02T08:02:00Z", GapReason::RingFull, 300);
    month.gap("web-1", "2026-03-02T08:02:01Z", GapReason::RingFull, 12);
    let root = month.sudo(&alice, "2026-03-02T08:03:00Z", &["sudo", "-i"]);
    month.exec(&root, "2026-03-02T08:03:01Z", "/usr/bin/cat", &["cat", "/etc/shadow"]);
    month.connect(&root, "2026-03-02T08:03:02Z", "2001:db8::5", 443, "/usr/bin/curl");
    month.logout(&alice, "2026-03-02T08:30:00Z");
    let second = month.login("alice", 1001, "db-1", "192.0.2.10", "2026-03-02T08:02:30Z");
    month.exec(&second, "2026-03-02T08:02:40Z", "/tmp/evil\x1b[31m", &["ls"]);
    let bob = month.login("bob", 1002, "web-1", "192.0.2.11", "2026-03-02T08:00:00Z");
    month.exec(&bob, "2026-03-02T08:00:07Z", "/usr/bin/id", &["id"]);
    month.refused("alice", "198.51.100.66", "web-1", "2026-03-02T07:59:00Z");
    month.silence("mail-1", "unix:/m", "2026-03-02T20:00:00Z", Some("2026-03-02T21:30:00Z"));
    month
}

#[tokio::test]
async fn a_person_s_day_is_read_from_top_to_bottom() {
    let (_directory, engine) = engine(day()).await;
    let expected = "\
Monday 2 March 2026
  08:59:00 ! web-1: was refused at the door, from 198.51.100.66 by password

alice on web-1, ssh from 192.0.2.10 port 50001 by publickey SHA256:alice, session boot-1
  Monday 2 March 2026
  09:00:00 ^ logged in
  09:00:05   ran        ls -la 'my files'  in /home
  09:00:10   ran        true  in /home  x10 until 09:00:19
  09:00:10   read       /tmp/x  by true  x10 until 09:00:19
  09:01:00 ! read       /etc/shadow  EACCES by cat
  09:02:00 ? 312 events of lane file are missing here (ring_full)  x2 until 09:02:01
  09:03:00 ^ became     alice -> root by sudo: sudo -i
  09:03:01   root# ran        cat /etc/shadow  in /home
  09:03:02   root# connected  [2001:db8::5]:443  by curl
  09:30:00 ^ logged out

alice on db-1, ssh from 192.0.2.10 port 50002 by publickey SHA256:alice, session boot-2
  Monday 2 March 2026
  09:02:30 ^ logged in
  09:02:40   ran        ls  /tmp/evil\\x1b[31m in /home

Monday 2 March 2026
  21:00:00 ? mail-1: the sensor at unix:/m is silent (no heartbeat) until 22:30:00 (1 h 30 min)

29 acts in 2 sessions, 2026-03-02 01:00:00 to 2026-03-03 01:00:00 (Europe/Berlin).
This is not all: 312 events are missing, and 1 time of which nobody knows what happened meanwhile.
";
    assert_eq!(text(&engine, &asked("alice")).await, expected);
}

#[tokio::test]
async fn machines_get_an_object_a_line_with_all_that_is_known() {
    let (_directory, engine) = engine(day()).await;
    let objects = objects(&engine, &asked("alice")).await;
    let kinds: Vec<_> = objects.iter().map(|object| object["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "login_failed",
            "session_start",
            "exec",
            "exec",
            "open",
            "open",
            "gap",
            "account_switch",
            "exec",
            "connect",
            "session_end",
            "session_start",
            "exec",
            "silence",
        ]
    );
    let expected = json!({
        "human": "alice", "time": "2026-03-02T08:00:10Z", "type": "exec", "host": "web-1", "session": "boot-1",
        "sessionKind": "ssh", "remoteAddress": "192.0.2.10", "remotePort": 50_001, "authMethod": "publickey",
        "keyFingerprint": "SHA256:alice", "confidence": "high", "chain": ["alice"], "asUser": "alice",
        "exe": "/usr/bin/true", "argv": ["true"], "cwd": "/home", "path": "/usr/bin/true", "success": true,
        "count": 10, "last": "2026-03-02T08:00:19Z",
    });
    assert_eq!(objects[3], expected);
    let expected = json!({
        "time": "2026-03-02T08:02:00Z", "last": "2026-03-02T08:02:01Z", "type": "gap", "host": "web-1",
        "reason": "ring_full", "lane": "file", "missing": 312, "count": 2,
    });
    assert_eq!(objects[6], expected);
    let by_number = super::tests::objects(&engine, &asked("1001")).await;
    assert_eq!(by_number.len(), objects.len() - 1, "a refused login has no number");
}

#[tokio::test]
async fn what_others_did_and_other_times_and_machines_are_not_told() {
    let (_directory, engine) = engine(day()).await;
    let bob = objects(&engine, &asked("bob")).await;
    assert!(bob.iter().all(|object| object["argv"] != json!(["cat", "/etc/shadow"])));
    let other = Asked { host: "db-%".into(), ..asked("alice") };
    assert!(objects(&engine, &other).await.iter().all(|object| object["host"] == "db-1"));
    let later = Asked { since: "2026-03-02T08:30:00Z".parse().unwrap(), ..asked("alice") };
    let kinds: Vec<_> = objects(&engine, &later)
        .await
        .iter()
        .map(|object| object["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["session_end", "silence"]);
}

#[tokio::test]
async fn a_name_that_did_nothing_is_answered_with_the_nearest_that_did() {
    let (_directory, engine) = engine(day()).await;
    let sentence = nobody(&engine, &asked("alcie")).await.unwrap();
    assert!(sentence.ends_with("did you mean alice?"), "{sentence}");
    let sentence = nobody(&engine, &asked("zoe")).await.unwrap();
    assert!(sentence.ends_with("; 2 others did"), "{sentence}");
    let quiet = text(&engine, &asked("zoe")).await;
    assert!(quiet.contains("0 acts in 0 sessions") && quiet.contains("This is not all: 312"), "{quiet}");
}
