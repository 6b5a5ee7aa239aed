//! Names, permissions and mounts that are changed: the way out of the system
//! calls, with the caller's names, since by then there is often nothing left
//! that they lead to.

use core::mem::offset_of;

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_types::{
    act::Act,
    file::{
        ChangeLarge, ChangeSmall, DIRECTORY, FROM_DESCRIPTOR, FROM_USER, FileId, MOUNTED, MOVED, SYMBOLIC,
        UNCHANGED, UNMOUNTED,
    },
    span::{COMPONENT_MAX, SHORT_COMPONENT_MAX},
    syscall::Call,
};

use super::{
    change::{Done, write_fixed},
    opened::{file_id, file_of},
    syscall::SystemCall,
    user_path::{AT_FDCWD, Name},
};
use crate::{
    identity::Current,
    kernel::{Address, blank},
    maps::{FILE_RING, setting},
    path::{Path, is_cut, locate, walk},
    ring::{Lost, count, in_two_sizes, reserve},
};

/// `AT_REMOVEDIR`
const REMOVE_DIRECTORY: u64 = 0x200;

/// A change by name.
#[derive(Clone, Copy)]
struct Asked {
    done: Done,
    name: Name,
    /// The object itself where the call had a descriptor; null otherwise.
    file: Address,
    other: Name,
    /// Which of the two is told as it is, not from where it starts.
    text: bool,
    other_text: bool,
}

/// One size of record for a change of one object.
macro_rules! object {
    ($name:ident, $record:ident, $component:expr) => {
        /// `Ok(false)`: a name did not fit, nothing was recorded.
        #[inline(always)]
        fn $name(current: Current, asked: &Asked) -> Result<bool, Lost> {
            let mut record = reserve::<$record>(&FILE_RING)?;
            let all = record.as_mut_ptr();
            // SAFETY: `all` points to the reserved record, and the names are
            // written into the arrays made for them, with those arrays' sizes.
            let (fixed, cut) = unsafe {
                let change = &raw mut (*all).change;
                let (path, base) = (&raw mut (*change).path, &raw mut (*change).base);
                let to: *mut u8 = (&raw mut (*all).path).cast();
                let room = size_of_val(&(*all).path);
                let source = if asked.file.is_null() {
                    asked.name.write_with_base(
                        current,
                        (path, to, room),
                        (base, (&raw mut (*all).base).cast(), size_of_val(&(*all).base)),
                        $component,
                    );
                    FROM_USER
                } else {
                    walk(Path::of_file(asked.file), path, to, room, $component);
                    blank(base);
                    FROM_DESCRIPTOR
                };
                locate(path, offset_of!($record, path));
                locate(base, offset_of!($record, base));
                blank(&raw mut (*change).other);
                blank(&raw mut (*change).other_base);
                let fixed = write_fixed(change, current, &asked.done, source);
                (fixed, is_cut(path) | is_cut(base))
            };
            record.finish_sized::<ChangeLarge>(fixed, cut)
        }
    };
}

object!(object_small, ChangeSmall, SHORT_COMPONENT_MAX);
object!(object_large, ChangeLarge, COMPONENT_MAX);

/// One size of record for a change with two names.
macro_rules! names {
    ($name:ident, $record:ident, $component:expr) => {
        /// `Ok(false)`: a name did not fit, nothing was recorded.
        #[inline(always)]
        fn $name(current: Current, asked: &Asked) -> Result<bool, Lost> {
            let mut record = reserve::<$record>(&FILE_RING)?;
            let all = record.as_mut_ptr();
            // SAFETY: as for one object.
            let (fixed, cut) = unsafe {
                let change = &raw mut (*all).change;
                let (path, base) = (&raw mut (*change).path, &raw mut (*change).base);
                let (other, other_base) = (&raw mut (*change).other, &raw mut (*change).other_base);
                let to: *mut u8 = (&raw mut (*all).path).cast();
                let room = size_of_val(&(*all).path);
                if asked.text {
                    asked.name.write(path, to, room);
                    blank(base);
                } else {
                    asked.name.write_with_base(
                        current,
                        (path, to, room),
                        (base, (&raw mut (*all).base).cast(), size_of_val(&(*all).base)),
                        $component,
                    );
                }
                let to: *mut u8 = (&raw mut (*all).other).cast();
                let room = size_of_val(&(*all).other);
                if asked.other_text {
                    asked.other.write(other, to, room);
                    blank(other_base);
                } else {
                    asked.other.write_with_base(
                        current,
                        (other, to, room),
                        (other_base, (&raw mut (*all).other_base).cast(), size_of_val(&(*all).other_base)),
                        $component,
                    );
                }
                locate(path, offset_of!($record, path));
                locate(base, offset_of!($record, base));
                locate(other, offset_of!($record, other));
                locate(other_base, offset_of!($record, other_base));
                let fixed = write_fixed(change, current, &asked.done, FROM_USER);
                (fixed, is_cut(path) | is_cut(base) | is_cut(other) | is_cut(other_base))
            };
            record.finish_sized::<ChangeLarge>(fixed, cut)
        }
    };
}

names!(names_small, ChangeSmall, SHORT_COMPONENT_MAX);
names!(names_large, ChangeLarge, COMPONENT_MAX);

#[inline(always)]
fn here(path: u64) -> Name {
    Name::user(AT_FDCWD, Address(path))
}

#[inline(always)]
fn there(directory: u64, path: u64) -> Name {
    Name::user(directory as i32, Address(path))
}

/// `trace_sys_exit(struct pt_regs *regs, long ret)`, for changes of one object.
#[btf_tracepoint(function = "sys_exit")]
fn call_object(ctx: BtfTracePointContext) -> i32 {
    let Some(call) = SystemCall::of(&ctx) else { return 0 };
    let Some(current) = Current::get() else { return 0 };
    let Some(mut asked) = one_object(&call) else { return 0 };
    if let Some(descriptor) = by_descriptor(&call)
        && let Some(file) = file_of(current.task, descriptor)
    {
        asked.file = file;
        asked.done.file = file_id(file).unwrap_or(FileId::ZERO);
        if call.result == 0 {
            // What it was before is gone.
            asked.done.file.mode = 0;
        }
    }
    let outcome = current
        .check_policy()
        .and_then(|()| in_two_sizes(|| object_small(current, &asked), || large(current, &asked)));
    count(asked.done.act, &outcome);
    0
}

/// Where the verifier takes both sizes.
#[inline(always)]
fn large(current: Current, asked: &Asked) -> Result<bool, Lost> {
    if setting!(patient) == 1 { object_large(current, asked) } else { Err(Lost::NotCovered) }
}

/// The object's descriptor, in the calls that take one.
#[inline(always)]
fn by_descriptor(call: &SystemCall) -> Option<u32> {
    let known = call.call == Call::Fchmod as u8 || call.call == Call::Fchown as u8;
    known.then_some(call.arguments[0] as u32)
}

#[inline(always)]
fn one_object(call: &SystemCall) -> Option<Asked> {
    let [first, second, third, fourth, ..] = call.arguments;
    let mode = |mode: u64| (mode as u32 & 0o7777, UNCHANGED);
    let owner = |uid: u64, gid: u64| (uid as u32, gid as u32);
    let unset = (UNCHANGED, UNCHANGED);
    let (act, name, flags, (new, other)) = match Call::from_number(call.call)? {
        Call::Unlink => (Act::Unlink, here(first), 0, unset),
        Call::Rmdir => (Act::Unlink, here(first), DIRECTORY, unset),
        Call::UnlinkAt => {
            let flags = if third & REMOVE_DIRECTORY != 0 { DIRECTORY } else { 0 };
            (Act::Unlink, there(first, second), flags, unset)
        }
        Call::Chmod => (Act::Chmod, here(first), 0, mode(second)),
        Call::Fchmod => (Act::Chmod, Name::NONE, 0, mode(second)),
        Call::FchmodAt => (Act::Chmod, there(first, second), 0, mode(third)),
        Call::Chown | Call::Lchown => (Act::Chown, here(first), 0, owner(second, third)),
        Call::Fchown => (Act::Chown, Name::NONE, 0, owner(second, third)),
        Call::FchownAt => (Act::Chown, there(first, second), 0, owner(third, fourth)),
        Call::Umount => (Act::Mount, here(first), second as u32, (UNMOUNTED, UNCHANGED)),
        _ => return None,
    };
    Some(asked(call, act, name, Name::NONE, flags, (new, other)))
}

#[inline(always)]
fn asked(call: &SystemCall, act: Act, name: Name, other: Name, flags: u32, values: (u32, u32)) -> Asked {
    Asked {
        done: Done {
            act,
            file: FileId::ZERO,
            result: call.result as i32,
            flags,
            first: values.0,
            second: values.1,
            filesystem: Address::NULL,
        },
        name,
        file: Address::NULL,
        other,
        text: false,
        other_text: false,
    }
}

/// `trace_sys_exit(struct pt_regs *regs, long ret)`, for changes with two names.
#[btf_tracepoint(function = "sys_exit")]
fn call_names(ctx: BtfTracePointContext) -> i32 {
    let Some(call) = SystemCall::of(&ctx) else { return 0 };
    let Some(current) = Current::get() else { return 0 };
    let Some(asked) = two_names(&call) else { return 0 };
    let outcome = current
        .check_policy()
        .and_then(|()| in_two_sizes(|| names_small(current, &asked), || names_large(current, &asked)));
    count(asked.done.act, &outcome);
    0
}

#[inline(always)]
fn two_names(call: &SystemCall) -> Option<Asked> {
    let [first, second, third, fourth, fifth, _] = call.arguments;
    let unset = (UNCHANGED, UNCHANGED);
    let (act, name, other, flags, values) = match Call::from_number(call.call)? {
        Call::Rename => (Act::Rename, here(first), here(second), 0, unset),
        Call::RenameAt => (Act::Rename, there(first, second), there(third, fourth), 0, unset),
        Call::RenameAt2 => (Act::Rename, there(first, second), there(third, fourth), fifth as u32, unset),
        Call::Link => (Act::Link, here(first), here(second), 0, unset),
        Call::LinkAt => (Act::Link, there(first, second), there(third, fourth), 0, unset),
        Call::Symlink => (Act::Link, here(first), here(second), SYMBOLIC, unset),
        Call::SymlinkAt => (Act::Link, here(first), there(second, third), SYMBOLIC, unset),
        // The place comes first in the record.
        Call::Mount => (Act::Mount, here(second), here(first), fourth as u32, (MOUNTED, UNCHANGED)),
        Call::MoveMount => {
            (Act::Mount, there(third, fourth), there(first, second), fifth as u32, (MOVED, UNCHANGED))
        }
        _ => return None,
    };
    let mut asked = asked(call, act, name, other, flags, values);
    asked.text = act == Act::Link && flags == SYMBOLIC;
    asked.other_text = call.call == Call::Mount as u8;
    Some(asked)
}
