//! What is stored comes out, each event once, in each format.

use activity_formats::Format;
use serde_json::Value;

use super::*;
use crate::{cli::StoreArgs, query::tests::fixture::Month, state::ViewingArgs, store::tests::layout};

fn args(format: Format) -> ExportArgs {
    ExportArgs {
        format,
        since: None,
        until: None,
        store: StoreArgs { store: String::new(), tenant: None },
        viewing: ViewingArgs { purpose: None },
    }
}

async fn lines(engine: &Engine, format: Format, since: Option<&str>, until: Option<&str>) -> Vec<String> {
    let args = args(format);
    let mut out = Vec::new();
    let mut lines = Lines { args: &args, rows: 0, out: &mut out };
    let time = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    lines.write(engine, time(since), time(until)).await.unwrap();
    let rows = lines.rows;
    let lines: Vec<String> = String::from_utf8(out).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(rows, lines.len() as u64);
    lines
}

#[tokio::test]
async fn every_stored_event_is_a_line_of_each_format() {
    let mut month = Month::default();
    let alice = month.login("alice", 1001, "web-1", "192.0.2.10", "2026-03-02T09:00:00Z");
    month.exec(&alice, "2026-03-02T09:01:00Z", "/usr/bin/ls", &["ls", "-la"]);
    month.connect(&alice, "2026-03-03T09:01:00Z", "203.0.113.5", 443, "/usr/bin/curl");
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    let stored = month.events.len();
    month.store(&layout);
    let engine = Engine::open(&layout).await.unwrap();
    for (name, format) in Format::ALL {
        assert_eq!(lines(&engine, format, None, None).await.len(), stored, "{name}");
    }
    let day = lines(&engine, Format::Ocsf, Some("2026-03-03T00:00:00Z"), Some("2026-03-04T00:00:00Z")).await;
    let [connect] = day.as_slice() else { panic!("{day:?}") };
    let connect: Value = serde_json::from_str(connect).unwrap();
    assert_eq!(
        (&connect["class_uid"], &connect["dst_endpoint"]["ip"]),
        (&4001.into(), &"203.0.113.5".into())
    );
    assert!(lines(&engine, Format::Cef, Some("2026-03-04T00:00:00Z"), None).await.is_empty());
}
