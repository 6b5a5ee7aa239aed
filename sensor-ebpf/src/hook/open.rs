//! Files: opened, received from elsewhere, mapped as code.

use aya_ebpf::{
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext},
};
use sensor_types::{
    act::Act,
    file::{FROM_DESCRIPTOR, FROM_KERNEL, IO_URING},
    syscall::Call,
};

use super::{
    io_uring::is_worker,
    opened::{Opened, TRUNCATE_FLAGS, counted, counted_success, file_of, recorded, succeeded, truncated},
    syscall::SystemCall,
    user_path::{AT_FDCWD, Name},
};
use crate::{
    identity::Current,
    kernel::{Address, with_task},
    maps::{Place, argument, form, offset, result_of, setting},
    path::Path,
    ring::{Lost, count},
};

/// `O_WRONLY | O_CREAT | O_TRUNC`, which is what creat(2) means.
const CREAT_FLAGS: u32 = 0o1101;

/// `__FMODE_EXEC`, in the flags of an open that execve makes.
const FOR_EXEC: u32 = 0x20;

/// `PROT_EXEC`
const EXECUTABLE: u64 = 4;
/// `MAP_ANONYMOUS`
const ANONYMOUS: u64 = 0x20;

/// `TMPFS_MAGIC` and `RAMFS_MAGIC` of linux/magic.h.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];
/// `S_IWGRP | S_IWOTH`
const WRITABLE_BY_OTHERS: u16 = 0o022;

// Trampolines.

/// `struct file *do_filp_open(int dfd, struct filename *pathname, const struct open_flags *op)`,
/// since 7.1 `do_file_open`.
///
/// Every open by name comes through here, whichever system call or io_uring
/// asked for it, and so do refusals; at its return the file is the one the
/// caller will get, and the name is the kernel's copy. `security_file_open`
/// would miss refusals, O_PATH and what fails later.
#[fexit]
fn open_by_name(ctx: FExitContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    let flags = Address(ctx.arg::<u64>(2)).read(offset!(open_flags_flag)).unwrap_or(0);
    // The exec hooks tell of those.
    if flags & FOR_EXEC != 0 {
        return 0;
    }
    let name = Address(ctx.arg::<u64>(1)).pointer(offset!(filename_name));
    counted(
        current,
        &from_kernel(
            Place::ByName,
            argument(&ctx, 3) as i64,
            Name::kernel(ctx.arg::<u64>(0) as i32, name),
            flags,
        ),
    );
    0
}

/// `struct file *do_file_open_root(const struct path *root, const char *name, const struct open_flags *op)`,
/// before 5.14 `(struct dentry *, struct vfsmount *, const char *, const struct open_flags *)`.
///
/// Opens by handle (open_by_handle_at) come this way, without a name.
#[fexit]
fn open_by_handle(ctx: FExitContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    let result = result_of(&ctx, form!(do_file_open_root)) as i64;
    counted(current, &from_kernel(Place::ByHandle, result, Name::NONE, 0));
    0
}

/// The kernel's result of an open: a pointer or an error number in its place.
#[inline(always)]
fn from_kernel(place: Place, result: i64, name: Name, flags: u32) -> Opened {
    const MAX_ERRNO: i64 = 4095;
    let failed = result < 0 && result >= -MAX_ERRNO;
    Opened {
        act: Act::Open,
        place,
        result: if failed { result } else { 0 },
        file: Address(if failed { 0 } else { result as u64 }),
        name,
        flags,
        source: FROM_KERNEL,
        marks: if is_worker() { IO_URING } else { 0 },
    }
}

/// `long vfs_truncate(const struct path *path, loff_t length)`
///
/// The only way of truncate(2), with the object it resolved to. There is no
/// open file, and the name is walked from the path.
#[fexit]
fn truncate(ctx: FExitContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    let path = Path::of_path(Address(ctx.arg(0)));
    let opened = Opened {
        result: i64::from(ctx.arg::<i64>(2) as i32),
        flags: TRUNCATE_FLAGS,
        ..given(Act::Open, Place::Truncate, Address::NULL, FROM_KERNEL)
    };
    let outcome = current.check_policy().and_then(|()| truncated(current, path, &opened));
    count(Act::Open, &outcome);
    0
}

/// `int security_file_receive(struct file *file)`
///
/// The kernel asks here for every descriptor that comes from another process:
/// SCM_RIGHTS, pidfd_getfd, seccomp's notifier.
#[fexit]
fn file_receive(ctx: FExitContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    let result = i64::from(ctx.arg::<u64>(1) as i32);
    if result == 0 {
        counted_success(current, &given(Act::FileReceive, Place::Receive, Address(ctx.arg(0)), FROM_KERNEL));
    }
    0
}

/// `int security_mmap_file(struct file *file, unsigned long prot, unsigned long flags)`
#[fexit]
fn exec_mapping(ctx: FExitContext) -> i32 {
    let file = Address(ctx.arg(0));
    if ctx.arg::<u64>(1) & EXECUTABLE == 0 || file.is_null() || ctx.arg::<u64>(3) as i32 != 0 {
        return 0;
    }
    let Some(current) = Current::get() else { return 0 };
    mapped(current, Place::Mapping, file, FROM_KERNEL);
    0
}

/// `int security_bprm_check(struct linux_binprm *bprm)`
///
/// Asked for each file on the way to a program: first for the one that was
/// asked for, then for the interpreter it names, and so on. Each that is no
/// ELF image is a level of the chain.
#[fexit]
fn interpreter(ctx: FExitContext) -> i32 {
    const ELF: u32 = u32::from_le_bytes(*b"\x7fELF");
    let Some(current) = Current::get() else { return 0 };
    let binprm = Address(ctx.arg(0));
    if binprm.read::<u32>(offset!(binprm_buf)) == Some(ELF) {
        return 0;
    }
    let Some(file) = binprm.follow(offset!(binprm_file)) else { return 0 };
    count(
        Act::Interpreter,
        &succeeded(current, &given(Act::Interpreter, Place::Interpreter, file, FROM_KERNEL)),
    );
    0
}

/// A file that a process was given.
#[inline(always)]
fn given(act: Act, place: Place, file: Address, source: u32) -> Opened {
    Opened { act, place, result: 0, file, name: Name::NONE, flags: 0, source, marks: 0 }
}

/// Records a mapping of code, if the file is an odd one.
#[inline(always)]
fn mapped(current: Current, place: Place, file: Address, source: u32) {
    if is_own_image(current, file) || is_odd(current, file) != Some(true) {
        return;
    }
    counted_success(current, &given(Act::ExecMapping, place, file, source));
}

/// The program's own image is in its exec event.
#[inline(always)]
fn is_own_image(current: Current, file: Address) -> bool {
    let Some(mm) = current.task.follow(offset!(task_mm)) else { return false };
    let Some(image) = mm.follow(offset!(mm_exe_file)) else { return false };
    image.pointer(offset!(file_inode)) == file.pointer(offset!(file_inode))
}

/// Whether somebody else than root can have put this code there: the file or
/// its directory is somebody else's or writable by others, it has no name, or
/// it lies in memory (and not on a root file system that does).
#[inline(always)]
fn is_odd(current: Current, file: Address) -> Option<bool> {
    let inode = file.follow(offset!(file_inode))?;
    let sb = inode.follow(offset!(inode_sb))?;
    let directory =
        Path::of_file(file)?.dentry.follow(offset!(dentry_parent))?.pointer(offset!(dentry_inode));
    let root = current.task.follow(offset!(task_fs))?.follow(offset!(fs_root_mnt))?;
    let magic: u64 = sb.read(offset!(super_block_magic))?;
    let unnamed = inode.read::<u32>(offset!(inode_nlink))? == 0;
    let in_memory = IN_MEMORY.contains(&magic) && root.pointer(offset!(vfsmount_sb)) != sb;
    Some(unnamed || in_memory || is_others(inode)? || (!directory.is_null() && is_others(directory)?))
}

#[inline(always)]
fn is_others(inode: Address) -> Option<bool> {
    let (owner, mode): (u32, u16) = (inode.read(offset!(inode_uid))?, inode.read(offset!(inode_mode))?);
    Some(owner != 0 || mode & WRITABLE_BY_OTHERS != 0)
}

// The way out of system calls.

/// `trace_sys_exit(struct pt_regs *regs, long ret)`, for opens.
#[btf_tracepoint(function = "sys_exit")]
fn call_open(ctx: BtfTracePointContext) -> i32 {
    let Some(call) = SystemCall::of(&ctx) else { return 0 };
    let Some(current) = Current::get() else { return 0 };
    let outcome = current.check_policy().and_then(|()| {
        let (name, flags) = asked(&call);
        let mut opened = Opened {
            act: Act::Open,
            place: Place::WayOut,
            result: call.result,
            file: Address::NULL,
            name,
            flags,
            source: FROM_DESCRIPTOR,
            marks: 0,
        };
        // A truncate gives no descriptor to look behind.
        if call.result >= 0 && call.call != Call::Truncate as u8 {
            let number = call.result as u32;
            let file = with_task!(setting!(typed) == 1, current.task, |task| file_of(task, number));
            opened.file = file.ok_or(Lost::Unreadable)?;
        }
        recorded(current, &opened)
    });
    count(Act::Open, &outcome);
    0
}

/// Name and flags of an open, whichever call it was.
#[inline(always)]
fn asked(call: &SystemCall) -> (Name, u32) {
    let [first, second, third, ..] = call.arguments;
    let here = |path| Name::user(AT_FDCWD, Address(path));
    let there = |path| Name::user(first as i32, Address(path));
    match Call::from_number(call.call) {
        Some(Call::Open) => (here(first), second as u32),
        Some(Call::Creat) => (here(first), CREAT_FLAGS),
        Some(Call::Truncate) => (here(first), TRUNCATE_FLAGS),
        Some(Call::OpenAt) => (there(second), third as u32),
        // `struct open_how` begins with its 64-bit flags.
        Some(Call::OpenAt2) => (there(second), Address(third).read_user::<u64>().unwrap_or(0) as u32),
        _ => (Name::NONE, third as u32),
    }
}

/// `trace_sys_exit(struct pt_regs *regs, long ret)`, for mmap.
#[btf_tracepoint(function = "sys_exit")]
fn call_mapping(ctx: BtfTracePointContext) -> i32 {
    let Some(call) = SystemCall::of(&ctx) else { return 0 };
    let [_, _, protection, flags, descriptor, _] = call.arguments;
    if protection & EXECUTABLE == 0 || flags & ANONYMOUS != 0 || (call.result < 0 && call.result > -4096) {
        return 0;
    }
    let Some(current) = Current::get() else { return 0 };
    if let Some(file) = file_of(current.task, descriptor as u32) {
        mapped(current, Place::WayOut, file, FROM_DESCRIPTOR);
    }
    0
}

/// `trace_sys_exit(struct pt_regs *regs, long ret)`, for pidfd_getfd and recvmsg.
#[btf_tracepoint(function = "sys_exit")]
fn call_receive(ctx: BtfTracePointContext) -> i32 {
    let Some(call) = SystemCall::of(&ctx) else { return 0 };
    if call.result < 0 {
        return 0;
    }
    let Some(current) = Current::get() else { return 0 };
    if call.call == Call::RecvMsg as u8 {
        received_over_socket(current, &call);
    } else {
        received(current, call.result as u32);
    }
    0
}

#[inline(never)]
fn received(current: Current, descriptor: u32) -> u32 {
    if let Some(file) = file_of(current.task, descriptor) {
        counted_success(current, &given(Act::FileReceive, Place::WayOut, file, FROM_DESCRIPTOR));
    }
    0
}

/// Most descriptors looked at in one message.
const RECEIVED_MAX: u64 = 4;

/// The descriptors in the first control message, as `struct msghdr` and
/// `struct cmsghdr` say; 64-bit callers only.
#[inline(always)]
fn received_over_socket(current: Current, call: &SystemCall) -> Option<()> {
    const SOL_SOCKET_SCM_RIGHTS: u64 = 1 | 1 << 32;
    const HEADER: u64 = 16;
    if call.compat {
        return None;
    }
    let message = Address(call.arguments[1]);
    if message.add(40).read_user::<u64>()? <= HEADER {
        return None;
    }
    let control = Address(message.add(32).read_user::<u64>()?);
    let length = control.read_user::<u64>()?;
    if control.add(8).read_user::<u64>()? != SOL_SOCKET_SCM_RIGHTS {
        return None;
    }
    let number = length.wrapping_sub(HEADER) / 4;
    let mut index = 0;
    while index < RECEIVED_MAX {
        if index >= number {
            break;
        }
        let descriptor: u32 = control.add((HEADER + index * 4) as usize).read_user()?;
        received(current, descriptor);
        index += 1;
    }
    Some(())
}
