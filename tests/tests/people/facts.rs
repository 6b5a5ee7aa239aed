//! What an event says, as text, field by field.

use serde_json::Value;

use crate::expect::ABSENT;

/// The fields that are compared.
pub const FIELDS: [&str; 19] = [
    "login.auid",
    "attribution.uid",
    "attribution.user",
    "attribution.method",
    "attribution.confidence",
    "attribution.reason",
    "attribution.chain",
    "attribution.switches",
    "attribution.detached",
    "attribution.others",
    "session.id",
    "session.originId",
    "session.kind",
    "session.user",
    "session.uid",
    "session.remoteAddress",
    "session.remotePort",
    "session.authMethod",
    "session.keyFingerprint",
];

/// What the event says in a field.
pub fn fact(event: &Value, field: &str) -> String {
    let value = event.pointer(&format!("/{}", field.replace('.', "/"))).unwrap_or(&Value::Null);
    let text = match field {
        "attribution.chain" => list(value, "→", text),
        "attribution.switches" => list(value, ",", |switch| text(&switch["by"])),
        "attribution.others" => {
            list(value, ",", |other| format!("{} {}", text(&other["user"]), text(&other["link"])))
        }
        // What is not so is not said.
        "attribution.detached" => value.as_bool().unwrap_or_default().to_string(),
        _ => text(value),
    };
    if text.is_empty() { ABSENT.to_owned() } else { text }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn list(value: &Value, between: &str, text: impl Fn(&Value) -> String) -> String {
    let items = value.as_array().into_iter().flatten();
    items.map(text).collect::<Vec<_>>().join(between)
}

/// What kind of event it is, for people.
pub fn name(event: &Value) -> String {
    format!("{} by {}", text(&event["type"]), text(&event["process"]["comm"]))
}
