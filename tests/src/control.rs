//! What a plain listener on the entry of system calls sees: the control that
//! the sensor is compared with.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    ptr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use aya::{
    Ebpf, include_bytes_aligned,
    maps::{MapData, PerCpuArray, RingBuf},
    programs::RawTracePoint,
};

#[path = "../../sensor-ebpf/src/bin/control/record.rs"]
mod record;

use record::{Record, TEXT_LEN};

static OBJECT: &[u8] = include_bytes_aligned!(env!("CONTROL_EBPF_OBJECT"));

/// One system call as the control saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Nanoseconds since boot.
    pub time: u64,
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Real user id.
    pub uid: u32,
    /// Number of the system call.
    pub syscall: u32,
    /// The path, or `address:port`; `None` when the caller's memory could not
    /// be read.
    pub text: Option<String>,
}

/// The control, attached until it is dropped.
pub struct Control {
    ring: Arc<Mutex<Ring>>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    lost: PerCpuArray<MapData, u64>,
    _ebpf: Ebpf,
}

struct Ring {
    ring: RingBuf<MapData>,
    seen: Vec<Seen>,
}

impl Control {
    /// Loads and attaches it; returns when it sees everything.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn start() -> Self {
        let mut ebpf = Ebpf::load(OBJECT).expect("the kernel takes the control");
        let program: &mut RawTracePoint =
            ebpf.program_mut("sys_enter").expect("in the object").try_into().expect("a raw tracepoint");
        program.load().expect("the kernel takes the control");
        program.attach("sys_enter").expect("the tracepoint is there");
        let ring = ebpf.take_map("RECORDS").expect("in the object");
        let ring = RingBuf::try_from(ring).expect("a ring buffer");
        let lost = PerCpuArray::try_from(ebpf.take_map("LOST").expect("in the object")).expect("an array");
        let ring = Arc::new(Mutex::new(Ring { ring, seen: Vec::new() }));
        let stop = Arc::new(AtomicBool::new(false));
        let reader = thread::spawn({
            let (ring, stop) = (Arc::clone(&ring), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    ring.lock().unwrap_or_else(PoisonError::into_inner).read();
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Self { ring, stop, reader: Some(reader), lost, _ebpf: ebpf }
    }

    /// Everything since the last time, up to this moment.
    ///
    /// # Panics
    /// When its reader has panicked.
    #[must_use]
    pub fn take(&self) -> Vec<Seen> {
        let mut ring = self.ring.lock().expect("the reader reads");
        ring.read();
        std::mem::take(&mut ring.seen)
    }

    /// How many calls found no room in its ring since the start.
    ///
    /// # Panics
    /// When the kernel does not say.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.get(&0, 0).expect("the map is there").iter().sum()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Ring {
    fn read(&mut self) {
        while let Some(item) = self.ring.next() {
            assert_eq!(item.len(), size_of::<Record>(), "a record of the control");
            // SAFETY: it has the size of a record, and any bytes are one.
            let record: Record = unsafe { ptr::read_unaligned(item.as_ptr().cast()) };
            self.seen.push(Seen::of(&record));
        }
    }
}

impl Seen {
    fn of(record: &Record) -> Self {
        let length = usize::try_from(record.length).ok().map(|length| length.min(TEXT_LEN));
        let bytes = length.and_then(|length| record.text.get(..length));
        let text = bytes.map(|bytes| match record.syscall {
            // connect
            42 => address(bytes).unwrap_or_default(),
            _ => String::from_utf8_lossy(bytes).into_owned(),
        });
        let Record { time, pid, tid, uid, syscall, .. } = *record;
        Self { time, pid, tid, uid, syscall, text }
    }
}

/// A socket address as it is written.
fn address(bytes: &[u8]) -> Option<String> {
    let family = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
    let port = || Some(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?));
    match i32::from(family) {
        libc::AF_INET => {
            let ip: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            Some(SocketAddr::from((Ipv4Addr::from(ip), port()?)).to_string())
        }
        libc::AF_INET6 => {
            let ip: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            Some(SocketAddr::from((Ipv6Addr::from(ip), port()?)).to_string())
        }
        libc::AF_UNIX => {
            let path = bytes.get(2..)?;
            let path = path.split(|&byte| byte == 0).next().unwrap_or_default();
            Some(String::from_utf8_lossy(path).into_owned())
        }
        family => Some(format!("family {family}")),
    }
}
