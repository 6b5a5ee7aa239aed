//! Files: opened, received, mapped, changed by name.

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    json::object::{Name, Object, name},
    v1::{Chmod, Chown, Device, ExecMapping, FileReceive, Link, Mount, Open, Rename, Unlink},
};

impl Serialize for Open {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.bytes("path", &self.path)?;
            file(object, self.path_source, self.device, self.inode)?;
            object.put("access", AccessList(&self.access))?;
            object.put("flags", self.flags)?;
            object.some("mode", self.mode)?;
            object.flag("unreachable", self.unreachable)?;
            object.flag("deleted", self.deleted)?;
            object.flag("ioUring", self.io_uring)
        })
    }
}

/// What files are told by besides their names.
fn file<M: SerializeMap>(
    object: &mut Object<M>,
    path_source: i32,
    device: Option<Device>,
    inode: Option<u64>,
) -> Result<(), M::Error> {
    object.name("pathSource", name!(PathSource, path_source))?;
    object.some("device", device)?;
    object.some_long("inode", inode)
}

struct AccessList<'a>(&'a [i32]);

impl Serialize for AccessList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|&access| name!(Access, access)))
    }
}

impl Serialize for FileReceive {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.bytes("path", &self.path)?;
            file(object, self.path_source, self.device, self.inode)?;
            object.put("access", AccessList(&self.access))?;
            object.some("mode", self.mode)?;
            object.flag("unreachable", self.unreachable)?;
            object.flag("deleted", self.deleted)
        })
    }
}

impl Serialize for ExecMapping {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.bytes("path", &self.path)?;
            file(object, self.path_source, self.device, self.inode)?;
            object.some("mode", self.mode)?;
            object.flag("unreachable", self.unreachable)?;
            object.flag("deleted", self.deleted)
        })
    }
}

impl Serialize for Rename {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.bytes("path", &self.path)?;
            object.bytes("newPath", &self.new_path)?;
            file(object, self.path_source, self.device, self.inode)?;
            object.flag("exchange", self.exchange)
        })
    }
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.bytes("path", &self.path)?;
            object.bytes("newPath", &self.new_path)?;
            file(object, self.path_source, self.device, self.inode)?;
            object.flag("symbolic", self.symbolic)
        })
    }
}

impl Serialize for Unlink {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.bytes("path", &self.path)?;
            file(object, self.path_source, self.device, self.inode)?;
            object.flag("directory", self.directory)
        })
    }
}

impl Serialize for Chmod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.bytes("path", &self.path)?;
            file(object, self.path_source, self.device, self.inode)?;
            object.put("mode", self.mode)?;
            object.some("oldMode", self.old_mode)
        })
    }
}

impl Serialize for Chown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.bytes("path", &self.path)?;
            file(object, self.path_source, self.device, self.inode)?;
            object.some("uid", self.uid)?;
            object.some("gid", self.gid)
        })
    }
}

impl Serialize for Mount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.name("operation", name!(MountOperation, self.operation))?;
            object.bytes("path", &self.path)?;
            object.name("pathSource", name!(PathSource, self.path_source))?;
            object.bytes("source", &self.source)?;
            object.bytes("filesystem", &self.filesystem)?;
            object.put("flags", self.flags)
        })
    }
}
