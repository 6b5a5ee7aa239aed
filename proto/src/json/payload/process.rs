//! Programs started, processes ended.

use serde::{Serialize, Serializer};

use crate::{
    json::object::{Name, Object, name},
    v1::{Exec, Exit, Interpreter},
};

impl Serialize for Exec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.bytes("filename", &self.filename)?;
            object.long("argvLength", self.argv_length)?;
            object.bytes("script", &self.script)?;
            object.messages("interpreters", &self.interpreters)?;
            object.texts("preload", &self.preload)
        })
    }
}

impl Serialize for Interpreter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.bytes("path", &self.path)?;
            object.name("pathSource", name!(PathSource, self.path_source))?;
            object.some("device", self.device.as_ref())?;
            object.some_long("inode", self.inode)
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
