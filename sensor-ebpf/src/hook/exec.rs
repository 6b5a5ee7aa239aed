//! Programs: started, or failed to start.
//!
//! `sched_process_exec` rather than the way out of execve: it fires after the
//! point of no return with the new image in place, for every call that can
//! start a program. A start that fails never gets there; it is told from the
//! way out of the call.

use core::mem::offset_of;

use aya_ebpf::{
    bindings::pt_regs,
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext},
};
use aya_log_ebpf::warn;
use sensor_types::{
    act::Act,
    process::{ExecFailedLarge, ExecFailedSmall, ExecLarge, ExecRooms, ExecSmall},
    span::{COMPONENT_MAX, CUT, Span, UNREADABLE},
    syscall::Call,
};

use super::{opened::file_id, syscall::SystemCall};
use crate::{
    identity::Current,
    kernel::{Address, at_most, blank, copy_kernel_str, copy_user, copy_user_str, put},
    maps::{PROCESS_RING, STARTING, argument, offset},
    path::{Path, copied_span, is_cut, locate, walk, written},
    ring::{Lost, count, in_two_sizes, output, reserve},
};

/// `trace_sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
#[btf_tracepoint(function = "sched_process_exec")]
fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    let binprm = Address::of(ctx.arg::<*const u8>(2));
    if let Some(current) = Current::get() {
        let outcome = Image::of(current, binprm)
            .ok_or(Lost::Unreadable)
            .and_then(|image| in_two_sizes(|| record_exec_small(&image), || record_exec_large(&image)));
        if matches!(outcome, Err(Lost::Unreadable)) {
            warn!(&ctx, "the new image of a process could not be read");
        }
        count(Act::Exec, &outcome);
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
    env_start: Address,
    env_length: u64,
}

impl Image {
    #[inline(always)]
    fn of(current: Current, binprm: Address) -> Option<Self> {
        let mm = current.task.follow(offset!(task_mm))?;
        let start: u64 = mm.read(offset!(mm_arg_start))?;
        let end: u64 = mm.read(offset!(mm_arg_end))?;
        let env_start: u64 = mm.read(offset!(mm_env_start))?;
        let env_end: u64 = mm.read(offset!(mm_env_end))?;
        Some(Self {
            current,
            binprm,
            file: mm.follow(offset!(mm_exe_file))?,
            arg_start: Address(start),
            arg_length: end.wrapping_sub(start),
            env_start: Address(env_start),
            env_length: env_end.wrapping_sub(env_start),
        })
    }
}

/// Writes a record, and tells the number of bytes of text, and whether something
/// was cut. `$behind` says where a string begins that may begin at most there, when
/// so much is written.
macro_rules! write_exec {
    ($all:ident, $image:ident, $rooms:expr, $behind:expr) => {{
        const ROOMS: ExecRooms = $rooms;
        let exec = &raw mut (*$all).exec;
        let text: *mut u8 = (&raw mut (*$all).text).cast();
        (*exec).result = 0;
        (*exec).reserved = 0;
        let (argv, exe, cwd) = (&raw mut (*exec).argv, &raw mut (*exec).exe, &raw mut (*exec).cwd);
        let (filename, interpreter) = (&raw mut (*exec).filename, &raw mut (*exec).interpreter);
        let environment = &raw mut (*exec).environment;
        walk(Path::of_file($image.file), exe, text, ROOMS.exe, COMPONENT_MAX);
        locate(exe, TEXT);
        let mut most = ROOMS.exe;
        let mut at = $behind(written(exe), most)?;
        let directory = Path::of_working_directory($image.current.task);
        walk(directory, cwd, text.add(at), ROOMS.cwd, COMPONENT_MAX);
        locate(cwd, TEXT + at);
        most += ROOMS.cwd;
        at = $behind((at as u64).wrapping_add(written(cwd)), most)?;
        // After the walks: each way out of these would be one more way into those
        // for the verifier.
        put(&raw mut (*exec).image, file_id($image.file));
        copy_name($image.binprm.follow(offset!(binprm_filename)), filename, text.add(at), ROOMS.filename);
        locate(filename, TEXT + at);
        most += ROOMS.filename;
        at = $behind((at as u64).wrapping_add(written(filename)), most)?;
        let interp = $image.binprm.follow(offset!(binprm_interp));
        copy_name(interp, interpreter, text.add(at), ROOMS.interpreter);
        locate(interpreter, TEXT + at);
        most += ROOMS.interpreter;
        at = $behind((at as u64).wrapping_add(written(interpreter)), most)?;
        copy_memory(argv, text.add(at), ROOMS.argv, $image.arg_start, $image.arg_length);
        locate(argv, TEXT + at);
        most += ROOMS.argv;
        at = $behind((at as u64).wrapping_add(written(argv)), most)?;
        copy_memory(environment, text.add(at), ROOMS.environment, $image.env_start, $image.env_length);
        locate(environment, TEXT + at);
        let cut = is_cut(argv) | is_cut(exe) | is_cut(cwd) | is_cut(filename) | is_cut(environment);
        ((at as u64).wrapping_add(written(environment)), cut)
    }};
}

/// Where a record's text begins.
const TEXT: usize = offset_of!(ExecSmall, text);
const _: () = assert!(TEXT == offset_of!(ExecLarge, text));

/// `Ok(false)`: something did not fit, nothing was recorded.
#[inline(never)]
fn record_exec_small(image: &Image) -> Result<bool, Lost> {
    let all = STARTING.get_ptr_mut(0).ok_or(Lost::Unreadable)?;
    let behind = |written, most| at_most(written, most).ok_or(Lost::Unreadable);
    // SAFETY: `all` points to the program's own record, in whose text each string has
    // its room behind those before, at most as long as theirs.
    unsafe {
        let (length, cut) = write_exec!(all, image, ExecRooms::SMALL, behind);
        if cut {
            return Ok(false);
        }
        image.current.write_header(&raw mut (*all).exec.header, Act::Exec)?;
        let size = (TEXT as u64).wrapping_add(length);
        output(&PROCESS_RING, all.cast_const().cast(), size, size_of::<ExecSmall>()).map(|()| true)
    }
}

/// As above; it is always recorded.
#[inline(never)]
fn record_exec_large(image: &Image) -> Result<bool, Lost> {
    let mut record = reserve::<ExecLarge>(&PROCESS_RING)?;
    let all = record.as_mut_ptr();
    let written = record_exec_at(all, image);
    record.finish(written).map(|()| true)
}

#[inline(always)]
fn record_exec_at(all: *mut ExecLarge, image: &Image) -> Result<(), Lost> {
    let behind = |_: u64, most: usize| Ok::<_, Lost>(most);
    // SAFETY: `all` points to the reserved record, in whose text each string has its
    // own place.
    unsafe {
        write_exec!(all, image, ExecRooms::LARGE, behind);
        image.current.write_header(&raw mut (*all).exec.header, Act::Exec)
    }
}

/// The arguments of an exec that has failed.
#[derive(Clone, Copy)]
struct ExecCall {
    result: i64,
    /// The name in the caller's memory.
    filename: Address,
}

/// Records a program that could not be started. A start that succeeds is told
/// by `sched_process_exec`.
#[inline(always)]
fn exec_failed(call: &ExecCall) {
    if call.result < 0
        && let Some(current) = Current::get()
    {
        let outcome =
            in_two_sizes(|| record_failed_small(current, call), || record_failed_large(current, call));
        count(Act::Exec, &outcome);
    }
}

/// A trampoline at the return of one of the calls that start a program.
macro_rules! failed_call {
    ($(#[$doc:meta])+ $name:ident, $register:ident) => {
        $(#[$doc])+
        ///
        /// The call itself rather than what it calls: the name may not be
        /// found, the arguments be too long or the image of no known form, and
        /// those fail in different places.
        #[fexit]
        fn $name(ctx: FExitContext) -> i32 {
            // As memory: 5.10 does not know the structure of every wrapper's
            // argument.
            let regs = Address(argument(&ctx, 0));
            let filename = Address(regs.add(offset_of!(pt_regs, $register)).word());
            exec_failed(&ExecCall { result: argument(&ctx, 1) as i64, filename });
            0
        }
    };
}

failed_call! {
    /// `long __x64_sys_execve(const struct pt_regs *regs)`
    execve_failed, rdi
}
failed_call! {
    /// `long __x64_sys_execveat(const struct pt_regs *regs)`
    execveat_failed, rsi
}
failed_call! {
    /// `long __ia32_compat_sys_execve(const struct pt_regs *regs)`
    compat_execve_failed, rbx
}
failed_call! {
    /// `long __ia32_compat_sys_execveat(const struct pt_regs *regs)`
    compat_execveat_failed, rcx
}

/// `trace_sys_exit(struct pt_regs *regs, long ret)`, for execve and execveat.
#[btf_tracepoint(function = "sys_exit")]
fn call_exec(ctx: BtfTracePointContext) -> i32 {
    let Some(call) = SystemCall::of(&ctx) else { return 0 };
    let [first, second, ..] = call.arguments;
    let filename = Address(if call.call == Call::ExecveAt as u8 { second } else { first });
    exec_failed(&ExecCall { result: call.result, filename });
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
                blank(&raw mut (*exec).image);
                blank(&raw mut (*exec).argv);
                blank(&raw mut (*exec).exe);
                blank(&raw mut (*exec).cwd);
                blank(&raw mut (*exec).interpreter);
                blank(&raw mut (*exec).environment);
                let filename = &raw mut (*exec).filename;
                let room = size_of_val(&(*all).filename);
                let copied = copy_user_str((&raw mut (*all).filename).cast(), room as u32, call.filename);
                filename.write(copied_span(copied, room));
                locate(filename, offset_of!($record, filename));
                // What a failed one notices is left to the next act, which tells
                // whether it was to start a program.
                (current.write_quiet_header(&raw mut (*exec).header, Act::Exec), is_cut(filename))
            };
            record.finish_sized::<ExecFailedLarge>(header, cut)
        }
    };
}

record_failed!(record_failed_small, ExecFailedSmall);
record_failed!(record_failed_large, ExecFailedLarge);

/// argv is one piece of memory from `arg_start` to `arg_end`, and so is the
/// environment after it. Not a byte more may be asked for: the stack ends soon
/// after, and the helper copies all or nothing.
///
/// # Safety
/// `to` must be valid for `room` bytes, and `span` for writing.
#[inline(always)]
unsafe fn copy_memory(span: *mut Span, to: *mut u8, room: usize, from: Address, bytes: u64) {
    let whole = at_most(bytes, room);
    let length = whole.unwrap_or(room) as u32;
    // SAFETY: `length` is at most `room`.
    let copied = unsafe { copy_user(to, length, from) };
    let mut flags = if whole.is_none() { CUT } else { 0 };
    if copied.is_none() {
        flags |= UNREADABLE;
    }
    let length = if copied.is_some() { length } else { 0 };
    // SAFETY: valid as the caller promises.
    unsafe { span.write(Span { offset: 0, length, full_length: bytes as u32, flags }) };
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
