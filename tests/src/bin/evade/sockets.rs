//! Sockets that are not the internet's usual ones.

use std::{
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
};

use serde_json::json;

use crate::{Act, Scene, network::Address, sys, tell};

pub const ACTS: &[(&str, Act)] = &[
    ("raw-socket", raw),
    ("packet-socket", packet),
    ("vsock", vsock),
    ("unix-stream", unix_stream),
    ("unix-datagram", unix_datagram),
];

fn socket(family: libc::c_int, kind: libc::c_int, protocol: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers only.
    unsafe { sys::call_fd(libc::SYS_socket, &[family as usize, kind as usize, protocol as usize]) }
}

/// A protocol of one's own directly upon IP, to an address without a port.
fn raw(_: &Scene) {
    /// Set aside for experiments (RFC 3692).
    const PROTOCOL: i32 = 253;
    let socket = socket(libc::AF_INET, libc::SOCK_RAW, PROTOCOL)
        .unwrap_or_else(|error| tell::cannot(format_args!("SOCK_RAW: {error}")));
    let to = "127.77.1.1:0".parse::<std::net::SocketAddr>().unwrap();
    let address = Address::from(to);
    let (data, length) = (c"x".as_ptr().addr(), address.length() as usize);
    let arguments = [socket.as_raw_fd() as usize, data, 1, 0, address.pointer().addr(), length];
    // SAFETY: data and address are as long as they are said to be.
    unsafe { sys::call(libc::SYS_sendto, &arguments) }.unwrap();
    let made = json!({ "type": "socket", "socket": { "$mentions": ["raw"] } });
    let sent = json!({ "type": "connect", "connect": { "protocol": "raw", "address": "127.77.1.1" } });
    tell::expect_one_of(vec![made, sent]);
    tell::truth("a raw socket");
}

/// Whole frames, past everything that looks at IP.
fn packet(_: &Scene) {
    let every_protocol = i32::from((libc::ETH_P_ALL as u16).to_be());
    let made = socket(libc::AF_PACKET, libc::SOCK_RAW, every_protocol);
    drop(made.unwrap_or_else(|error| tell::cannot(format_args!("AF_PACKET: {error}"))));
    tell::expect(json!({ "type": "socket", "socket": { "$mentions": ["packet"] } }));
    tell::truth("a packet socket");
}

/// To a virtual machine, or from one to its host; here to the machine itself,
/// where nobody listens.
fn vsock(_: &Scene) {
    const PORT: u32 = 61_234;
    let socket = socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)
        .unwrap_or_else(|error| tell::cannot(format_args!("AF_VSOCK: {error}")));
    let address = libc::sockaddr_vm {
        svm_family: libc::AF_VSOCK as u16,
        svm_reserved1: 0,
        svm_port: PORT,
        svm_cid: libc::VMADDR_CID_LOCAL,
        svm_zero: [0; 4],
    };
    let arguments = [socket.as_raw_fd() as usize, (&raw const address).addr(), size_of_val(&address)];
    // SAFETY: the address is as long as it is said to be.
    let _ = unsafe { sys::call(libc::SYS_connect, &arguments) };
    tell::expect(json!({ "type": "connect", "connect": { "family": "vsock", "port": PORT } }));
    tell::truth(&format!("{}:{PORT}", libc::VMADDR_CID_LOCAL));
}

fn unix_stream(scene: &Scene) {
    let path = scene.path("listener");
    let _listener = UnixListener::bind(&path).unwrap();
    UnixStream::connect(&path).unwrap();
    let path = tell::text(&path);
    tell::expect(json!({ "type": "connect", "connect": { "family": "unix", "path": path } }));
    tell::truth(&path);
}

/// `sendto`, without `connect`.
fn unix_datagram(scene: &Scene) {
    let path = scene.path("receiver");
    let _receiver = UnixDatagram::bind(&path).unwrap();
    UnixDatagram::unbound().unwrap().send_to(b"x", &path).unwrap();
    let path = tell::text(&path);
    tell::expect(json!({ "type": "connect", "connect": { "family": "unix", "path": path } }));
    tell::truth(&path);
}
