//! Who comes and goes.

use serde::{Serialize, Serializer};

use crate::{
    json::object::{Name, Object, name},
    v1::{LoginFailed, SessionEnd, SessionStart, SessionState, SessionUpdate},
};

impl Serialize for SessionStart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| object.flag("existing", self.existing))
    }
}

impl Serialize for SessionUpdate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |_| Ok(()))
    }
}

impl Serialize for SessionEnd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.some_long("durationNs", self.duration_ns)?;
            object.number("remaining", self.remaining)
        })
    }
}

impl Serialize for LoginFailed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.text("user", &self.user)?;
            object.flag("invalidUser", self.invalid_user)?;
            object.text("remoteAddress", &self.remote_address)?;
            object.some("remotePort", self.remote_port)?;
            object.text("authMethod", &self.auth_method)?;
            object.text("keyFingerprint", &self.key_fingerprint)
        })
    }
}

impl Serialize for SessionState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.some("session", self.session.as_ref())?;
            object.flag("ended", self.ended)?;
            object.put("processes", self.processes)?;
            object.texts("now", &self.now)?;
            object.name("confidence", name!(Confidence, self.confidence))?;
            object.name("reason", name!(Reason, self.reason))
        })
    }
}
