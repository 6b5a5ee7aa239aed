//! Network: connections from here and to here, and raw sockets.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::header::Header;

/// `sizeof(sockaddr_un.sun_path)`.
pub const UNIX_PATH_MAX: usize = 108;

/// The address is what the kernel's socket had.
pub const SOURCE_KERNEL: u32 = 1;
/// The address is what the caller passed.
pub const SOURCE_USER: u32 = 2;

/// Where to.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Destination {
    /// `AF_*`.
    pub family: u16,
    /// Port in host byte order; 0 for unix sockets.
    pub port: u16,
    /// Bytes used in `address`.
    pub length: u32,
    /// IPv4 (4 bytes), IPv6 (16 bytes), or the unix socket's name as in
    /// `sun_path`, an abstract one with its leading zero byte.
    pub address: [u8; UNIX_PATH_MAX],
    /// [`SOURCE_KERNEL`] or [`SOURCE_USER`].
    pub source: u32,
}

/// The local end of a socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Local {
    /// IPv4 in the first four bytes, or IPv6.
    pub address: [u8; 16],
    /// Port in host byte order.
    pub port: u16,
    /// `AF_INET`, `AF_INET6`, or 0 where nothing is known.
    pub family: u16,
}

/// [`Socket::marks`]: a datagram sent without connect, the first of this
/// process to this destination.
pub const DATAGRAM: u32 = 1;
/// [`Socket::marks`]: asked of io_uring.
pub const IO_URING: u32 = 2;
/// [`Socket::marks`]: TCP Fast Open, data with the first packet.
pub const FAST_OPEN: u32 = 4;

/// An act on a socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Socket {
    /// Who acted; its kind is the act.
    pub header: Header,
    /// Connect: where to. Accept: from where. Listen: where it listens.
    pub destination: Destination,
    /// This end.
    pub local: Local,
    /// [`DATAGRAM`], [`IO_URING`], [`FAST_OPEN`].
    pub marks: u32,
    /// 0 or more, or the negative error number.
    pub result: i32,
    /// `sock.sk_type` (`SOCK_*`).
    pub socket_type: u16,
    /// `sock.sk_protocol` (`IPPROTO_*`; for packet sockets `ETH_P_*`).
    pub protocol: u16,
    /// Connect to a unix stream socket: the process that listens there
    /// (`sock.sk_peer_pid`); else 0.
    pub peer_pid: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Destination>() == 120);
const _: () = assert!(size_of::<Socket>() == size_of::<Header>() + 160);
