//! Sockets.

use activity_proto::v1::{Accept, Connect, Family, Listen, Process, Protocol, Socket};

use super::{
    super::quote::{push_word, word},
    Object, absolute,
};

/// Where to.
pub fn connect(connect: &Connect, process: Option<&Process>) -> Object {
    let mut marks = String::new();
    for (holds, mark) in [
        (connect.datagram, " [datagram]"),
        (connect.fast_open, " [fast open]"),
        (connect.io_uring, " [io_uring]"),
    ] {
        if holds {
            marks.push_str(mark);
        }
    }
    let body = End {
        family: connect.family(),
        protocol: connect.protocol(),
        address: &connect.address,
        port: connect.port,
        path: &connect.path,
    }
    .text(process);
    Object { body, keep_end: 60, marks, ..Object::default() }
}

/// Where it listens.
pub fn listen(listen: &Listen, process: Option<&Process>) -> Object {
    let body = End {
        family: listen.family(),
        protocol: listen.protocol(),
        address: &listen.address,
        port: listen.port,
        path: &listen.path,
    }
    .text(process);
    Object { body, keep_end: 60, ..Object::default() }
}

/// Where from.
pub fn accept(accept: &Accept, process: Option<&Process>) -> Object {
    let body = End {
        family: accept.family(),
        protocol: accept.protocol(),
        address: &accept.address,
        port: accept.port,
        path: &accept.path,
    }
    .text(process);
    let mut hint = String::new();
    if !accept.local_address.is_empty() {
        hint = format!(" [at {}]", address(&accept.local_address, accept.local_port));
    }
    Object { body, keep_end: 60, hint, ..Object::default() }
}

/// Which packets it can see: the protocol is its number, of packet sockets an
/// Ethernet type.
pub fn socket(socket: &Socket) -> Object {
    let number = socket.protocol_number;
    let body = match socket.protocol() {
        Protocol::Packet => format!("packet type 0x{number:04x}"),
        protocol => format!("{} {} protocol {number}", protocol.short_name(), socket.family().short_name()),
    };
    Object { body, keep_end: 60, ..Object::default() }
}

/// One end of a connection.
struct End<'a> {
    family: Family,
    protocol: Protocol,
    address: &'a str,
    port: Option<u32>,
    path: &'a [u8],
}

impl End<'_> {
    fn text(&self, process: Option<&Process>) -> String {
        let protocol = match self.protocol {
            Protocol::Unspecified => self.family.short_name(),
            protocol => protocol.short_name(),
        };
        match self.family {
            Family::Unix => format!("unix {}", unix_address(self.path, process)),
            Family::Inet | Family::Inet6 | Family::Unspecified => {
                format!("{protocol} {}", address(self.address, self.port))
            }
            Family::Vsock => format!("vsock {}", address(self.address, self.port)),
            Family::Packet | Family::Netlink | Family::Other => self.family.short_name().to_owned(),
        }
    }
}

fn address(address: &str, port: Option<u32>) -> String {
    let address = word(address.as_bytes());
    let address = if address.contains(':') { format!("[{address}]") } else { address };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{address}{port}")
}

/// A path, `@name` for an abstract name.
fn unix_address(address: &[u8], process: Option<&Process>) -> String {
    match address {
        [] => "[unnamed]".to_owned(),
        [0, name @ ..] => {
            let mut text = "@".to_owned();
            push_word(&mut text, name);
            text
        }
        path => absolute(path, process),
    }
}
