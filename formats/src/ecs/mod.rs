//! Elastic Common Schema 9.4. What it has no field for is under `activity`, in our own words.

mod kind;
mod objects;

use activity_proto::v1::Event;
use serde_json::Value;

use crate::{PRODUCT, Severity, VERSION, fields::Fields, identity, own::Own};
use kind::Kind;

pub(crate) const SCHEMA: &str = "9.4.0";

/// An event as ECS.
#[must_use]
pub fn ecs(event: &Event) -> Value {
    let own = Own::new(event);
    let kind = Kind::of(event);
    let id = event.id.clone().unwrap_or_default();
    let agent = Fields::new().text("id", &id.sensor_id).put("type", PRODUCT).put("version", VERSION);
    let time = own.time().unwrap_or_else(|| "1970-01-01T00:00:00Z".into());
    Fields::new()
        .put("@timestamp", time)
        .put("ecs", Fields::new().put("version", SCHEMA))
        .put("event", what(event, &kind))
        .some("message", kind.message.clone())
        .object("host", host(event, &id.boot_id))
        .put("agent", agent)
        .object("organization", Fields::new().text("id", event.tenant.as_deref().unwrap_or_default()))
        .and(objects::of_envelope(event))
        .object("error", Fields::new().some("code", own.error()))
        .and(objects::of_payload(event))
        .object("related", objects::related(event))
        .object("activity", own.rest())
        .into()
}

fn what(event: &Event, kind: &Kind) -> Fields {
    let outcome = kind.outcome.or_else(|| {
        event.outcome.as_ref().map(|outcome| if outcome.success { "success" } else { "failure" })
    });
    let mut types = kind.types.to_vec();
    if outcome == Some("failure") && kind.can_be_denied {
        types.push("denied");
    }
    let name = match event.event_type().short_name() {
        "" => "unknown",
        name => name,
    };
    let sequence = event.id.as_ref().map(|id| id.sequence).filter(|&sequence| sequence > 0);
    Fields::new()
        .put("kind", kind.kind)
        .list("category", kind.categories.iter().map(|&category| category.into()).collect())
        .list("type", types.into_iter().map(Value::from).collect())
        .put("action", name)
        .some("outcome", outcome)
        .put("id", identity(event))
        .some("sequence", sequence)
        .put("module", "activity")
        .put("dataset", format!("activity.{name}"))
        .put("provider", PRODUCT)
        .put("severity", Severity::of(event).ocsf())
        .some("duration", kind.duration_ns)
        .some("reason", kind.reason)
}

fn host(event: &Event, boot_id: &str) -> Fields {
    Fields::new()
        .text("hostname", &event.host)
        .text("name", &event.host)
        .object("boot", Fields::new().text("id", boot_id))
        .put("os", Fields::new().put("type", "linux"))
}
