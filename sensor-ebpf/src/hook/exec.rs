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
    process::{ExecFailedLarge, ExecFailedSmall, ExecLarge, ExecSmall},
    span::{COMPONENT_MAX, CUT, Span, UNREADABLE},
    syscall::Call,
};

use super::{opened::file_id, syscall::SystemCall};
use crate::{
    identity::Current,
    kernel::{Address, at_most, blank, copy_kernel_str, copy_user, copy_user_str, put},
    maps::{PROCESS_RING, argument, offset},
    path::{Path, copied_span, is_cut, locate, walk},
    ring::{Lost, count, in_two_sizes, reserve},
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
                let (argv, exe, cwd) = (&raw mut (*exec).argv, &raw mut (*exec).exe, &raw mut (*exec).cwd);
                let (filename, interpreter) = (&raw mut (*exec).filename, &raw mut (*exec).interpreter);
                walk(
                    Path::of_file(image.file),
                    exe,
                    (&raw mut (*all).exe).cast(),
                    size_of_val(&(*all).exe),
                    COMPONENT_MAX,
                );
                walk(
                    Path::of_working_directory(image.current.task),
                    cwd,
                    (&raw mut (*all).cwd).cast(),
                    size_of_val(&(*all).cwd),
                    COMPONENT_MAX,
                );
                // After the walks: each way out of these would be one more way
                // into those for the verifier.
                put(&raw mut (*exec).image, file_id(image.file));
                let environment = &raw mut (*exec).environment;
                copy_memory(
                    argv,
                    (&raw mut (*all).argv).cast(),
                    size_of_val(&(*all).argv),
                    image.arg_start,
                    image.arg_length,
                );
                copy_memory(
                    environment,
                    (&raw mut (*all).environment).cast(),
                    size_of_val(&(*all).environment),
                    image.env_start,
                    image.env_length,
                );
                locate(environment, offset_of!($record, environment));
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
                let cut = is_cut(argv) | is_cut(exe) | is_cut(cwd) | is_cut(filename) | is_cut(environment);
                (image.current.write_header(&raw mut (*exec).header, Act::Exec), cut)
            };
            record.finish_sized::<ExecLarge>(header, cut)
        }
    };
}

record_exec!(record_exec_small, ExecSmall);
record_exec!(record_exec_large, ExecLarge);

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
