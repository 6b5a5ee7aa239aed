//! Sockets connected or refused.

use std::net::{Ipv4Addr, Ipv6Addr};

use activity_proto::v1::{self, Event, Family, Outcome, PathSource, Protocol, event::Payload};
use bytes::Bytes;
use sensor_types::network::{Connect, Destination, SOURCE_KERNEL};

use super::{DecodeError, errno, fixed};

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

const EINPROGRESS: u32 = 115;

pub fn connect(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let connect: Connect = fixed(record)?;
    let destination = &connect.destination;
    let (family, address, path) = place(destination)?;
    event.outcome = Some(connect_outcome(connect.result));
    event.payload = Some(Payload::Connect(v1::Connect {
        family: family.into(),
        protocol: protocol(family, &connect).into(),
        address,
        port: (family != Family::Unix && family != Family::Unspecified).then(|| destination.port.into()),
        path,
        address_source: match destination.source {
            SOURCE_KERNEL => PathSource::Kernel,
            _ => PathSource::User,
        }
        .into(),
    }));
    Ok(())
}

/// A connect that goes on by itself has been started well; its end is not
/// this call's.
fn connect_outcome(result: i32) -> Outcome {
    if result >= 0 {
        return Outcome { success: true, errno: None };
    }
    let errno = errno(result);
    Outcome { success: errno == EINPROGRESS, errno: Some(errno) }
}

fn place(destination: &Destination) -> Result<(Family, String, Bytes), DecodeError> {
    let bytes = destination.address.get(..destination.length as usize).ok_or(DecodeError::OutOfBounds)?;
    Ok(match destination.family {
        AF_INET => (Family::Inet, v4(bytes), Bytes::new()),
        AF_INET6 => (Family::Inet6, v6(bytes), Bytes::new()),
        AF_UNIX => (Family::Unix, String::new(), socket_name(bytes)),
        _ => (Family::Unspecified, String::new(), Bytes::new()),
    })
}

fn v4(bytes: &[u8]) -> String {
    <[u8; 4]>::try_from(bytes).map_or_else(|_| String::new(), |octets| Ipv4Addr::from(octets).to_string())
}

fn v6(bytes: &[u8]) -> String {
    <[u8; 16]>::try_from(bytes).map_or_else(|_| String::new(), |octets| Ipv6Addr::from(octets).to_string())
}

/// An abstract name counts in full; a path ends at its NUL (unix(7)).
fn socket_name(bytes: &[u8]) -> Bytes {
    match bytes.first() {
        Some(0) => Bytes::copy_from_slice(bytes),
        _ => super::until_nul(bytes),
    }
}

fn protocol(family: Family, connect: &Connect) -> Protocol {
    const SOCK_STREAM: u16 = 1;
    const SOCK_DGRAM: u16 = 2;
    const SOCK_SEQPACKET: u16 = 5;
    match (family, connect.protocol, connect.socket_type) {
        (Family::Unix, _, SOCK_STREAM) => Protocol::Stream,
        (Family::Unix, _, SOCK_DGRAM) => Protocol::Datagram,
        (Family::Unix, _, SOCK_SEQPACKET) => Protocol::Seqpacket,
        // IPPROTO_MPTCP is TCP to the peer.
        (Family::Inet | Family::Inet6, 6 | 262, _) => Protocol::Tcp,
        (Family::Inet | Family::Inet6, 17, _) => Protocol::Udp,
        (Family::Inet | Family::Inet6, 1 | 58, _) => Protocol::Icmp,
        (Family::Inet | Family::Inet6, ..) => Protocol::Raw,
        _ => Protocol::Unspecified,
    }
}
