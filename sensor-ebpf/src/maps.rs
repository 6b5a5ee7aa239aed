//! Every map, and every value the daemon sets before load.

use aya_ebpf::{
    macros::map,
    maps::{LruHashMap, PerCpuArray, RingBuf},
};
use sensor_types::{
    counters::{Counters, Hook},
    policy::{Offsets, Settings},
};

/// Process, credential and network records: a flood of opens cannot push them
/// out. The daemon sets the size before load.
#[map]
pub static PROCESS_RING: RingBuf = RingBuf::with_byte_size(4 * 1024 * 1024, 0);

/// File records. The daemon sets the size before load.
#[map]
pub static FILE_RING: RingBuf = RingBuf::with_byte_size(8 * 1024 * 1024, 0);

/// Indexed by [`Hook`].
#[map]
pub static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(Hook::ALL.len() as u32, 0);

/// What a connect under way has set out for, by thread: a refused TCP socket
/// has forgotten its port when the call returns.
#[map]
pub static CONNECTING: LruHashMap<u64, Connecting> = LruHashMap::with_max_entries(8192, 0);

/// Entry of [`CONNECTING`].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Connecting {
    /// Address of the `struct sock`, to tell this connect from a later one.
    pub sock: u64,
    pub peer: InetPeer,
}

/// An internet address and port.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct InetPeer {
    /// IPv4 in the first four bytes, or IPv6.
    pub address: [u32; 4],
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// In host byte order.
    pub port: u16,
    /// Zero.
    pub reserved: u32,
}

/// See [`offset!`].
#[unsafe(no_mangle)]
pub static OFFSETS: Offsets = Offsets::NONE;

/// See [`setting!`].
#[unsafe(no_mangle)]
pub static SETTINGS: Settings =
    Settings { own_pid: 0, record_all: 0, exit_says_group_dead: 0, opens: 0, connects: 0 };

/// A value as the daemon set it before load; a constant to the verifier.
#[inline(always)]
pub fn set_before_load(value: &'static u32) -> u32 {
    // SAFETY: a reference is valid for reading. The read is volatile because
    // the compiler would otherwise use the value it was compiled with.
    unsafe { core::ptr::read_volatile(value) }
}

/// The byte offset of a field of [`Offsets`].
macro_rules! offset {
    ($field:ident) => {
        $crate::maps::set_before_load(&$crate::maps::OFFSETS.$field) as usize
    };
}
pub(crate) use offset;

/// A field of [`Settings`].
macro_rules! setting {
    ($field:ident) => {
        $crate::maps::set_before_load(&$crate::maps::SETTINGS.$field)
    };
}
pub(crate) use setting;
