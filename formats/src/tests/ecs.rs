//! ECS against its own list of fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

/// The list of ECS, see its first lines.
const LIST: &str = include_str!("ecs-9.4.0.txt");

pub fn ecs_of(event: &Event) -> Value {
    crate::ecs(event)
}

/// Types of fields, and of an array its mark.
fn fields() -> BTreeMap<&'static str, (&'static str, bool)> {
    let lines = LIST.lines().filter(|line| !line.starts_with(['#', '=']));
    lines
        .map(|line| {
            let mut words = line.split(' ');
            (words.next().unwrap(), (words.next().unwrap(), words.next() == Some("array")))
        })
        .collect()
}

/// What a field may hold, with the types that go with a category.
fn allowed(field: &str) -> BTreeMap<&'static str, Vec<&'static str>> {
    let lines = LIST.lines().filter_map(|line| line.strip_prefix('=')?.split_once(' '));
    let lines = lines.filter(|(name, _)| *name == field);
    lines
        .map(|(_, rest)| rest.split_once(' ').unwrap())
        .map(|(value, types)| (value, types.split(',').collect()))
        .collect()
}

fn flat(prefix: &str, value: &Value, out: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flat(&name, value, out);
            }
        }
        value => out.push((prefix.to_owned(), value.clone())),
    }
}

fn fits(kind: &str, value: &Value) -> bool {
    match kind {
        "long" => value.is_u64() || value.is_i64(),
        "ip" => value.as_str().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        "date" => value.as_str().is_some_and(|text| text.ends_with('Z')),
        "boolean" => value.is_boolean(),
        "keyword" | "wildcard" | "match_only_text" | "constant_keyword" => value.is_string(),
        _ => false,
    }
}

#[test]
fn every_field_is_one_that_ecs_has_with_a_value_of_its_type() {
    let fields = fields();
    for event in samples::all() {
        let mut value = crate::ecs(&event);
        value.as_object_mut().unwrap().remove("activity");
        let mut found = Vec::new();
        flat("", &value, &mut found);
        for (name, value) in found {
            let (kind, is_array) = fields.get(name.as_str()).unwrap_or_else(|| panic!("ECS has no {name}"));
            match (is_array, &value) {
                (true, Value::Array(items)) => {
                    assert!(items.iter().all(|item| fits(kind, item)), "{name}: {value}")
                }
                (false, value) => assert!(fits(kind, value), "{name} is no {kind}: {value}"),
                (true, _) => panic!("{name} is a list in ECS: {value}"),
            }
        }
    }
}

#[test]
fn kinds_categories_and_types_are_those_that_ecs_allows_together() {
    let texts = |value: &Value| -> Vec<String> {
        let items = value.as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    let (kinds, outcomes) = (allowed("event.kind"), allowed("event.outcome"));
    let (categories, types) = (allowed("event.category"), allowed("event.type"));
    for event in samples::all() {
        let what = crate::ecs(&event)["event"].clone();
        assert!(kinds.contains_key(what["kind"].as_str().unwrap()), "{what}");
        if let Some(outcome) = what.get("outcome") {
            assert!(outcomes.contains_key(outcome.as_str().unwrap()), "{what}");
        }
        let known: Vec<String> = texts(&what["type"]);
        assert!(known.iter().all(|kind| types.contains_key(kind.as_str())), "{what}");
        let mut expected = BTreeSet::new();
        for category in texts(&what["category"]) {
            expected.extend(categories[category.as_str()].iter().copied());
        }
        if !expected.is_empty() {
            assert!(known.iter().all(|kind| expected.contains(kind.as_str())), "{what}: only {expected:?}");
        }
    }
}
