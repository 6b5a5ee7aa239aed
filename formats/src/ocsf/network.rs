//! 4001 Network Activity.

use std::net::IpAddr;

use activity_proto::v1::{Accept, Connect, Event, Family, Listen, Protocol, Socket};

use super::{Act, Class};
use crate::fields::Fields;

const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;
const LOCAL: u32 = 4;
const UNKNOWN: u32 = 0;
/// ECONNREFUSED
const REFUSED: u32 = 111;

pub fn connect(event: &Event, connect: &Connect) -> Act {
    let failed = event.outcome.as_ref().filter(|outcome| !outcome.success);
    let (activity, name) = match failed.map(|outcome| outcome.errno) {
        None => (1, "Open"),
        Some(Some(REFUSED)) => (5, "Refuse"),
        Some(_) => (4, "Fail"),
    };
    let body = Fields::new()
        .put("connection_info", info(connect.family, connect.protocol, OUTBOUND))
        .put("dst_endpoint", named(endpoint(&connect.address, connect.port, &connect.path)))
        .object("src_endpoint", endpoint(&connect.local_address, connect.local_port, &[]));
    Act::new(Class::Network, activity, name, body)
}

pub fn listen(event: &Event, listen: &Listen) -> Act {
    let here = endpoint(&listen.address, listen.port, &listen.path).text("hostname", &event.host);
    let body = Fields::new()
        .put("connection_info", info(listen.family, listen.protocol, INBOUND))
        .put("dst_endpoint", named(here));
    Act::new(Class::Network, 7, "Listen", body)
}

pub fn accept(event: &Event, accept: &Accept) -> Act {
    let here = endpoint(&accept.local_address, accept.local_port, &accept.path).text("hostname", &event.host);
    let body = Fields::new()
        .put("connection_info", info(accept.family, accept.protocol, INBOUND))
        .object("src_endpoint", endpoint(&accept.address, accept.port, &[]))
        .put("dst_endpoint", named(here));
    Act::new(Class::Network, 1, "Open", body)
}

/// A socket that can read or forge other people's packets.
pub fn socket(event: &Event, socket: &Socket) -> Act {
    let info = info(socket.family, socket.protocol, UNKNOWN);
    let here = named(Fields::new().text("hostname", &event.host));
    Act::new(
        Class::Network,
        99,
        "Raw Socket",
        Fields::new().put("connection_info", info).put("src_endpoint", here),
    )
}

fn info(family: i32, protocol: i32, direction: u32) -> Fields {
    let local = family == Family::Unix as i32;
    let version = match Family::try_from(family) {
        Ok(Family::Inet) => Some(4),
        Ok(Family::Inet6) => Some(6),
        _ => None,
    };
    let protocol = Protocol::try_from(protocol).unwrap_or_default();
    let number = match protocol {
        Protocol::Icmp => Some(1),
        Protocol::Tcp => Some(6),
        Protocol::Udp => Some(17),
        _ => None,
    };
    Fields::new()
        .put("direction_id", if local { LOCAL } else { direction })
        .text("protocol_name", protocol.short_name())
        .some("protocol_num", number)
        .some("protocol_ver_id", version)
}

/// An end of a connection: its address, or the name of what has none.
fn endpoint(address: &str, port: Option<u32>, path: &[u8]) -> Fields {
    let ip = address.parse::<IpAddr>().ok();
    Fields::new()
        .some("ip", ip.map(|ip| ip.to_string()))
        .text("name", if ip.is_some() { "" } else { address })
        .text("name", path)
        .some("port", port.filter(|&port| port <= u32::from(u16::MAX)))
}

/// An end that is needed has a name, whatever is known of it.
fn named(endpoint: Fields) -> Fields {
    let unnamed = ["ip", "name", "hostname"].iter().all(|key| !endpoint.has(key));
    if unnamed { endpoint.put("name", "unknown") } else { endpoint }
}
