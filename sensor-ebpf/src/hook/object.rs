//! Permissions, owners and mounts that are changed: the trampolines.

use aya_ebpf::{
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use sensor_types::{
    act::Act,
    file::{MOUNTED, MOVED, UNCHANGED, UNMOUNTED},
};

use super::change::{int, note_file, record_whole, whole};
use crate::{
    identity::Current,
    kernel::Address,
    maps::{CHANGING, argument, offset},
    path::Path,
};

/// `int chmod_common(const struct path *path, umode_t mode)`
///
/// Every chmod comes through here with the path it resolved to. What was before
/// is noted on the way in.
#[fentry]
fn begin_chmod(ctx: FEntryContext) -> i32 {
    begin(Act::Chmod, Address(ctx.arg(0)), u32::from(ctx.arg::<u64>(1) as u16 & 0o7777), UNCHANGED);
    0
}

/// See [`begin_chmod`].
#[fexit]
fn chmod(ctx: FExitContext) -> i32 {
    end(Act::Chmod, int(ctx.arg(2)));
    0
}

/// `int chown_common(const struct path *path, uid_t user, gid_t group)`
///
/// Every chown, as [`begin_chmod`].
#[fentry]
fn begin_chown(ctx: FEntryContext) -> i32 {
    begin(Act::Chown, Address(ctx.arg(0)), ctx.arg::<u64>(1) as u32, ctx.arg::<u64>(2) as u32);
    0
}

/// See [`begin_chown`].
#[fexit]
fn chown(ctx: FExitContext) -> i32 {
    end(Act::Chown, int(ctx.arg(3)));
    0
}

/// Notes an object before it is changed.
#[inline(always)]
fn begin(act: Act, path: Address, first: u32, second: u32) -> Option<()> {
    let current = Current::get()?;
    let path = Path::of_path(path);
    let changing = whole(current, act, path)?;
    (changing.first, changing.second) = (first, second);
    note_file(&mut changing.file, Address(changing.path.directory));
    changing.act = act as u32;
    Some(())
}

/// Records it when it has been.
#[inline(always)]
fn end(act: Act, result: i32) -> Option<()> {
    let current = Current::get()?;
    let changing = CHANGING.get_ptr_mut(&current.pid_tgid)?;
    // SAFETY: the entry is this thread's own, and lives as long as the map.
    let changing = unsafe { &*changing };
    if changing.act == act as u32 {
        record_whole(current, act, changing, result);
    }
    Some(())
}

/// `int path_mount(const char *dev_name, struct path *path, const char *type_page, unsigned long flags, void *data_page)`
#[fexit]
fn mount(ctx: FExitContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    let path = Path::of_path(Address(argument(&ctx, 1)));
    let Some(changing) = whole(current, Act::Mount, path) else { return 0 };
    (changing.first, changing.flags) = (MOUNTED, ctx.arg::<u64>(3) as u32);
    changing.filesystem = argument(&ctx, 2);
    changing.other.text = argument(&ctx, 0);
    record_whole(current, Act::Mount, changing, int(ctx.arg(5)));
    0
}

/// `int security_move_mount(const struct path *from_path, const struct path *to_path)`
///
/// What the newer calls for mounting come to.
#[fexit]
fn move_mount(ctx: FExitContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    let path = Path::of_path(Address(argument(&ctx, 1)));
    let Some(changing) = whole(current, Act::Mount, path) else { return 0 };
    changing.first = MOVED;
    let from = Address(argument(&ctx, 0));
    changing.other.mnt = from.pointer(offset!(path_mnt)).0;
    changing.other.directory = from.pointer(offset!(path_dentry)).0;
    record_whole(current, Act::Mount, changing, int(ctx.arg(2)));
    0
}

/// `int security_sb_umount(struct vfsmount *mnt, int flags)`
///
/// Asked while the mount is still in the tree.
#[fexit]
fn unmount(ctx: FExitContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    let mnt = Address(argument(&ctx, 0));
    let path = mnt.follow(offset!(vfsmount_root)).map(|dentry| Path { mnt, dentry });
    let Some(changing) = whole(current, Act::Mount, path) else { return 0 };
    (changing.first, changing.flags) = (UNMOUNTED, ctx.arg::<u64>(1) as u32);
    record_whole(current, Act::Mount, changing, int(ctx.arg(2)));
    0
}
