//! Reaching into other processes and into the kernel.

use serde::{Serialize, Serializer};

use crate::{
    json::object::{Name, Object, name},
    v1::{BpfLoad, ModuleLoad, Ptrace, Tamper},
};

impl Serialize for Ptrace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.name("operation", name!(PtraceOperation, self.operation))?;
            object.some("target", self.target.as_ref())?;
            object.some("request", self.request)
        })
    }
}

impl Serialize for BpfLoad {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.bytes("name", &self.name)?;
            object.put("programType", self.program_type)?;
            object.some("programId", self.program_id)
        })
    }
}

impl Serialize for ModuleLoad {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| object.bytes("name", &self.name))
    }
}

impl Serialize for Tamper {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.text("command", &self.command)?;
            object.name("object", name!(TamperObject, self.object))?;
            object.number("objectId", self.object_id)?;
            object.bytes("name", &self.name)
        })
    }
}
