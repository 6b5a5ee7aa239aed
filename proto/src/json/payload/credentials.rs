//! Who a thread is, changed.

use serde::{Serialize, Serializer};

use crate::{
    json::object::Object,
    v1::{CredentialChange, Identity, LoginuidSet},
};

impl Serialize for CredentialChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.some("old", self.old.as_ref())?;
            object.some("new", self.new.as_ref())
        })
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.put("uid", self.uid)?;
            object.put("euid", self.euid)?;
            object.put("suid", self.suid)?;
            object.put("fsuid", self.fsuid)?;
            object.put("gid", self.gid)?;
            object.put("egid", self.egid)?;
            object.put("sgid", self.sgid)?;
            object.put("fsgid", self.fsgid)?;
            object.long("effectiveCapabilities", self.effective_capabilities)
        })
    }
}

impl Serialize for LoginuidSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.some("oldAuid", self.old_auid)?;
            object.some("oldSessionId", self.old_session_id)?;
            object.some("newAuid", self.new_auid)?;
            object.some("newSessionId", self.new_session_id)?;
            object.flag("noticed", self.noticed)?;
            object.flag("atExec", self.at_exec)?;
            object.flag("byLoginProgram", self.by_login_program)
        })
    }
}
