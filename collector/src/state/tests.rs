//! The log of viewers.

use super::{show::line, *};
use crate::store::tests::layout;

fn store() -> (tempfile::TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory);
    layout.create().unwrap();
    (directory, layout)
}

fn purpose(text: Option<&str>) -> ViewingArgs {
    ViewingArgs { purpose: text.map(str::to_owned) }
}

fn all(layout: &Layout) -> Vec<Viewer> {
    State::read(layout).unwrap().map_or_else(Vec::new, |state| state.viewers(Timestamp::UNIX_EPOCH).unwrap())
}

#[test]
fn a_look_is_noted_before_it_begins_and_when_it_ends() {
    let (_directory, layout) = store();
    let viewing =
        Viewing::begin(&layout, "alice", "query", "SELECT 1", &purpose(Some(" ticket 7 "))).unwrap();
    let begun = all(&layout);
    assert_eq!((begun[0].who.as_str(), begun[0].purpose.as_deref()), ("alice", Some("ticket 7")));
    assert_eq!(
        (begun[0].rows, begun[0].outcome.as_deref()),
        (None, None),
        "one that was killed is there as well"
    );
    viewing.end(3, Ok(())).unwrap();
    let ended = &all(&layout)[0];
    assert_eq!((ended.rows, ended.outcome.as_deref()), (Some(3), Some("ok")));
    let viewing = Viewing::begin(&layout, "bob", "timeline", "x\n\u{1b}[31m", &purpose(None)).unwrap();
    assert!(viewing.end(0, Err::<(), _>(Failure::usage("wrong"))).is_err());
    let failed = &all(&layout)[0];
    assert_eq!(failed.outcome.as_deref(), Some("wrong"));
    let told = line(failed, &jiff::tz::TimeZone::UTC);
    assert!(told.ends_with("bob, timeline, no purpose given, no answer: wrong\n    x \\x1b[31m"), "{told}");
}

#[test]
fn where_a_purpose_is_asked_for_there_is_no_look_without_one() {
    let (_directory, layout) = store();
    let rules = Rules { purpose: true, log: false };
    State::open(&layout).unwrap().set_rules(rules).unwrap();
    assert_eq!(State::open(&layout).unwrap().rules().unwrap(), rules);
    for none in [None, Some(" ")] {
        let refused = Viewing::begin(&layout, "a", "query", "SELECT 1", &purpose(none));
        assert!(refused.err().unwrap().to_string().contains("--purpose"));
    }
    assert!(Viewing::begin(&layout, "a", "query", "SELECT 1", &purpose(Some("audit"))).is_ok());
    State::open(&layout).unwrap().set_rules(Rules::default()).unwrap();
    assert!(Viewing::begin(&layout, "a", "query", "SELECT 1", &purpose(None)).is_ok());
}

#[test]
fn a_log_that_cannot_be_written_stops_only_those_who_must_be_in_it() {
    let (_directory, layout) = store();
    // A directory in its place can be neither read nor written, not even by root.
    std::fs::create_dir(layout.state()).unwrap();
    let viewing = Viewing::begin(&layout, "a", "query", "SELECT 1", &purpose(None)).unwrap();
    viewing.end(1, Ok(())).unwrap();
    std::fs::remove_dir(layout.state()).unwrap();
    let state = State::open(&layout).unwrap();
    state.set_rules(Rules { purpose: false, log: true }).unwrap();
    // Somebody else holds the pen.
    state.0.execute_batch("DROP TABLE viewers; CREATE VIEW viewers AS SELECT 1 AS began").unwrap();
    let refused = Viewing::begin(&layout, "a", "query", "SELECT 1", &purpose(None));
    assert!(refused.is_err());
}

#[test]
fn without_a_store_nothing_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::new(directory.path().join("none").to_str().unwrap()).unwrap();
    Viewing::begin(&layout, "a", "query", "SELECT 1", &purpose(None)).unwrap();
    assert!(!layout.root().exists());
    assert!(!me().is_empty());
}
