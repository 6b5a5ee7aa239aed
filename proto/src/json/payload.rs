//! What each type of event says.

use serde::{Serialize, Serializer};

use super::object::{Name, Object, name};
use crate::v1::{Connect, Exec, Exit, Gap, Hook, HookCounters, NotCovered, Open, Status, TypeCount};

impl Serialize for Exec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.bytes("filename", &self.filename)?;
            object.long("argvLength", self.argv_length)?;
            object.bytes("script", &self.script)
        })
    }
}

impl Serialize for Exit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.some("code", self.code)?;
            object.some("signal", self.signal)?;
            object.long("durationNs", self.duration_ns)
        })
    }
}

impl Serialize for Open {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.bytes("path", &self.path)?;
            object.name("pathSource", name!(PathSource, self.path_source))?;
            object.some("device", self.device.as_ref())?;
            object.some_long("inode", self.inode)?;
            object.put("access", AccessList(&self.access))?;
            object.put("flags", self.flags)?;
            object.some("mode", self.mode)?;
            object.flag("unreachable", self.unreachable)?;
            object.flag("deleted", self.deleted)
        })
    }
}

struct AccessList<'a>(&'a [i32]);

impl Serialize for AccessList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|&access| name!(Access, access)))
    }
}

impl Serialize for Connect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.name("family", name!(Family, self.family))?;
            object.name("protocol", name!(Protocol, self.protocol))?;
            object.text("address", &self.address)?;
            object.some("port", self.port)?;
            object.bytes("path", &self.path)?;
            object.name("addressSource", name!(PathSource, self.address_source))
        })
    }
}

impl Serialize for Gap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.name("lane", name!(Lane, self.lane))?;
            object.long("fromSequence", self.from_sequence)?;
            object.long("toSequence", self.to_sequence)?;
            object.name("reason", name!(GapReason, self.reason))?;
            object.put("counts", TypeCounts(&self.counts))
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
            object.put("recordsAll", self.records_all)
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
            object.some("counters", self.counters.as_ref())
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
            object.put("unreadable", self.unreadable)
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
