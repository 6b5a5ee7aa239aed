//! Part of an event, and whether an event has it.

use serde_json::Value;

/// The key whose list of values may stand anywhere below.
const MENTIONS: &str = "$mentions";

/// Whether `event` has all that `part` says: objects may have more keys, lists
/// more entries, and numbers may be written as strings.
pub fn has(event: &Value, part: &Value) -> bool {
    match part {
        // Anything that is there.
        Value::Object(fields) if fields.is_empty() => true,
        Value::Object(fields) => fields.iter().all(|(key, wanted)| match (key.as_str(), wanted) {
            (MENTIONS, Value::Array(values)) => values.iter().all(|value| mentions(event, value)),
            _ => event.get(key).is_some_and(|value| has(value, wanted)),
        }),
        Value::Array(wanted) => {
            let Value::Array(entries) = event else { return false };
            wanted.iter().all(|wanted| entries.iter().any(|entry| has(entry, wanted)))
        }
        scalar => text(event) == text(scalar),
    }
}

fn mentions(event: &Value, value: &Value) -> bool {
    match event {
        // Anything that is there.
        Value::Object(fields) if fields.is_empty() => true,
        Value::Object(fields) => fields.values().any(|field| mentions(field, value)),
        Value::Array(entries) => entries.iter().any(|entry| mentions(entry, value)),
        scalar => text(scalar) == text(value),
    }
}

fn text(scalar: &Value) -> String {
    scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned)
}

#[test]
fn a_part_may_leave_out_but_not_differ() {
    let event = serde_json::json!({
        "type": "open", "open": { "inode": "12", "access": ["read", "write"] }, "process": { "pid": 7 },
    });
    let has = |part: Value| has(&event, &part);
    assert!(has(serde_json::json!({ "open": { "inode": 12, "access": ["write"] } })));
    assert!(has(serde_json::json!({ "$mentions": ["write", 7] })));
    assert!(!has(serde_json::json!({ "open": { "inode": 13 } })));
    assert!(!has(serde_json::json!({ "open": { "access": ["create"] } })));
    assert!(!has(serde_json::json!({ "open": { "$mentions": [7] } })));
    assert!(!has(serde_json::json!({ "login": {} })));
    assert!(has(serde_json::json!({ "process": { "pid": {} } })));
}
