//! Sockets: connected or refused, listening, accepted, made.

use std::net::{Ipv4Addr, Ipv6Addr};

use activity_proto::v1::{self, Event, Family, Outcome, PathSource, Protocol, event::Payload};
use bytes::Bytes;
use sensor_types::network::{DATAGRAM, Destination, FAST_OPEN, IO_URING, Local, SOURCE_KERNEL, Socket};

use super::{DecodeError, errno, fixed, outcome};

/// `AF_*`.
mod af {
    pub const UNSPEC: u16 = 0;
    pub const UNIX: u16 = 1;
    pub const INET: u16 = 2;
    pub const INET6: u16 = 10;
    pub const NETLINK: u16 = 16;
    pub const PACKET: u16 = 17;
    pub const VSOCK: u16 = 40;
}

const EINPROGRESS: u32 = 115;

/// A socket was connected, or a datagram sent without.
pub fn connect(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let socket: Socket = fixed(record)?;
    let place = Place::of(&socket.destination)?;
    let (local_address, local_port) = this_end(&socket.local);
    event.outcome = Some(connect_outcome(socket.result));
    event.payload = Some(Payload::Connect(v1::Connect {
        family: place.family.into(),
        protocol: protocol(place.family, &socket).into(),
        address: place.address,
        port: place.port,
        path: place.path,
        address_source: match socket.destination.source {
            SOURCE_KERNEL => PathSource::Kernel,
            _ => PathSource::User,
        }
        .into(),
        local_address,
        local_port,
        datagram: socket.marks & DATAGRAM != 0,
        fast_open: socket.marks & FAST_OPEN != 0,
        io_uring: socket.marks & IO_URING != 0,
        peer_pid: (socket.peer_pid != 0).then_some(socket.peer_pid),
    }));
    Ok(())
}

/// A socket listens.
pub fn listen(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let socket: Socket = fixed(record)?;
    let place = Place::of(&socket.destination)?;
    event.outcome = Some(outcome(socket.result));
    event.payload = Some(Payload::Listen(v1::Listen {
        family: place.family.into(),
        protocol: protocol(place.family, &socket).into(),
        address: place.address,
        port: place.port,
        path: place.path,
    }));
    Ok(())
}

/// A connection was accepted.
pub fn accept(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let socket: Socket = fixed(record)?;
    let place = Place::of(&socket.destination)?;
    let (local_address, local_port) = this_end(&socket.local);
    event.outcome = Some(outcome(socket.result));
    event.payload = Some(Payload::Accept(v1::Accept {
        family: place.family.into(),
        protocol: protocol(place.family, &socket).into(),
        address: place.address,
        port: place.port,
        path: place.path,
        local_address,
        local_port,
    }));
    Ok(())
}

/// A raw or packet socket was made. Of it the family, the type and the protocol
/// are known, and no address yet.
pub fn socket(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let socket: Socket = fixed(record)?;
    let family = family(socket.destination.family);
    let protocol = if family == Family::Packet { Protocol::Packet } else { Protocol::Raw };
    event.outcome = Some(outcome(socket.result));
    event.payload = Some(Payload::Socket(v1::Socket {
        family: family.into(),
        protocol: protocol.into(),
        protocol_number: socket.protocol.into(),
    }));
    Ok(())
}

/// A connect that goes on by itself has been started well; its end is not
/// this call's.
fn connect_outcome(result: i32) -> Outcome {
    if result >= 0 {
        return outcome(result);
    }
    let errno = errno(result);
    Outcome { success: errno == EINPROGRESS, errno: Some(errno) }
}

/// An address as the events have it.
struct Place {
    family: Family,
    address: String,
    port: Option<u32>,
    path: Bytes,
}

impl Place {
    fn of(destination: &Destination) -> Result<Self, DecodeError> {
        let bytes = destination.address.get(..destination.length as usize).ok_or(DecodeError::OutOfBounds)?;
        let family = family(destination.family);
        let port = Some(destination.port.into());
        let mut place = Self { family, address: String::new(), port: None, path: Bytes::new() };
        match family {
            Family::Inet => (place.address, place.port) = (v4(bytes), port),
            Family::Inet6 => (place.address, place.port) = (v6(bytes), port),
            Family::Unix => place.path = socket_name(bytes),
            Family::Vsock => (place.address, place.port) = vsock(bytes),
            Family::Unspecified | Family::Packet | Family::Netlink | Family::Other => {}
        }
        Ok(place)
    }
}

fn family(family: u16) -> Family {
    match family {
        af::UNSPEC => Family::Unspecified,
        af::UNIX => Family::Unix,
        af::INET => Family::Inet,
        af::INET6 => Family::Inet6,
        af::VSOCK => Family::Vsock,
        af::PACKET => Family::Packet,
        af::NETLINK => Family::Netlink,
        _ => Family::Other,
    }
}

/// Address and port of this end; nothing where the socket has none yet.
fn this_end(local: &Local) -> (String, Option<u32>) {
    let address = match local.family {
        af::INET => local.address.get(..4).map(v4).unwrap_or_default(),
        af::INET6 => v6(&local.address),
        _ => return (String::new(), None),
    };
    let nowhere = local.address.iter().all(|&byte| byte == 0);
    let port = (local.port != 0).then_some(local.port.into());
    if nowhere && port.is_none() { (String::new(), None) } else { (address, port) }
}

fn v4(bytes: &[u8]) -> String {
    <[u8; 4]>::try_from(bytes).map_or_else(|_| String::new(), |octets| Ipv4Addr::from(octets).to_string())
}

fn v6(bytes: &[u8]) -> String {
    <[u8; 16]>::try_from(bytes).map_or_else(|_| String::new(), |octets| Ipv6Addr::from(octets).to_string())
}

/// The number of the machine and the port, which here has 32 bits (vsock(7)).
fn vsock(bytes: &[u8]) -> (String, Option<u32>) {
    let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    (word(4).map_or_else(String::new, |machine| machine.to_string()), word(0))
}

/// An abstract name counts in full; a path ends at its NUL (unix(7)).
fn socket_name(bytes: &[u8]) -> Bytes {
    match bytes.first() {
        Some(0) => Bytes::copy_from_slice(bytes),
        _ => super::until_nul(bytes),
    }
}

fn protocol(family: Family, socket: &Socket) -> Protocol {
    const SOCK_STREAM: u16 = 1;
    const SOCK_DGRAM: u16 = 2;
    const SOCK_RAW: u16 = 3;
    const SOCK_SEQPACKET: u16 = 5;
    match (family, socket.protocol, socket.socket_type) {
        (Family::Unspecified, ..) => Protocol::Unspecified,
        (Family::Packet, ..) => Protocol::Packet,
        (Family::Inet | Family::Inet6, 1 | 58, _) => Protocol::Icmp,
        (_, _, SOCK_RAW) => Protocol::Raw,
        // IPPROTO_MPTCP is TCP to the peer.
        (Family::Inet | Family::Inet6, 6 | 262, _) => Protocol::Tcp,
        (Family::Inet | Family::Inet6, 17, _) => Protocol::Udp,
        (_, _, SOCK_STREAM) => Protocol::Stream,
        (_, _, SOCK_DGRAM) => Protocol::Datagram,
        (_, _, SOCK_SEQPACKET) => Protocol::Seqpacket,
        _ => Protocol::Unspecified,
    }
}
