//! What the sensor says of itself.

use serde::{Serialize, Serializer};

use crate::{
    json::{
        event::rfc3339,
        object::{Name, Object, name},
    },
    v1::{Gap, Hook, HookCounters, NotCovered, Status, TypeCount},
};

impl Serialize for Gap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.name("lane", name!(Lane, self.lane))?;
            object.long("fromSequence", self.from_sequence)?;
            object.long("toSequence", self.to_sequence)?;
            object.name("reason", name!(GapReason, self.reason))?;
            object.put("counts", TypeCounts(&self.counts))?;
            self.epoch.map_or(Ok(()), |epoch| object.put("epoch", epoch))
        })
    }
}

/// Counts under the names of their types.
struct TypeCounts<'a>(&'a [TypeCount]);

impl Serialize for TypeCounts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            self.0.iter().try_for_each(|entry| match name!(EventType, entry.r#type).0 {
                Ok(name) => object.put(name, entry.count),
                Err(number) => object.put(&number.to_string(), entry.count),
            })
        })
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.text("plan", &self.plan)?;
            object.messages("hooks", &self.hooks)?;
            object.messages("notCovered", &self.not_covered)?;
            object.text("version", &self.version)?;
            object.text("kernel", &self.kernel)?;
            object.text("objectSha256", &self.object_sha256)?;
            object.put("recordsAll", self.records_all)?;
            object.text("policyVersion", &self.policy_version)?;
            object.some("policySince", self.policy_since.as_ref().and_then(rfc3339))?;
            object.text("policyError", &self.policy_error)
        })
    }
}

impl Serialize for Hook {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.text("name", &self.name)?;
            object.text("attachedTo", &self.attached_to)?;
            object.put("live", self.live)?;
            object.text("reason", &self.reason)?;
            object.some("counters", self.counters.as_ref())?;
            object.text("how", &self.how)
        })
    }
}

impl Serialize for HookCounters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.put("hits", self.hits)?;
            object.put("filtered", self.filtered)?;
            object.put("recorded", self.recorded)?;
            object.put("ringFull", self.ring_full)?;
            object.put("unreadable", self.unreadable)?;
            object.put("notCovered", self.not_covered)?;
            object.put("folded", self.folded)
        })
    }
}

impl Serialize for NotCovered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.text("what", &self.what)?;
            object.some("count", self.count)
        })
    }
}
