//! Network: connections from here.

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

/// A connect.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Connect {
    /// Who connected.
    pub header: Header,
    /// Where to.
    pub destination: Destination,
    /// 0, or the negative error number.
    pub result: i32,
    /// `sock.sk_type` (`SOCK_*`).
    pub socket_type: u16,
    /// `sock.sk_protocol` (`IPPROTO_*`).
    pub protocol: u16,
}

const _: () = assert!(size_of::<Destination>() == 120);
const _: () = assert!(size_of::<Connect>() == size_of::<Header>() + 128);
