//! Every map, and every value the daemon sets before load.

use core::mem::offset_of;

use aya_ebpf::{
    EbpfContext as _,
    bindings::BPF_F_NO_PREALLOC,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, ProgramArray, RingBuf},
    programs::FExitContext,
};
use sensor_types::{
    act::Act,
    counters::Counters,
    file::{COUNTED_RULES, FileId, FoldKey, Folded, LeftOutFile, LeftOutProcess, OpenRecord, UNCHANGED},
    network::Destination,
    policy::{Form, Offsets, Settings},
    process::ExecSmall,
    session::{Program, Session},
    span::COMPONENT_MAX,
    syscall::{CALLS as CALL_COUNT, Jump},
};

use crate::kernel::{Address, HeadWords};

/// Process, credential and network records: a flood of opens cannot push them
/// out. The daemon sets the size before load.
#[map]
pub static PROCESS_RING: RingBuf = RingBuf::with_byte_size(2 * 1024 * 1024, 0);

/// File records. The daemon sets the size before load.
#[map]
pub static FILE_RING: RingBuf = RingBuf::with_byte_size(8 * 1024 * 1024, 0);

/// Where the programs of opens write a record, each at a [`Place`] of its own.
#[map]
pub static OPENING: PerCpuArray<Opening> = PerCpuArray::with_max_entries(Place::Interpreter as u32 + 1, 0);

/// Where the program of starts writes an ordinary record.
#[map]
pub static STARTING: PerCpuArray<ExecSmall> = PerCpuArray::with_max_entries(1, 0);

/// Entry of [`OPENING`]; begins as a `Folded`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Opening {
    pub count: u64,
    pub last_ns: u64,
    pub record: OpenRecord,
    pub key: FoldKey,
    pub file: LeftOutFile,
    pub process: LeftOutProcess,
    /// For `struct file`, then for its inode.
    pub head: HeadWords,
}

// What makes an `Opening` a `Folded` to begin with.
const _: () = assert!(offset_of!(Opening, count) == offset_of!(Folded, count));
const _: () = assert!(offset_of!(Opening, last_ns) == offset_of!(Folded, last_ns));
const _: () = assert!(offset_of!(Opening, record) == offset_of!(Folded, open));
const _: () = assert!(offset_of!(OpenRecord, text) == offset_of!(Folded, text) - offset_of!(Folded, open));
const _: () = assert!(size_of::<Opening>() >= size_of::<Folded>());

/// A place in [`OPENING`]. One for each program: on a preemptible kernel one may
/// run while another waits on the same processor; the kernel lets no program run
/// while it waits itself.
#[derive(Clone, Copy)]
pub enum Place {
    /// All that run on the way out of system calls: they are one program to the
    /// kernel.
    WayOut,
    ByName,
    ByHandle,
    Truncate,
    Receive,
    Mapping,
    Interpreter,
}

/// In which of the two maps repetitions are counted: `FIRST_MAP`, `SECOND_MAP`, or
/// neither.
#[map]
pub static FOLD_TURN: Array<u32> = Array::with_max_entries(1, 0);

/// Opens that are counted together, see `hook::fold`.
#[map]
pub static FOLDED: HashMap<FoldKey, Folded> = HashMap::with_max_entries(FOLDED_MAX, BPF_F_NO_PREALLOC);
/// The other one.
#[map]
pub static FOLDED_TOO: HashMap<FoldKey, Folded> = HashMap::with_max_entries(FOLDED_MAX, BPF_F_NO_PREALLOC);

const FOLDED_MAX: u32 = 8192;

/// Opens that the policy leaves out, see `hook::left_out`; the value is the element
/// of [`LEFT_OUT_BY`] that counts them. Filled by the daemon.
#[map]
pub static LEFT_OUT_FILES: LruHashMap<LeftOutFile, u32> = LruHashMap::with_max_entries(16 * 1024, 0);

/// Processes whose opens it leaves out, as [`LEFT_OUT_FILES`].
#[map]
pub static LEFT_OUT_PROCESSES: LruHashMap<LeftOutProcess, u32> = LruHashMap::with_max_entries(4096, 0);

/// The number of the policy of which there are entries in [`LEFT_OUT_FILES`], and of
/// that in [`LEFT_OUT_PROCESSES`]; 0 where there are none.
#[map]
pub static LEFT_OUT_NOW: Array<u32> = Array::with_max_entries(2, 0);

/// How many opens each rule left out here, for two policies.
#[map]
pub static LEFT_OUT_BY: PerCpuArray<u64> = PerCpuArray::with_max_entries(2 * COUNTED_RULES, 0);

/// The daemon's process id: its doings are never recorded. 0 while there is none, which
/// the programs see to when it dies: the number may be another's then.
#[map]
pub static OWN: Array<u32> = Array::with_max_entries(1, 0);

/// Whether this is the daemon's process id.
#[inline(always)]
pub fn is_own(pid: u32) -> bool {
    OWN.get(0).is_some_and(|own| *own == pid)
}

/// Notes that the daemon is dead.
#[inline(always)]
pub fn forget_own() {
    if let Some(own) = OWN.get_ptr_mut(0) {
        // SAFETY: the pointer is to the map's only element; an aligned word is written whole.
        unsafe { own.write(0) };
    }
}

/// How many names and mounts have changed: what was walked before may be called
/// something else now.
#[map]
pub static RENAMES: Array<u64> = Array::with_max_entries(1, 0);

/// Indexed by [`Act`].
#[map]
pub static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(Act::ALL.len() as u32, 0);

/// The programs that the one on the way out of system calls goes on to,
/// indexed by [`Jump`]. What is not there is not recorded.
#[map]
pub static JUMPS: ProgramArray = ProgramArray::with_max_entries(Jump::ALL.len() as u32, 0);

/// The login session of each thread, by thread id: inherited when a thread is
/// made, so that it outlives a rewritten login uid. Not preallocated: most
/// machines have a few hundred threads in sessions.
#[map]
pub static SESSIONS: HashMap<u32, Session> = HashMap::with_max_entries(256 * 1024, BPF_F_NO_PREALLOC);

/// Programs that begin sessions. Filled by the daemon, which knows their paths.
#[map]
pub static LOGIN_PROGRAMS: HashMap<Program, u32> = HashMap::with_max_entries(256, 0);

/// The ids of the sensor's own kernel objects: the kind (`system::PROGRAM`, `MAP`,
/// `LINK`) in the upper half. Filled by the daemon.
#[map]
pub static OURS: HashMap<u64, u32> = HashMap::with_max_entries(512, 0);

/// The change of a name that a thread is about to make: what the security hook
/// was told, until the outcome is known.
#[map]
pub static CHANGING: LruHashMap<u64, Changing> = LruHashMap::with_max_entries(4096, 0);

/// Entry of [`CHANGING`].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Changing {
    /// The directory entry that is changed, to tell this change from those a
    /// file system makes below it.
    pub dentry: u64,
    /// A mount's type of file system; null for anything else.
    pub filesystem: u64,
    /// See `Change` for these.
    pub first: u32,
    pub second: u32,
    pub file: FileId,
    /// An [`Act`].
    pub act: u32,
    pub flags: u32,
    pub path: Named,
    pub other: Named,
}

/// One name of a change.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Named {
    /// A string that is all there is: a symbolic link's text, a mount's device.
    /// Null for anything else.
    pub text: u64,
    /// Mount and directory; null without a name.
    pub mnt: u64,
    pub directory: u64,
    /// The entry in that directory, ended by NUL; empty where the directory
    /// itself is meant.
    pub entry: [u8; COMPONENT_MAX],
}

impl Changing {
    pub const NONE: Self = Self {
        dentry: 0,
        filesystem: 0,
        first: UNCHANGED,
        second: UNCHANGED,
        file: FileId::ZERO,
        act: 0,
        flags: 0,
        path: Named::NONE,
        other: Named::NONE,
    };
}

impl Named {
    const NONE: Self = Self { text: 0, mnt: 0, directory: 0, entry: [0; COMPONENT_MAX] };
}

/// An entry to begin with: it is too large for a program's stack.
pub static NO_CHANGE: Changing = Changing::NONE;

/// The login uid that a thread had before the write that is under way.
#[map]
pub static SETTING_LOGINUID: LruHashMap<u64, OldLogin> = LruHashMap::with_max_entries(1024, 0);

/// Entry of [`SETTING_LOGINUID`].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct OldLogin {
    pub loginuid: u32,
    pub sessionid: u32,
}

/// Where processes have sent datagrams without connecting: the first one to
/// each place is recorded.
#[map]
pub static SENT: LruHashMap<Sent, u8> = LruHashMap::with_max_entries(16 * 1024, 0);

/// Key of [`SENT`].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Sent {
    pub start_ns: u64,
    pub pid: u32,
    pub protocol: u32,
    pub destination: Destination,
}

/// Threads whose connect was asked of io_uring and has not begun yet.
#[map]
pub static URING_CONNECTS: LruHashMap<u64, u8> = LruHashMap::with_max_entries(1024, 0);

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
pub static SETTINGS: Settings = Settings::NONE;

/// What each system call is, by its number: for the 64-bit table in the lower
/// half and for the 32-bit one in the upper, each a
/// [`Call`](sensor_types::syscall::Call) with the [`Jump`] above it; 0 for what
/// is not looked at. The daemon leaves out what it does not want or what another
/// hook tells.
#[unsafe(no_mangle)]
pub static CALLS: [u32; CALL_COUNT] = [0; CALL_COUNT];

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

/// The [`Form`] of a function, as constants.
macro_rules! form {
    ($function:ident) => {
        sensor_types::policy::Form {
            parameters: $crate::maps::set_before_load(&$crate::maps::SETTINGS.forms.$function.parameters),
            dentry: $crate::maps::set_before_load(&$crate::maps::SETTINGS.forms.$function.dentry),
        }
    };
}
pub(crate) use form;

/// Whether an act is recorded at all.
#[inline(always)]
pub fn wanted(act: Act) -> bool {
    setting!(acts) & act.bit() != 0
}

/// Argument `number` of a function's context as a plain number: the context is
/// read as the memory it is. Directly it may only be read at constant offsets,
/// and pointers read from it are no numbers to the verifier.
#[inline(always)]
pub fn argument(ctx: &FExitContext, number: u32) -> u64 {
    Address::of(ctx.as_ptr().cast_const()).add(number as usize * size_of::<u64>()).word()
}

/// The result of a function whose number of parameters differs.
#[inline(always)]
pub fn result_of(ctx: &FExitContext, form: Form) -> u64 {
    argument(ctx, form.parameters)
}
