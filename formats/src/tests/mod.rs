//! What those who read it elsewhere get.

mod cef;
mod ecs;
mod ocsf;
mod samples;
mod schema;

use std::collections::BTreeSet;

use activity_proto::v1::{Event, EventType, event::Payload};

use super::*;

#[test]
fn there_is_an_event_of_every_type_to_look_at() {
    let types: BTreeSet<&str> =
        samples::payloads().iter().map(|payload| payload.event_type().short_name()).collect();
    let all: BTreeSet<&str> = EventType::SHORT_NAMES.iter().copied().collect();
    assert_eq!(types, all);
}

/// All three forms, for the reader of the golden file.
fn shown(event: &Event) -> String {
    let pretty = |value| serde_json::to_string_pretty(&value).unwrap();
    format!("OCSF {}\n\nECS {}\n\n{}", pretty(ocsf(event)), pretty(ecs::ecs_of(event)), super::cef(event))
}

#[test]
fn each_type_is_told_as_it_was_reviewed() {
    for payload in samples::payloads() {
        let name = payload.event_type().short_name();
        insta::assert_snapshot!(name, shown(&samples::small(payload)));
    }
}

#[test]
fn an_event_with_all_there_is_to_know_is_told_as_it_was_reviewed() {
    let refused = samples::payloads().remove(0);
    assert!(matches!(refused, Payload::Exec(_)));
    insta::assert_snapshot!("exec_with_everything", shown(&samples::full(refused)));
}

#[test]
fn every_line_is_one_line_without_control_characters() {
    for event in samples::all() {
        for (name, format) in Format::ALL {
            let mut line = Vec::new();
            format.write(&event, &mut line).unwrap();
            let line = String::from_utf8(line).unwrap();
            assert!(!line.chars().any(char::is_control), "{name}: {line}");
            assert!(!line.is_empty());
            assert_eq!(format.name(), name);
        }
    }
}

#[test]
fn no_two_events_have_one_identity_and_one_has_it_always() {
    let events = samples::all();
    let collector_made = |event: &Event| event.id.as_ref().is_none_or(|id| id.sequence == 0);
    let unnumbered: Vec<&Event> = events.iter().filter(|event| collector_made(event)).collect();
    let identities: BTreeSet<String> = unnumbered.iter().map(|event| identity(event)).collect();
    let distinct =
        unnumbered.iter().enumerate().filter(|(at, event)| !unnumbered[..*at].contains(event)).count();
    assert_eq!(identities.len(), distinct);
    let mut one = samples::small(samples::payloads().remove(0));
    assert_eq!(identity(&one), "5d1c/b007/3/process/42");
    one.tenant = Some("acme".into());
    assert_eq!(identity(&one), "5d1c/b007/3/process/42");
}
