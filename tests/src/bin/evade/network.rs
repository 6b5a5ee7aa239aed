//! Internet connections without `connect`.

use std::{
    io, mem,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket},
    os::fd::AsRawFd as _,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket};
use serde_json::{Value, json};

use crate::{Act, Scene, sys, tell};

pub const ACTS: &[(&str, Act)] =
    &[("fast-open", fast_open), ("udp-sendto", udp_sendto), ("udp-sendmmsg", udp_sendmmsg), ("mptcp", mptcp)];

/// A `sockaddr_in`.
pub struct Address(libc::sockaddr_in);

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let SocketAddr::V4(address) = address else { panic!("an IPv4 address") };
        Self(libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: address.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
            sin_zero: [0; 8],
        })
    }
}

impl Address {
    pub fn pointer(&self) -> *const libc::sockaddr {
        (&raw const self.0).cast()
    }

    pub fn length(&self) -> u32 {
        size_of::<libc::sockaddr_in>() as u32
    }
}

/// A connect to this place, or the first datagram there.
pub fn connected(protocol: &str, to: SocketAddr) -> Value {
    json!({
        "type": "connect",
        "connect": {
            "family": "inet", "protocol": protocol, "address": to.ip().to_string(), "port": to.port(),
        },
    })
}

/// `sendto` of one byte; `MSG_FASTOPEN` among the flags connects a TCP socket.
fn send(socket: &impl std::os::fd::AsRawFd, to: SocketAddr, flags: libc::c_int) -> io::Result<usize> {
    let address = Address::from(to);
    let (data, length) = (c"x".as_ptr().addr(), address.length() as usize);
    let arguments = [socket.as_raw_fd() as usize, data, 1, flags as usize, address.pointer().addr(), length];
    // SAFETY: data and address are as long as they are said to be.
    unsafe { sys::call(libc::SYS_sendto, &arguments) }
}

/// TCP connects with its first data.
fn fast_open(_: &Scene) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    if let Err(error) = send(&socket, to, libc::MSG_FASTOPEN) {
        tell::cannot(format_args!("MSG_FASTOPEN: {error}"));
    }
    tell::expect(connected("tcp", to));
    tell::truth(&to.to_string());
}

fn udp_sendto(_: &Scene) {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = receiver.local_addr().unwrap();
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    send(&socket, to, 0).unwrap();
    tell::expect(connected("udp", to));
    tell::truth(&to.to_string());
}

/// One call, four hosts.
fn udp_sendmmsg(_: &Scene) {
    let receiver = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    let hosts: Vec<SocketAddr> =
        (1..=4).map(|host| SocketAddrV4::new(Ipv4Addr::new(127, 77, 0, host), port).into()).collect();
    let addresses: Vec<_> = hosts.iter().map(|host| Address::from(*host)).collect();
    let mut part = libc::iovec { iov_base: c"x".as_ptr().cast_mut().cast(), iov_len: 1 };
    let part = &raw mut part;
    let message = |address: &Address| {
        // SAFETY: a message of zeros is an empty one.
        let mut message: libc::mmsghdr = unsafe { mem::zeroed() };
        message.msg_hdr.msg_name = address.pointer().cast_mut().cast();
        message.msg_hdr.msg_namelen = address.length();
        message.msg_hdr.msg_iov = part;
        message.msg_hdr.msg_iovlen = 1;
        message
    };
    let mut messages: Vec<_> = addresses.iter().map(message).collect();
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    let arguments = [socket.as_raw_fd() as usize, messages.as_mut_ptr().addr(), messages.len(), 0];
    // SAFETY: there are as many messages as are said to be, and each is whole.
    let sent = unsafe { sys::call(libc::SYS_sendmmsg, &arguments) }.unwrap();
    assert_eq!(sent, hosts.len());
    for host in hosts {
        tell::expect(connected("udp", host));
        tell::truth(&host.to_string());
    }
}

fn mptcp(_: &Scene) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let multipath = rustix::net::ipproto::MPTCP;
    let (family, flags) = (AddressFamily::INET, SocketFlags::empty());
    match rustix::net::socket_with(family, SocketType::STREAM, flags, Some(multipath)) {
        Ok(socket) => connect(&socket, &to).unwrap(),
        Err(error) => tell::cannot(format_args!("IPPROTO_MPTCP: {error}")),
    }
    let mut event = connected("", to);
    event["connect"].as_object_mut().unwrap().remove("protocol");
    tell::expect(event);
    tell::truth(&to.to_string());
}
