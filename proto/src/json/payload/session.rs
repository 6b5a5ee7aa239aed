//! Who comes and goes.

use serde::{Serialize, Serializer};

use crate::{
    json::object::Object,
    v1::{LoginFailed, SessionEnd, SessionStart, SessionUpdate},
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
