//! What the schema asks of every event; `schema.rs` asks an independent validator.

use super::*;

#[test]
fn class_category_and_type_belong_together() {
    for event in samples::all() {
        let value = crate::ocsf(&event);
        let number = |key: &str| value[key].as_u64().unwrap();
        assert_eq!(number("category_uid"), number("class_uid") / 1000);
        assert_eq!(number("type_uid"), number("class_uid") * 100 + number("activity_id"));
        assert_eq!(value["metadata"]["version"], "1.8.0");
    }
}

#[test]
fn a_login_uid_that_is_not_set_is_absent_and_never_0() {
    let mut event = samples::full(samples::payloads().remove(1));
    assert_eq!(crate::ocsf(&event)["actor"]["process"]["auid"], 1001);
    event.login = None;
    let value = crate::ocsf(&event);
    assert!(value["actor"]["process"].get("auid").is_none());
}

#[test]
fn tenant_sequence_and_attribution_are_where_they_are_looked_for() {
    let value = crate::ocsf(&samples::full(samples::payloads().remove(1)));
    assert_eq!(value["metadata"]["tenant_uid"], "acme");
    assert_eq!(value["metadata"]["sequence"], 42);
    assert_eq!(value["unmapped"]["attribution"]["user"], "alice");
}

#[test]
fn a_refused_connect_and_one_that_failed_are_told_apart() {
    let connect =
        || samples::payloads().into_iter().find(|payload| matches!(payload, Payload::Connect(_))).unwrap();
    for (errno, activity) in [(111, 5), (110, 4)] {
        let mut event = samples::small(connect());
        event.outcome = Some(activity_proto::v1::Outcome { success: false, errno: Some(errno) });
        assert_eq!(crate::ocsf(&event)["activity_id"], activity);
    }
}
