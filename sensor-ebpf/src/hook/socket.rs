//! Sockets: what the kernel's structures say of them; those that listen, that
//! accept, and that can read or forge other people's packets.

use aya_ebpf::{
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext},
};
use sensor_types::{
    act::Act,
    network::{Destination, Local, SOURCE_KERNEL, Socket, UNIX_PATH_MAX},
    syscall::Call,
};

use super::{
    network::{AF_INET, AF_INET6, AF_PACKET, AF_UNIX},
    opened::file_of,
    syscall::SystemCall,
};
pub use crate::maps::InetPeer;
use crate::{
    identity::Current,
    kernel::{Address, at_most, blank, copy_kernel},
    maps::{PROCESS_RING, form, offset, result_of},
    ring::{Lost, count, reserve},
};

/// `S_IFMT` and `S_IFSOCK` of stat.h.
const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;

/// `SOCK_RAW`, and what else may be said with a socket's type.
const SOCK_RAW: u32 = 3;
const SOCK_TYPE_MASK: u32 = 0xf;

/// Which of a socket's ends an act is about.
#[derive(Clone, Copy)]
enum End {
    Here,
    There,
}

#[inline(always)]
fn record(current: Current, act: Act, sock: Address, end: End) -> Result<(), Lost> {
    let mut record = reserve::<Socket>(&PROCESS_RING)?;
    let socket = record.as_mut_ptr();
    // SAFETY: `socket` points to the reserved record.
    let header = unsafe {
        (*socket).result = 0;
        (*socket).marks = 0;
        (*socket).peer_pid = 0;
        (*socket).reserved = 0;
        (*socket).socket_type = sock.read(offset!(sock_type)).unwrap_or(0);
        (*socket).protocol = sock.read(offset!(sock_protocol)).unwrap_or(0);
        local_end(&raw mut (*socket).local, sock);
        let destination = &mut (*socket).destination;
        (destination.family, destination.port, destination.length) = (0, 0, 0);
        destination.source = SOURCE_KERNEL;
        let of_interest = match end {
            End::Here => local_peer(sock),
            End::There => inet_peer(sock),
        };
        if let Some(peer) = of_interest {
            put_inet(destination, &peer);
        }
        current.write_header(&raw mut (*socket).header, act)
    };
    record.finish(header)
}

/// A socket was told to listen.
#[inline(always)]
pub fn listens(current: Current, sock: Address) {
    let outcome = current.check_policy().and_then(|()| record(current, Act::Listen, sock, End::Here));
    count(Act::Listen, &outcome);
}

#[inline(always)]
fn accepts(current: Current, sock: Address) {
    let outcome = current.check_policy().and_then(|()| record(current, Act::Accept, sock, End::There));
    count(Act::Accept, &outcome);
}

/// `struct sock *inet_csk_accept(struct sock *sk, …)`
///
/// Every accepted TCP connection, whichever call or io_uring asked.
#[fexit]
fn accept(ctx: FExitContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    let sock = Address(result_of(&ctx, form!(inet_csk_accept)));
    if !sock.is_null() {
        accepts(current, sock);
    }
    0
}

/// `int __sock_create(struct net *net, int family, int type, int protocol, struct socket **res, int kern)`
///
/// Where sockets are made; the security hook before it does not know yet
/// whether the capability is there.
#[fexit]
fn socket(ctx: FExitContext) -> i32 {
    if ctx.arg::<u64>(5) as i32 != 0 {
        return 0;
    }
    made(
        [ctx.arg::<u64>(1) as u32, ctx.arg::<u64>(2) as u32, ctx.arg::<u64>(3) as u32],
        ctx.arg::<u64>(6) as i32,
    );
    0
}

/// `trace_sys_exit(struct pt_regs *regs, long ret)`, for socket and accept.
#[btf_tracepoint(function = "sys_exit")]
fn call_socket(ctx: BtfTracePointContext) -> i32 {
    let Some(call) = SystemCall::of(&ctx) else { return 0 };
    let [first, second, third, ..] = call.arguments;
    if call.call == Call::Socket as u8 {
        let result = if call.result < 0 { call.result as i32 } else { 0 };
        made([first as u32, second as u32, third as u32], result);
    } else if call.result >= 0
        && let Some(current) = Current::get()
        && let Some(sock) = sock_of(current.task, call.result as u32)
        && matches!(sock.read(offset!(sock_family)), Some(AF_INET | AF_INET6))
    {
        accepts(current, sock);
    }
    0
}

/// Records a socket that sees more than its own connections.
#[inline(always)]
fn made([family, kind, protocol]: [u32; 3], result: i32) {
    let (family, kind) = (family as u16, kind & SOCK_TYPE_MASK);
    let raw = kind == SOCK_RAW && (family == AF_INET || family == AF_INET6);
    if !raw && family != AF_PACKET {
        return;
    }
    let Some(current) = Current::get() else { return };
    let outcome = current
        .check_policy()
        .and_then(|()| record_made(current, family, kind as u16, protocol as u16, result));
    count(Act::Socket, &outcome);
}

#[inline(always)]
fn record_made(current: Current, family: u16, kind: u16, protocol: u16, result: i32) -> Result<(), Lost> {
    let mut record = reserve::<Socket>(&PROCESS_RING)?;
    let socket = record.as_mut_ptr();
    // SAFETY: `socket` points to the reserved record.
    let header = unsafe {
        (*socket).result = result;
        (*socket).marks = 0;
        (*socket).peer_pid = 0;
        (*socket).reserved = 0;
        (*socket).socket_type = kind;
        // ETH_P_* are in network byte order.
        (*socket).protocol = if family == AF_PACKET { u16::from_be(protocol) } else { protocol };
        blank(&raw mut (*socket).local);
        let destination = &mut (*socket).destination;
        (destination.family, destination.port, destination.length) = (family, 0, 0);
        destination.source = SOURCE_KERNEL;
        current.write_header(&raw mut (*socket).header, Act::Socket)
    };
    record.finish(header)
}

// What the kernel's structures say.

#[inline(always)]
pub fn put_inet(destination: &mut Destination, peer: &InetPeer) {
    destination.family = peer.family;
    destination.port = peer.port;
    destination.length = if peer.family == AF_INET { 4 } else { 16 };
    // SAFETY: the array has more than 16 bytes, and the record is aligned
    // for words.
    unsafe { destination.address.as_mut_ptr().cast::<[u32; 4]>().write(peer.address) };
}

/// What a connected socket says of its peer.
#[inline(always)]
pub fn kernel_destination(destination: &mut Destination, sock: Address) -> Option<()> {
    if sock.read::<u16>(offset!(sock_family))? == AF_UNIX {
        unix_destination(destination, sock)
    } else {
        put_inet(destination, &inet_peer(sock)?);
        Some(())
    }
}

#[inline(always)]
pub fn inet_peer(sock: Address) -> Option<InetPeer> {
    let family = sock.read(offset!(sock_family))?;
    let address = match family {
        AF_INET => [sock.read(offset!(sock_daddr))?, 0, 0, 0],
        AF_INET6 => sock.read(offset!(sock_v6_daddr))?,
        _ => return None,
    };
    let port = u16::from_be(sock.read(offset!(sock_dport))?);
    Some(InetPeer { address, family, port, reserved: 0 })
}

/// This end of a socket.
#[inline(always)]
fn local_peer(sock: Address) -> Option<InetPeer> {
    let family = sock.read(offset!(sock_family))?;
    let address = match family {
        AF_INET => [sock.read(offset!(sock_rcv_saddr))?, 0, 0, 0],
        AF_INET6 => sock.read(offset!(sock_v6_rcv_saddr))?,
        _ => return None,
    };
    Some(InetPeer { address, family, port: sock.read(offset!(sock_num))?, reserved: 0 })
}

/// Writes this end of a socket.
///
/// # Safety
/// `local` must be valid for writing, and aligned for words.
#[inline(always)]
pub unsafe fn local_end(local: *mut Local, sock: Address) {
    // SAFETY: valid as the caller promises.
    unsafe {
        match local_peer(sock) {
            Some(peer) => {
                (&raw mut (*local).address).cast::<[u32; 4]>().write_unaligned(peer.address);
                (*local).port = peer.port;
                (*local).family = peer.family;
            }
            None => blank(local),
        }
    }
}

/// The name the peer of a unix socket was bound to.
#[inline(always)]
fn unix_destination(destination: &mut Destination, sock: Address) -> Option<()> {
    let peer = sock.follow(offset!(unix_sock_peer))?;
    let address = peer.follow(offset!(unix_sock_addr))?;
    // `len` counts the family's two bytes.
    let length = u64::from(address.read::<u32>(offset!(unix_address_len))?).wrapping_sub(2);
    let length = at_most(length, UNIX_PATH_MAX)? as u32;
    let name = address.add(offset!(unix_address_name)).add(2);
    // SAFETY: the length was checked against the array's.
    unsafe { copy_kernel(destination.address.as_mut_ptr(), length, name) }?;
    destination.family = AF_UNIX;
    destination.length = length;
    Some(())
}

/// The kernel's socket behind a descriptor.
#[inline(always)]
pub fn sock_of(task: Address, descriptor: u32) -> Option<Address> {
    sock_of_file(file_of(task, descriptor)?)
}

/// The kernel's socket behind a file: `struct socket`, `struct sock`.
#[inline(always)]
pub fn sock_of_file(file: Address) -> Option<Address> {
    let mode: u16 = file.follow(offset!(file_inode))?.read(offset!(inode_mode))?;
    if mode & S_IFMT != S_IFSOCK {
        return None;
    }
    file.follow(offset!(file_private_data))?.follow(offset!(socket_sk))
}
