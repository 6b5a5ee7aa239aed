//! Whether a sensor is at work, and what became of all it saw.

use serde::{Serialize, Serializer};

use crate::{
    json::{
        event::rfc3339,
        object::{Name, Object, name},
    },
    v1::{
        Consumer, ConsumerStatus, Heartbeat, LanePosition, Position, Silence, SpoolLane, SpoolStatus,
        TypeTerms,
    },
};

impl Serialize for Heartbeat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.long("uptimeNs", self.uptime_ns)?;
            object.put("intervalSeconds", self.interval_seconds)?;
            object.flag("stopping", self.stopping)?;
            object.messages("lanes", &self.lanes)?;
            object.messages("types", &self.types)?;
            object.put("inFlight", self.in_flight)?;
            object.some("skipped", self.skipped)?;
            object.long("cpuNs", self.cpu_ns)?;
            object.some_long("rssBytes", self.rss_bytes)?;
            object.text("objectSha256", &self.object_sha256)?;
            object.text("policyVersion", &self.policy_version)?;
            object.messages("consumers", &self.consumers)?;
            object.some("spool", self.spool.as_ref())
        })
    }
}

impl Serialize for SpoolStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.messages("lanes", &self.lanes)?;
            object.messages("consumers", &self.consumers)?;
            object.text("error", &self.error)
        })
    }
}

impl Serialize for SpoolLane {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.name("lane", name!(Lane, self.lane))?;
            object.long("bytes", self.bytes)?;
            object.long("limitBytes", self.limit_bytes)?;
            object.some("first", self.first.as_ref())?;
            object.some("last", self.last.as_ref())?;
            object.put("written", self.written)?;
            object.put("missed", self.missed)?;
            object.put("waiting", self.waiting)?;
            object.put("removed", self.removed)
        })
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.name("lane", name!(Lane, self.lane))?;
            object.put("epoch", self.epoch)?;
            object.long("sequence", self.sequence)
        })
    }
}

impl Serialize for ConsumerStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let positions = self.acknowledged.as_ref().map(|cursor| cursor.positions.as_slice());
        Object::write(serializer, |object| {
            object.text("name", &self.name)?;
            object.flag("connected", self.connected)?;
            object.messages("acknowledged", positions.unwrap_or_default())?;
            object.some("seen", self.seen.as_ref().and_then(rfc3339))?;
            object.put("sent", self.sent)?;
            object.put("missed", self.missed)?;
            object.text("peer", &self.peer)
        })
    }
}

impl Serialize for LanePosition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.name("lane", name!(Lane, self.lane))?;
            object.long("lastSequence", self.last_sequence)
        })
    }
}

impl Serialize for TypeTerms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.name("type", name!(EventType, self.r#type))?;
            object.put("hits", self.hits)?;
            object.put("kernelFiltered", self.kernel_filtered)?;
            object.put("folded", self.folded)?;
            object.put("ringFull", self.ring_full)?;
            object.put("unreadable", self.unreadable)?;
            object.put("notCovered", self.not_covered)?;
            object.put("recorded", self.recorded)?;
            object.put("rejected", self.rejected)?;
            object.put("internal", self.internal)?;
            object.put("filtered", self.filtered)?;
            object.put("shed", self.shed)?;
            object.put("published", self.published)?;
            object.put("own", self.own)?;
            object.put("totals", self.totals)?;
            object.put("lost", self.lost)
        })
    }
}

impl Serialize for Consumer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.text("peer", &self.peer)?;
            object.put("sent", self.sent)?;
            object.put("missed", self.missed)
        })
    }
}

impl Serialize for Silence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.text("address", &self.address)?;
            object.name("reason", name!(SilenceReason, self.reason))?;
            object.some("since", self.since.as_ref().and_then(rfc3339))?;
            object.some("ended", self.ended.as_ref().and_then(rfc3339))?;
            object.messages("lanes", &self.lanes)?;
            object.some("intervalSeconds", self.interval_seconds)
        })
    }
}
