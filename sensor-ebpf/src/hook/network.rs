//! Network: connects.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_types::{
    counters::Hook,
    header::Kind,
    network::{Connect, Destination, SOURCE_KERNEL, SOURCE_USER, UNIX_PATH_MAX},
};

use super::file::file_of;
use crate::{
    identity::Current,
    kernel::{Address, at_most, copy_kernel, copy_user},
    maps::{CONNECTING, Connecting, InetPeer, PROCESS_RING, offset, setting},
    ring::{Lost, count, reserve},
};

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// `TCP_SYN_SENT` and `TCP_CLOSE` of net/tcp_states.h.
const TCP_SYN_SENT: i32 = 2;
const TCP_CLOSE: i32 = 7;

/// `S_IFMT` and `S_IFSOCK` of stat.h.
const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;

/// `EALREADY` and `EISCONN`: the second look at a connect that was recorded
/// when it was started.
const EALREADY: i64 = 114;
const EISCONN: i64 = 106;

/// The arguments of a connect.
#[derive(Clone, Copy)]
pub struct ConnectCall {
    pub result: i64,
    pub descriptor: u32,
    /// The caller's `struct sockaddr`.
    pub address: Address,
    /// Its length as the caller says.
    pub length: u32,
}

/// `trace_inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`
///
/// Closed to SYN sent, in the caller's context, is where a TCP connect
/// begins; the same tracepoint fires for the other states, and for the far end
/// of a loopback connection, under whatever task runs.
#[btf_tracepoint(function = "inet_sock_set_state")]
fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    if ctx.arg::<i32>(1) != TCP_CLOSE || ctx.arg::<i32>(2) != TCP_SYN_SENT || setting!(connects) == 0 {
        return 0;
    }
    let sock = Address::of(ctx.arg::<*const u8>(0));
    let Some(current) = Current::get() else { return 0 };
    if let Some(peer) = inet_peer(sock) {
        let entry = Connecting { sock: sock.0, peer };
        // Without room the caller's own words are used, and marked as such.
        let _ = CONNECTING.insert(&current.pid_tgid, &entry, 0);
    }
    0
}

/// Records a connect that has returned.
#[inline(never)]
pub fn connected(call: &ConnectCall) -> u32 {
    if setting!(connects) == 0 || call.result == -EALREADY || call.result == -EISCONN {
        return 0;
    }
    let Some(current) = Current::get() else { return 0 };
    // Not a socket at all: nothing was connected to.
    let Some(sock) = sock_of(current.task, call.descriptor) else { return 0 };
    count(Hook::Connect, &current.check_policy().and_then(|()| record(current, call, sock)));
    0
}

#[inline(always)]
fn record(current: Current, call: &ConnectCall, sock: Address) -> Result<(), Lost> {
    let mut record = reserve::<Connect>(&PROCESS_RING)?;
    let connect = record.as_mut_ptr();
    // SAFETY: `connect` points to the reserved record.
    let header = unsafe {
        (*connect).result = call.result as i32;
        (*connect).socket_type = sock.read(offset!(sock_type)).unwrap_or(0);
        (*connect).protocol = sock.read(offset!(sock_protocol)).unwrap_or(0);
        write_destination(&raw mut (*connect).destination, current, call, sock);
        current.write_header(&raw mut (*connect).header, Kind::Connect)
    };
    record.finish(header)
}

/// # Safety
/// `destination` must be valid for writing.
#[inline(always)]
unsafe fn write_destination(
    destination: *mut Destination,
    current: Current,
    call: &ConnectCall,
    sock: Address,
) {
    // SAFETY: valid as the caller promises.
    let destination = unsafe { &mut *destination };
    destination.family = 0;
    destination.port = 0;
    destination.length = 0;
    destination.source = SOURCE_KERNEL;
    if let Some(peer) = take_connecting(current, sock) {
        return put_inet(destination, &peer);
    }
    if call.result == 0 && kernel_destination(destination, sock).is_some() {
        return;
    }
    destination.source = SOURCE_USER;
    user_destination(destination, call);
}

/// What this socket's connect was seen to set out for.
#[inline(always)]
fn take_connecting(current: Current, sock: Address) -> Option<InetPeer> {
    // SAFETY: this thread's entry is written by nobody else.
    let entry = unsafe { CONNECTING.get(&current.pid_tgid) }?;
    let (peer, of) = (entry.peer, entry.sock);
    let _ = CONNECTING.remove(&current.pid_tgid);
    (of == sock.0).then_some(peer)
}

#[inline(always)]
fn put_inet(destination: &mut Destination, peer: &InetPeer) {
    destination.family = peer.family;
    destination.port = peer.port;
    destination.length = if peer.family == AF_INET { 4 } else { 16 };
    // SAFETY: the array has more than 16 bytes, and the record is aligned
    // for words.
    unsafe { destination.address.as_mut_ptr().cast::<[u32; 4]>().write(peer.address) };
}

/// What a connected socket says of its peer.
#[inline(always)]
fn kernel_destination(destination: &mut Destination, sock: Address) -> Option<()> {
    if sock.read::<u16>(offset!(sock_family))? == AF_UNIX {
        unix_destination(destination, sock)
    } else {
        put_inet(destination, &inet_peer(sock)?);
        Some(())
    }
}

#[inline(always)]
fn inet_peer(sock: Address) -> Option<InetPeer> {
    let family = sock.read(offset!(sock_family))?;
    let address = match family {
        AF_INET => [sock.read(offset!(sock_daddr))?, 0, 0, 0],
        AF_INET6 => sock.read(offset!(sock_v6_daddr))?,
        _ => return None,
    };
    let port = u16::from_be(sock.read(offset!(sock_dport))?);
    Some(InetPeer { address, family, port, reserved: 0 })
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

/// What the caller passed: `struct sockaddr_in`, `sockaddr_in6`, `sockaddr_un`.
#[inline(always)]
fn user_destination(destination: &mut Destination, call: &ConnectCall) {
    let Some(family) = call.address.read_user::<u16>() else { return };
    destination.family = family;
    let (from, length) = match family {
        AF_INET => (call.address.add(4), 4),
        AF_INET6 => (call.address.add(8), 16),
        AF_UNIX => (call.address.add(2), u64::from(call.length).wrapping_sub(2)),
        _ => return,
    };
    if family != AF_UNIX {
        destination.port = u16::from_be(call.address.add(2).read_user().unwrap_or(0));
    }
    let Some(length) = at_most(length, UNIX_PATH_MAX) else { return };
    let length = length as u32;
    // SAFETY: the length was checked against the array's.
    let copied = unsafe { copy_user(destination.address.as_mut_ptr(), length, from) };
    if copied.is_some() {
        destination.length = length;
    }
}

/// The kernel's socket behind a descriptor: descriptor, file, `struct socket`,
/// `struct sock`.
#[inline(always)]
fn sock_of(task: Address, descriptor: u32) -> Option<Address> {
    let file = file_of(task, descriptor)?;
    let mode: u16 = file.follow(offset!(file_inode))?.read(offset!(inode_mode))?;
    if mode & S_IFMT != S_IFSOCK {
        return None;
    }
    file.follow(offset!(file_private_data))?.follow(offset!(socket_sk))
}
