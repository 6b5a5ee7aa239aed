//! Sockets: connected, listening, accepted, made.

use serde::{Serialize, Serializer};

use crate::{
    json::object::{Name, Object, name},
    v1::{Accept, Connect, Listen, Socket},
};

impl Serialize for Connect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.name("family", name!(Family, self.family))?;
            object.name("protocol", name!(Protocol, self.protocol))?;
            object.text("address", &self.address)?;
            object.some("port", self.port)?;
            object.bytes("path", &self.path)?;
            object.name("addressSource", name!(PathSource, self.address_source))?;
            object.text("localAddress", &self.local_address)?;
            object.some("localPort", self.local_port)?;
            object.flag("datagram", self.datagram)?;
            object.flag("fastOpen", self.fast_open)?;
            object.flag("ioUring", self.io_uring)?;
            object.some("peerPid", self.peer_pid)
        })
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.name("family", name!(Family, self.family))?;
            object.name("protocol", name!(Protocol, self.protocol))?;
            object.text("address", &self.address)?;
            object.some("port", self.port)?;
            object.bytes("path", &self.path)
        })
    }
}

impl Serialize for Accept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.name("family", name!(Family, self.family))?;
            object.name("protocol", name!(Protocol, self.protocol))?;
            object.text("address", &self.address)?;
            object.some("port", self.port)?;
            object.bytes("path", &self.path)?;
            object.text("localAddress", &self.local_address)?;
            object.some("localPort", self.local_port)
        })
    }
}

impl Serialize for Socket {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.name("family", name!(Family, self.family))?;
            object.name("protocol", name!(Protocol, self.protocol))?;
            object.put("protocolNumber", self.protocol_number)
        })
    }
}
