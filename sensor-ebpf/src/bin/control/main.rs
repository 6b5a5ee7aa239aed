//! The control: a plain listener on the entry of system calls, of the kind
//! many sensors are. It reads what the caller passes, when it passes it, and
//! nothing else. The tests of ways around a sensor run it beside the real one,
//! to show that each way is one.

#![no_std]
#![no_main]

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        generated::{
            bpf_ktime_get_boot_ns, bpf_probe_read_kernel, bpf_probe_read_user, bpf_probe_read_user_str,
        },
    },
    macros::{map, raw_tracepoint},
    maps::{PerCpuArray, RingBuf},
    programs::RawTracePointContext,
};

#[path = "../../program.rs"]
mod program;
mod record;

use record::{Record, TEXT_LEN};

#[map]
static RECORDS: RingBuf = RingBuf::with_byte_size(32 * 1024 * 1024, 0);

/// How many records found no room.
#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Where `struct pt_regs` of x86-64 has the first three arguments of a call.
const ARGUMENTS: [usize; 3] = [112, 104, 96];

/// What a call has to say.
enum Said {
    /// The address of a string.
    Path(u64),
    /// Address and length of a socket address.
    Socket(u64, u64),
}

/// `void sys_enter(struct pt_regs *regs, long id)`
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn sys_enter(context: RawTracePointContext) -> i32 {
    let arguments: *const [u64; 2] = context.as_ptr().cast();
    // SAFETY: the tracepoint has two arguments.
    let [registers, number] = unsafe { *arguments };
    let argument = |index: usize| read(registers + ARGUMENTS[index] as u64);
    let said = match number {
        // open, execve, creat
        2 | 59 | 85 => Said::Path(argument(0)),
        // openat, execveat, openat2
        257 | 322 | 437 => Said::Path(argument(1)),
        // connect
        42 => Said::Socket(argument(1), argument(2)),
        _ => return 0,
    };
    tell(number as u32, said);
    0
}

/// A register of the call; 0 when it cannot be read.
#[inline(always)]
fn read(address: u64) -> u64 {
    let mut value = 0_u64;
    // SAFETY: `value` has eight bytes, and the helper checks the address.
    unsafe { bpf_probe_read_kernel((&raw mut value).cast(), 8, address as *const _) };
    value
}

#[inline(always)]
fn tell(syscall: u32, said: Said) {
    let Some(mut entry) = RECORDS.reserve::<Record>(0) else {
        if let Some(lost) = LOST.get_ptr_mut(0) {
            // SAFETY: each processor has its own.
            unsafe { *lost += 1 };
        }
        return;
    };
    let pid_tgid = bpf_get_current_pid_tgid();
    let record = entry.as_mut_ptr();
    // SAFETY: the entry is a whole record, and it is ours until it is
    // submitted; the helpers check the caller's addresses and write no more
    // than the text has room for.
    unsafe {
        (*record).time = bpf_ktime_get_boot_ns();
        (*record).pid = (pid_tgid >> 32) as u32;
        (*record).tid = pid_tgid as u32;
        (*record).uid = bpf_get_current_uid_gid() as u32;
        (*record).syscall = syscall;
        let text = (&raw mut (*record).text).cast();
        (*record).length = match said {
            Said::Path(from) => {
                let with_nul = bpf_probe_read_user_str(text, TEXT_LEN as u32, from as *const _);
                if with_nul > 0 { with_nul as i64 - 1 } else { with_nul as i64 }
            }
            Said::Socket(from, length) => {
                let length = if length > 128 { 128 } else { length };
                let result = bpf_probe_read_user(text, length as u32, from as *const _);
                if result == 0 { length as i64 } else { result as i64 }
            }
        };
    }
    entry.submit(0);
}
