//! Network: connects, and datagrams sent without.

use core::mem::MaybeUninit;

use aya_ebpf::{
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext},
};
use sensor_types::{
    act::Act,
    network::{
        DATAGRAM, Destination, FAST_OPEN, IO_URING, SOURCE_KERNEL, SOURCE_USER, Socket, UNIX_PATH_MAX,
    },
    syscall::Call,
};

use super::{
    io_uring::{is_worker, take_connect},
    socket::{InetPeer, kernel_destination, local_end, put_inet, sock_of, sock_of_file},
    syscall::SystemCall,
};
use crate::{
    identity::{Current, start_of},
    kernel::{Address, at_most, copy_kernel, copy_user},
    maps::{CONNECTING, Connecting, PROCESS_RING, SENT, Sent, offset, setting, wanted},
    ring::{Lost, count, reserve},
};

pub const AF_UNIX: u16 = 1;
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;
pub const AF_PACKET: u16 = 17;
pub const AF_VSOCK: u16 = 40;

/// Of net/tcp_states.h.
const TCP_SYN_SENT: i32 = 2;
const TCP_CLOSE: i32 = 7;
const TCP_LISTEN: i32 = 10;

/// `SOCK_STREAM` and `SOCK_SEQPACKET`: their sends go where they are connected.
const CONNECTED_TYPES: [u16; 2] = [1, 5];

/// `EALREADY` and `EISCONN`: the second look at a connect that was recorded
/// when it was started.
const EALREADY: i64 = 114;
const EISCONN: i64 = 106;
/// `EINPROGRESS`: begun, and goes on by itself.
const EINPROGRESS: i32 = -115;

/// A `struct sockaddr`.
#[derive(Clone, Copy)]
struct SocketAddress {
    at: Address,
    length: u32,
    in_kernel: bool,
}

impl SocketAddress {
    const NONE: Self = Self { at: Address::NULL, length: 0, in_kernel: true };

    #[inline(always)]
    fn read<T: Copy>(&self, offset: usize) -> Option<T> {
        if self.in_kernel { self.at.read(offset) } else { self.at.add(offset).read_user() }
    }

    /// # Safety
    /// `to` must be valid for `length` bytes.
    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, length: u32, offset: usize) -> Option<()> {
        // SAFETY: as the caller promises.
        unsafe {
            if self.in_kernel {
                copy_kernel(to, length, self.at.add(offset))
            } else {
                copy_user(to, length, self.at.add(offset))
            }
        }
    }

    /// What it says, as `struct sockaddr_in`, `sockaddr_in6`, `sockaddr_un`,
    /// `sockaddr_vm` and `sockaddr_ll` have it.
    #[inline(always)]
    fn write(&self, destination: &mut Destination) -> Option<()> {
        destination.source = if self.in_kernel { SOURCE_KERNEL } else { SOURCE_USER };
        let family = self.read::<u16>(0)?;
        destination.family = family;
        let (offset, length) = match family {
            AF_INET => (4, 4),
            AF_INET6 => (8, 16),
            AF_UNIX => (2, u64::from(self.length).wrapping_sub(2)),
            // Port and context id; interface and hardware address.
            AF_VSOCK => (4, 8),
            AF_PACKET => (4, 16),
            _ => return None,
        };
        if family == AF_INET || family == AF_INET6 {
            destination.port = u16::from_be(self.read(2)?);
        }
        let length = at_most(length, UNIX_PATH_MAX)? as u32;
        // SAFETY: the length was checked against the array's.
        unsafe { self.copy(destination.address.as_mut_ptr(), length, offset) }?;
        destination.length = length;
        Some(())
    }
}

/// A connect, or a datagram in its place.
struct Attempt<'a> {
    sock: Address,
    address: &'a SocketAddress,
    known: Option<InetPeer>,
    result: i64,
    marks: u32,
}

#[inline(always)]
fn record(current: Current, attempt: &Attempt<'_>) -> Result<(), Lost> {
    let mut record = reserve::<Socket>(&PROCESS_RING)?;
    let socket = record.as_mut_ptr();
    // SAFETY: `socket` points to the reserved record.
    let header = unsafe {
        (*socket).result = attempt.result as i32;
        (*socket).marks = attempt.marks;
        // Datagrams are sent in a loop: a way more would be one for each of them.
        let connected = attempt.result == 0 && attempt.marks & DATAGRAM == 0;
        (*socket).peer_pid = if connected { unix_peer(attempt.sock).unwrap_or(0) } else { 0 };
        (*socket).reserved = 0;
        (*socket).socket_type = attempt.sock.read(offset!(sock_type)).unwrap_or(0);
        (*socket).protocol = attempt.sock.read(offset!(sock_protocol)).unwrap_or(0);
        local_end(&raw mut (*socket).local, attempt.sock);
        write_destination(&raw mut (*socket).destination, attempt);
        current.write_header(&raw mut (*socket).header, Act::Connect)
    };
    record.finish(header)
}

/// The process that listens on the unix socket this one is connected to: a
/// connect takes over whose the other end is. In the numbers of the initial pid
/// namespace, which come first in `struct pid`.
#[inline(always)]
fn unix_peer(sock: Address) -> Option<u32> {
    if sock.read::<u16>(offset!(sock_family))? != AF_UNIX {
        return None;
    }
    sock.follow(offset!(sock_peer_pid))?.read(offset!(pid_number))
}

/// # Safety
/// `destination` must be valid for writing.
#[inline(always)]
unsafe fn write_destination(destination: *mut Destination, attempt: &Attempt<'_>) {
    // SAFETY: valid as the caller promises.
    let destination = unsafe { &mut *destination };
    destination.family = 0;
    destination.port = 0;
    destination.length = 0;
    destination.source = SOURCE_KERNEL;
    if let Some(peer) = attempt.known {
        return put_inet(destination, &peer);
    }
    let connected = attempt.result == 0 && attempt.marks & DATAGRAM == 0;
    if connected && kernel_destination(destination, attempt.sock).is_some() {
        return;
    }
    attempt.address.write(destination);
}

#[inline(always)]
fn counted(current: Current, attempt: &Attempt<'_>) {
    count(Act::Connect, &current.check_policy().and_then(|()| record(current, attempt)));
}

/// `trace_inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`
///
/// Closed to SYN sent, in the caller's context, is where a TCP connect
/// begins, and closed to listening where a server does; the same tracepoint
/// fires for the other states, and for the far end of a loopback connection,
/// under whatever task runs.
#[btf_tracepoint(function = "inet_sock_set_state")]
fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    if ctx.arg::<i32>(1) != TCP_CLOSE {
        return 0;
    }
    let state = ctx.arg::<i32>(2);
    let sock = Address::of(ctx.arg::<*const u8>(0));
    let Some(current) = Current::get() else { return 0 };
    if state == TCP_LISTEN && wanted(Act::Listen) {
        super::socket::listens(current, sock);
    } else if state == TCP_SYN_SENT && wanted(Act::Connect) {
        sets_out(current, sock);
    }
    0
}

/// A TCP connect begins. Where no call of its own follows that would tell of
/// it (data with the first packet, io_uring), it is recorded now.
#[inline(always)]
fn sets_out(current: Current, sock: Address) {
    let Some(peer) = super::socket::inet_peer(sock) else { return };
    let trampolines = setting!(trampolines) == 1;
    let fast_open = sock.follow(offset!(tcp_sock_fastopen)).is_some();
    let io_uring = !trampolines && (is_worker() || take_connect(current));
    if fast_open || io_uring {
        let marks = if fast_open { FAST_OPEN } else { IO_URING };
        let known = Some(peer);
        let result = i64::from(EINPROGRESS);
        counted(current, &Attempt { sock, address: &SocketAddress::NONE, known, result, marks });
    } else if !trampolines {
        let entry = Connecting { sock: sock.0, peer };
        // Without room the caller's own words are used, and marked as such.
        let _ = CONNECTING.insert(&current.pid_tgid, &entry, 0);
    }
}

/// `int __sys_connect_file(struct file *file, struct sockaddr_storage *address, int addrlen, int file_flags)`
///
/// connect(2) and io_uring's come here, with the address copied in and the
/// outcome at hand; the security hook before it has no outcome.
#[fexit]
fn connect(ctx: FExitContext) -> i32 {
    let result = i64::from(ctx.arg::<u64>(4) as i32);
    if result == -EALREADY || result == -EISCONN {
        return 0;
    }
    let Some(current) = Current::get() else { return 0 };
    let Some(sock) = sock_of_file(Address(ctx.arg(0))) else { return 0 };
    let address =
        SocketAddress { at: Address(ctx.arg(1)), length: ctx.arg::<u64>(2) as u32, in_kernel: true };
    let marks = if is_worker() { IO_URING } else { 0 };
    counted(current, &Attempt { sock, address: &address, known: None, result, marks });
    0
}

/// `trace_sys_exit(struct pt_regs *regs, long ret)`, for connect.
#[btf_tracepoint(function = "sys_exit")]
fn call_connect(ctx: BtfTracePointContext) -> i32 {
    let Some(call) = SystemCall::of(&ctx) else { return 0 };
    let result = call.result;
    if result == -EALREADY || result == -EISCONN {
        return 0;
    }
    let Some(current) = Current::get() else { return 0 };
    // Not a socket at all: nothing was connected to.
    let Some(sock) = sock_of(current.task, call.arguments[0] as u32) else { return 0 };
    let address =
        SocketAddress { at: Address(call.arguments[1]), length: call.arguments[2] as u32, in_kernel: false };
    let known = take_connecting(current, sock);
    counted(current, &Attempt { sock, address: &address, known, result, marks: 0 });
    0
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

// Datagrams.

/// `int security_socket_sendmsg(struct socket *sock, struct msghdr *msg, int size)`
///
/// Asked for every send of every kind of socket, with the destination in the
/// kernel's memory; it names one only where the socket is not connected.
#[fexit]
fn send(ctx: FExitContext) -> i32 {
    let message = Address(ctx.arg(1));
    let Some(at) = message.follow(offset!(msghdr_name)) else { return 0 };
    let Some(current) = Current::get() else { return 0 };
    let Some(sock) = Address(ctx.arg(0)).follow(offset!(socket_sk)) else { return 0 };
    let length = message.read(offset!(msghdr_namelen)).unwrap_or(0);
    let result = i64::from(ctx.arg::<u64>(3) as i32);
    let address = SocketAddress { at, length, in_kernel: true };
    sent(current, sock, &address, result);
    0
}

/// `trace_sys_exit(struct pt_regs *regs, long ret)`, for sends.
#[btf_tracepoint(function = "sys_exit")]
fn call_send(ctx: BtfTracePointContext) -> i32 {
    let Some(call) = SystemCall::of(&ctx) else { return 0 };
    let Some(current) = Current::get() else { return 0 };
    let [descriptor, second, _, _, address, length] = call.arguments;
    if call.call == Call::SendTo as u8 {
        if address != 0 {
            let address = SocketAddress { at: Address(address), length: length as u32, in_kernel: false };
            sent_by_call(current, descriptor as u32, &address, call.result);
        }
        return 0;
    }
    if call.compat {
        return 0;
    }
    // `struct msghdr`, alone or first in each `struct mmsghdr`.
    const MMSGHDR: u64 = 64;
    let most = if setting!(patient) == 1 { 16 } else { 4 };
    let messages = if call.call == Call::SendMmsg as u8 {
        if call.result < 0 { 1 } else { call.result as u64 }
    } else {
        1
    };
    let mut index = 0;
    while index < most {
        if index >= messages {
            break;
        }
        let message = Address(second + index * MMSGHDR);
        if let (Some(name), Some(length)) = (message.read_user::<u64>(), message.add(8).read_user::<u32>())
            && name != 0
        {
            let address = SocketAddress { at: Address(name), length, in_kernel: false };
            sent_by_call(current, descriptor as u32, &address, call.result);
        }
        index += 1;
    }
    0
}

#[inline(never)]
fn sent_by_call(current: Current, descriptor: u32, address: &SocketAddress, result: i64) -> u32 {
    if let Some(sock) = sock_of(current.task, descriptor) {
        sent(current, sock, address, if result > 0 { 0 } else { result });
    }
    0
}

/// Records a datagram, the first of this process to this destination.
#[inline(always)]
fn sent(current: Current, sock: Address, address: &SocketAddress, result: i64) -> Option<()> {
    let kind: u16 = sock.read(offset!(sock_type))?;
    if CONNECTED_TYPES.contains(&kind) {
        return None;
    }
    let mut key = MaybeUninit::<Sent>::uninit();
    let words: *mut u64 = key.as_mut_ptr().cast();
    // Word by word, since the compiler would make a loop over bytes of it.
    for index in 0..size_of::<Sent>() / size_of::<u64>() {
        // SAFETY: the key is made of that many words.
        unsafe { words.add(index).write_volatile(0) };
    }
    // SAFETY: written a moment ago, and any bytes are a key.
    let key = unsafe { key.assume_init_mut() };
    key.start_ns = start_of(current.task)?;
    key.pid = (current.pid_tgid >> 32) as u32;
    key.protocol = u32::from(sock.read::<u16>(offset!(sock_protocol))?);
    address.write(&mut key.destination)?;
    if SENT.insert(&*key, &0, u64::from(aya_ebpf::bindings::BPF_NOEXIST)).is_err() {
        return None;
    }
    counted(current, &Attempt { sock, address, known: None, result, marks: DATAGRAM });
    Some(())
}
