//! Processes: fork, exec, exit.
//!
//! The scheduler's tracepoints rather than the system calls: they fire once
//! per process whatever call made it (fork, vfork, clone, clone3, the
//! kernel's own), exec's fires after the point of no return with the new image
//! in place, and exit's for every way to die.

use core::mem::offset_of;

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use aya_log_ebpf::warn;
use sensor_types::{
    counters::Hook,
    file::FileId,
    header::Kind,
    process::{ExecFailedLarge, ExecFailedSmall, ExecLarge, ExecSmall, Exit, Fork},
    span::{CUT, Span, UNREADABLE},
};

use super::file::file_id;
use crate::{
    identity::{Current, start_of},
    kernel::{Address, at_most, copy_kernel_str, copy_user, copy_user_str},
    maps::{PROCESS_RING, offset, setting},
    path::{Path, is_cut, locate, walk},
    ring::{Lost, count, reserve},
};

/// `SIGNAL_GROUP_EXIT` of `signal_struct.flags`.
const SIGNAL_GROUP_EXIT: u32 = 4;

/// `trace_sched_process_fork(struct task_struct *parent, struct task_struct *child)`
#[btf_tracepoint(function = "sched_process_fork")]
fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    let child = Address::of(ctx.arg::<*const u8>(1));
    let (Some(pid), Some(tid)) =
        (child.read::<u32>(offset!(task_tgid)), child.read::<u32>(offset!(task_pid)))
    else {
        count(Hook::Fork, &Err(Lost::Unreadable));
        return 0;
    };
    // A thread of a process that is known already.
    if pid == tid
        && let Some(current) = Current::get()
    {
        count(Hook::Fork, &record_fork(current, child, pid));
    }
    0
}

#[inline(always)]
fn record_fork(current: Current, child: Address, child_pid: u32) -> Result<(), Lost> {
    let child_start_ns = start_of(child).ok_or(Lost::Unreadable)?;
    let parent = child.follow(offset!(task_real_parent)).ok_or(Lost::Unreadable)?;
    let parent_start_ns = start_of(parent).ok_or(Lost::Unreadable)?;
    let parent_pid = parent.read(offset!(task_tgid)).ok_or(Lost::Unreadable)?;
    let mut record = reserve::<Fork>(&PROCESS_RING)?;
    let fork = record.as_mut_ptr();
    // SAFETY: `fork` points to the reserved record.
    let header = unsafe {
        (*fork).child_pid = child_pid;
        (*fork).child_start_ns = child_start_ns;
        (*fork).parent_pid = parent_pid;
        (*fork).parent_start_ns = parent_start_ns;
        current.write_header(&raw mut (*fork).header, Kind::Fork)
    };
    match header {
        Ok(()) => {
            record.submit();
            Ok(())
        }
        Err(lost) => {
            record.discard();
            Err(lost)
        }
    }
}

/// `trace_sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
#[btf_tracepoint(function = "sched_process_exec")]
fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    let binprm = Address::of(ctx.arg::<*const u8>(2));
    if let Some(current) = Current::get() {
        let outcome = Image::of(current, binprm).ok_or(Lost::Unreadable).and_then(|image| {
            match record_exec_small(&image) {
                Ok(true) => Ok(()),
                Ok(false) => record_exec_large(&image),
                Err(lost) => Err(lost),
            }
        });
        if matches!(outcome, Err(Lost::Unreadable)) {
            warn!(&ctx, "the new image of a process could not be read");
        }
        count(Hook::Exec, &outcome);
    }
    0
}

/// The new image of a process.
struct Image {
    current: Current,
    binprm: Address,
    file: Address,
    arg_start: Address,
    arg_length: u64,
}

impl Image {
    #[inline(always)]
    fn of(current: Current, binprm: Address) -> Option<Self> {
        let mm = current.task.follow(offset!(task_mm))?;
        let start: u64 = mm.read(offset!(mm_arg_start))?;
        let end: u64 = mm.read(offset!(mm_arg_end))?;
        Some(Self {
            current,
            binprm,
            file: mm.follow(offset!(mm_exe_file))?,
            arg_start: Address(start),
            arg_length: end.wrapping_sub(start),
        })
    }
}

/// One size of exec record: the same work with other room.
macro_rules! record_exec {
    ($name:ident, $record:ident) => {
        /// `Ok(false)`: something did not fit, nothing was recorded.
        #[inline(never)]
        fn $name(image: &Image) -> Result<bool, Lost> {
            let mut record = reserve::<$record>(&PROCESS_RING)?;
            let all = record.as_mut_ptr();
            // SAFETY: `all` points to the reserved record, and each string
            // is written into the array made for it, with that array's size.
            let (header, cut) = unsafe {
                let exec = &raw mut (*all).exec;
                (*exec).result = 0;
                (*exec).reserved = 0;
                (*exec).image = file_id(image.file).unwrap_or(FileId::ZERO);
                let (argv, exe, cwd) = (&raw mut (*exec).argv, &raw mut (*exec).exe, &raw mut (*exec).cwd);
                let (filename, interpreter) = (&raw mut (*exec).filename, &raw mut (*exec).interpreter);
                copy_argv(argv, (&raw mut (*all).argv).cast(), size_of_val(&(*all).argv), image);
                walk(Path::of_file(image.file), exe, (&raw mut (*all).exe).cast(), size_of_val(&(*all).exe));
                walk(
                    Path::of_working_directory(image.current.task),
                    cwd,
                    (&raw mut (*all).cwd).cast(),
                    size_of_val(&(*all).cwd),
                );
                copy_name(
                    image.binprm.follow(offset!(binprm_filename)),
                    filename,
                    (&raw mut (*all).filename).cast(),
                    size_of_val(&(*all).filename),
                );
                copy_name(
                    image.binprm.follow(offset!(binprm_interp)),
                    interpreter,
                    (&raw mut (*all).interpreter).cast(),
                    size_of_val(&(*all).interpreter),
                );
                locate(argv, offset_of!($record, argv));
                locate(exe, offset_of!($record, exe));
                locate(cwd, offset_of!($record, cwd));
                locate(filename, offset_of!($record, filename));
                locate(interpreter, offset_of!($record, interpreter));
                let cut = is_cut(argv) | is_cut(exe) | is_cut(cwd) | is_cut(filename);
                (image.current.write_header(&raw mut (*exec).header, Kind::Exec), cut)
            };
            if header.is_err() || (cut && size_of::<$record>() < size_of::<ExecLarge>()) {
                record.discard();
                return header.map(|()| false);
            }
            record.submit();
            Ok(true)
        }
    };
}

record_exec!(record_exec_small, ExecSmall);
record_exec!(record_exec_large_any, ExecLarge);

#[inline(always)]
fn record_exec_large(image: &Image) -> Result<(), Lost> {
    record_exec_large_any(image).map(|_| ())
}

/// The arguments of an exec that has returned, which is to say failed.
#[derive(Clone, Copy)]
pub struct ExecCall {
    pub result: i64,
    /// The name in the caller's memory.
    pub filename: Address,
}

/// Records a program that could not be started. A start that succeeds is told
/// by `sched_process_exec`.
#[inline(never)]
pub fn exec_failed(call: &ExecCall) -> u32 {
    if call.result < 0
        && let Some(current) = Current::get()
    {
        let outcome = match record_failed_small(current, call) {
            Ok(true) => Ok(()),
            Ok(false) => record_failed_large(current, call).map(|_| ()),
            Err(lost) => Err(lost),
        };
        count(Hook::Exec, &outcome);
    }
    0
}

/// One size of record for a start that failed.
macro_rules! record_failed {
    ($name:ident, $record:ident) => {
        /// `Ok(false)`: the name did not fit, nothing was recorded.
        #[inline(always)]
        fn $name(current: Current, call: &ExecCall) -> Result<bool, Lost> {
            let mut record = reserve::<$record>(&PROCESS_RING)?;
            let all = record.as_mut_ptr();
            // SAFETY: `all` points to the reserved record, and the name is
            // written into the array made for it, with that array's size.
            let (header, cut) = unsafe {
                let exec = &raw mut (*all).exec;
                (*exec).result = call.result as i32;
                (*exec).reserved = 0;
                (*exec).image = FileId::ZERO;
                (*exec).argv = Span::EMPTY;
                (*exec).exe = Span::EMPTY;
                (*exec).cwd = Span::EMPTY;
                (*exec).interpreter = Span::EMPTY;
                let filename = &raw mut (*exec).filename;
                let room = size_of_val(&(*all).filename);
                let copied = copy_user_str((&raw mut (*all).filename).cast(), room as u32, call.filename);
                filename.write(copied_span(copied, room));
                locate(filename, offset_of!($record, filename));
                (current.write_header(&raw mut (*exec).header, Kind::Exec), is_cut(filename))
            };
            if header.is_err() || (cut && size_of::<$record>() < size_of::<ExecFailedLarge>()) {
                record.discard();
                return header.map(|()| false);
            }
            record.submit();
            Ok(true)
        }
    };
}

record_failed!(record_failed_small, ExecFailedSmall);
record_failed!(record_failed_large, ExecFailedLarge);

/// argv is one piece of memory from `arg_start` to `arg_end`. Not a byte more
/// may be asked for: the stack ends soon after, and the helper copies all or
/// nothing.
///
/// # Safety
/// `to` must be valid for `room` bytes, and `span` for writing.
#[inline(always)]
unsafe fn copy_argv(span: *mut Span, to: *mut u8, room: usize, image: &Image) {
    let whole = at_most(image.arg_length, room);
    let length = whole.unwrap_or(room) as u32;
    // SAFETY: `length` is at most `room`.
    let copied = unsafe { copy_user(to, length, image.arg_start) };
    let mut flags = if whole.is_none() { CUT } else { 0 };
    if copied.is_none() {
        flags |= UNREADABLE;
    }
    let length = if copied.is_some() { length } else { 0 };
    // SAFETY: valid as the caller promises.
    unsafe { span.write(Span { offset: 0, length, full_length: image.arg_length as u32, flags }) };
}

/// # Safety
/// `to` must be valid for `room` bytes, and `span` for writing.
#[inline(always)]
unsafe fn copy_name(name: Option<Address>, span: *mut Span, to: *mut u8, room: usize) {
    // SAFETY: as the caller promises.
    let copied = name.and_then(|name| unsafe { copy_kernel_str(to, room as u32, name) });
    // SAFETY: as the caller promises.
    unsafe { span.write(copied_span(copied, room)) };
}

/// The span of a string of which `copied` bytes were written, NUL included: it
/// is written after a cut as well.
#[inline(always)]
pub fn copied_span(copied: Option<u32>, room: usize) -> Span {
    match copied {
        Some(copied) => {
            Span { length: copied - 1, flags: if copied as usize == room { CUT } else { 0 }, ..Span::EMPTY }
        }
        None => Span { flags: UNREADABLE, ..Span::EMPTY },
    }
}

/// `trace_sched_process_exit(struct task_struct *p)`, since 6.16 with a second
/// argument `bool group_dead`.
///
/// Fires for every thread; the process is dead when its last one has gone.
/// Before 6.16 that is read from the count of live threads, which two threads
/// that leave at once may both see at zero: the daemon drops the second.
#[btf_tracepoint(function = "sched_process_exit")]
fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    let Some(signal) = current.task.follow(offset!(task_signal)) else {
        count(Hook::Exit, &Err(Lost::Unreadable));
        return 0;
    };
    let dead = if setting!(exit_says_group_dead) == 1 {
        ctx.arg::<u64>(1) & 0xff != 0
    } else {
        signal.read::<i32>(offset!(signal_live)) == Some(0)
    };
    if dead {
        count(Hook::Exit, &record_exit(current, signal));
    }
    0
}

#[inline(always)]
fn record_exit(current: Current, signal: Address) -> Result<(), Lost> {
    let status = exit_status(current, signal).ok_or(Lost::Unreadable)?;
    let mut record = reserve::<Exit>(&PROCESS_RING)?;
    let exit = record.as_mut_ptr();
    // SAFETY: `exit` points to the reserved record.
    let header = unsafe {
        (*exit).status = status;
        (*exit).reserved = 0;
        current.write_header(&raw mut (*exit).header, Kind::Exit)
    };
    match header {
        Ok(()) => {
            record.submit();
            Ok(())
        }
        Err(lost) => {
            record.discard();
            Err(lost)
        }
    }
}

/// What wait(2) will say: the group's status when the whole group was told to
/// go, else that of the leader.
#[inline(always)]
fn exit_status(current: Current, signal: Address) -> Option<u32> {
    let flags: u32 = signal.read(offset!(signal_flags))?;
    if flags & SIGNAL_GROUP_EXIT != 0 {
        signal.read(offset!(signal_group_exit_code))
    } else {
        current.task.follow(offset!(task_group_leader))?.read(offset!(task_exit_code))
    }
}
