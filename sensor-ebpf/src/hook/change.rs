//! Names, permissions and mounts that are changed: the trampolines.
//!
//! Names are changed in two steps. The security hook has the mount and the
//! directories, so a whole path, but not the outcome; the function of the file
//! system layer that does the work has the outcome, but no mount. The first
//! notes what is about to be done by this thread, the second records it.

use core::mem::offset_of;

use aya_ebpf::{macros::fexit, programs::FExitContext};
use sensor_types::{
    act::Act,
    file::{Change, ChangeLarge, ChangeSmall, DIRECTORY, FROM_KERNEL, FileId, SYMBOLIC},
    span::{COMPONENT_MAX, SHORT_COMPONENT_MAX, Span, UNREADABLE},
};

use crate::{
    identity::Current,
    kernel::{Address, blank, copy_kernel_str},
    maps::{CHANGING, Changing, FILE_RING, NO_CHANGE, Named, argument, form, offset, result_of},
    path::{Path, copied_span, is_cut, locate},
    ring::{Lost, count, in_two_sizes, renamed, reserve},
};

/// What is recorded beside the names.
#[derive(Clone, Copy)]
pub struct Done {
    pub act: Act,
    pub file: FileId,
    pub result: i32,
    pub flags: u32,
    pub first: u32,
    pub second: u32,
    /// A mount's type of file system; null for anything else.
    pub filesystem: Address,
}

/// Writes the fixed part but for the names.
///
/// # Safety
/// `change` must be valid for writing.
#[inline(always)]
pub unsafe fn write_fixed(
    change: *mut Change,
    current: Current,
    done: &Done,
    source: u32,
) -> Result<(), Lost> {
    // SAFETY: valid as the caller promises.
    unsafe {
        (*change).file = done.file;
        (*change).result = done.result;
        (*change).flags = done.flags;
        (*change).first = done.first;
        (*change).second = done.second;
        (*change).source = source;
        (*change).reserved = 0;
        blank(&raw mut (*change).filesystem);
        if !done.filesystem.is_null() {
            copy_kernel_str((&raw mut (*change).filesystem).cast(), 16, done.filesystem);
        }
        current.write_quiet_header(&raw mut (*change).header, done.act)
    }
}

/// Writes one name, from the map's entry: what kind it is must not be known to
/// the verifier before, or it looks at the whole record once for each. `absent`
/// are the flags of a name that is not there.
///
/// # Safety
/// `to` must be valid for `room` bytes, and `span` for writing.
#[inline(always)]
unsafe fn write_name(
    named: &Named,
    absent: u32,
    span: *mut Span,
    to: *mut u8,
    room: usize,
    component: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        if named.text != 0 {
            span.write(copied_span(copy_kernel_str(to, room as u32, Address(named.text)), room));
        } else if named.mnt != 0 {
            let path = Path { mnt: Address(named.mnt), dentry: Address(named.directory) };
            let entry = Address::of(named.entry.as_ptr());
            path.write(span, to, room, component, Some(entry), true);
        } else {
            span.write(Span { flags: absent, ..Span::EMPTY });
        }
    }
}

/// One size of record.
macro_rules! changed {
    ($name:ident, $record:ident, $component:expr) => {
        /// `Ok(false)`: a name did not fit, nothing was recorded.
        #[inline(always)]
        fn $name(current: Current, act: Act, changing: &Changing, result: i32) -> Result<bool, Lost> {
            let mut record = reserve::<$record>(&FILE_RING)?;
            let all = record.as_mut_ptr();
            // SAFETY: `all` points to the reserved record, and the names are
            // written into the arrays made for them, with those arrays' sizes.
            let (fixed, cut) = unsafe {
                let change = &raw mut (*all).change;
                let (path, other) = (&raw mut (*change).path, &raw mut (*change).other);
                let room = size_of_val(&(*all).path);
                write_name(&changing.path, UNREADABLE, path, (&raw mut (*all).path).cast(), room, $component);
                let room = size_of_val(&(*all).other);
                write_name(&changing.other, 0, other, (&raw mut (*all).other).cast(), room, $component);
                locate(path, offset_of!($record, path));
                locate(other, offset_of!($record, other));
                blank(&raw mut (*change).base);
                blank(&raw mut (*change).other_base);
                let done = Done {
                    act,
                    file: changing.file,
                    result,
                    flags: changing.flags,
                    first: changing.first,
                    second: changing.second,
                    filesystem: Address(changing.filesystem),
                };
                (write_fixed(change, current, &done, FROM_KERNEL), is_cut(path) | is_cut(other))
            };
            record.finish_sized::<ChangeLarge>(fixed, cut)
        }
    };
}

changed!(changed_small, ChangeSmall, SHORT_COMPONENT_MAX);
changed!(changed_large, ChangeLarge, COMPONENT_MAX);

/// An error number in the place of an outcome.
#[inline(always)]
pub fn int(word: u64) -> i32 {
    word as i32
}

// One object, through the same entry: a program's stack has no room for both.

/// Begins to note an act on an object that a path leads to.
#[inline(always)]
pub fn whole(current: Current, act: Act, path: Option<Path>) -> Option<&'static mut Changing> {
    if let Err(lost) = current.check_policy() {
        count(act, &Err(lost));
        return None;
    }
    CHANGING.insert(&current.pid_tgid, &NO_CHANGE, 0).ok()?;
    let changing = CHANGING.get_ptr_mut(&current.pid_tgid)?;
    // SAFETY: the entry is this thread's own, and lives as long as the map.
    let changing = unsafe { &mut *changing };
    if let Some(path) = path {
        (changing.path.mnt, changing.path.directory) = (path.mnt.0, path.dentry.0);
    }
    Some(changing)
}

/// Records what was noted of it.
#[inline(always)]
pub fn record_whole(current: Current, act: Act, changing: &Changing, result: i32) {
    record_intended(current, act, changing, result);
    let _ = CHANGING.remove(&current.pid_tgid);
}

/// Notes which file a directory entry is, field by field: another copy of it
/// would not fit on the stack.
#[inline(always)]
pub fn note_file(file: &mut FileId, dentry: Address) {
    let Some(inode) = dentry.follow(offset!(dentry_inode)) else { return };
    file.inode = Address(inode.0.wrapping_add(offset!(inode_ino) as u64)).word();
    file.mode = u32::from(inode.read::<u16>(offset!(inode_mode)).unwrap_or(0));
    file.links = inode.read(offset!(inode_nlink)).unwrap_or(0);
    let sb = inode.pointer(offset!(inode_sb));
    file.device = sb.read(offset!(super_block_dev)).unwrap_or(0);
}

// Names: what is about to be done.

/// One entry of a directory that is about to change.
#[derive(Clone, Copy)]
struct Entry {
    mnt: Address,
    directory: Address,
    name: Address,
}

impl Entry {
    /// An entry below a directory's `struct path`.
    #[inline(always)]
    fn below(directory: Address, dentry: Address) -> Self {
        Self {
            mnt: directory.pointer(offset!(path_mnt)),
            directory: directory.pointer(offset!(path_dentry)),
            name: dentry.pointer(offset!(dentry_name)),
        }
    }

    /// An entry where it stands.
    #[inline(always)]
    fn at(mnt: Address, dentry: Address) -> Self {
        Self {
            mnt,
            directory: dentry.pointer(offset!(dentry_parent)),
            name: dentry.pointer(offset!(dentry_name)),
        }
    }

    #[inline(always)]
    fn note(&self, named: &mut Named) {
        (named.mnt, named.directory) = (self.mnt.0, self.directory.0);
        // SAFETY: the array has that many bytes.
        unsafe { copy_kernel_str(named.entry.as_mut_ptr(), COMPONENT_MAX as u32, self.name) };
    }
}

/// What is about to be done.
struct Intent {
    act: Act,
    flags: u32,
    dentry: Address,
    first: Option<Entry>,
    second: Option<Entry>,
    text: Address,
}

/// Notes it for the function that does the work. What a security module refuses
/// gets no further, and is counted: to record it here as well would take more
/// stack than a program has.
#[inline(always)]
fn intend(intent: &Intent, result: i32) -> Option<()> {
    let current = Current::get()?;
    let key = current.pid_tgid;
    if let Err(lost) = current.check_policy() {
        count(intent.act, &Err(lost));
        return None;
    }
    if result != 0 {
        count(intent.act, &Err(Lost::NotCovered));
        return None;
    }
    CHANGING.insert(&key, &NO_CHANGE, 0).ok()?;
    let changing = CHANGING.get_ptr_mut(&key)?;
    // SAFETY: the entry is this thread's own, and lives as long as the map.
    let changing = unsafe { &mut *changing };
    changing.dentry = intent.dentry.0;
    changing.act = intent.act as u32;
    changing.flags = intent.flags;
    changing.path.text = intent.text.0;
    note_file(&mut changing.file, intent.dentry);
    if let Some(entry) = intent.first {
        entry.note(&mut changing.path);
    }
    if let Some(entry) = intent.second {
        entry.note(&mut changing.other);
    }
    Some(())
}

/// Records what was noted, now that its outcome is known. `dentry` tells it
/// from what a file system does below it under the same thread.
#[inline(always)]
fn finished(act: Act, dentry: Address, result: i32) {
    let Some(current) = Current::get() else { return };
    let key = current.pid_tgid;
    let Some(changing) = CHANGING.get_ptr_mut(&key) else { return };
    // SAFETY: as in `intend`.
    let changing = unsafe { &*changing };
    if changing.act != act as u32 || changing.dentry != dentry.0 {
        return;
    }
    record_intended(current, act, changing, result);
    let _ = CHANGING.remove(&key);
}

#[inline(always)]
fn record_intended(current: Current, act: Act, changing: &Changing, result: i32) {
    let outcome = in_two_sizes(
        || changed_small(current, act, changing, result),
        || changed_large(current, act, changing, result),
    );
    count(act, &outcome);
}

/// `int security_path_unlink(const struct path *dir, struct dentry *dentry)`
#[fexit]
fn intend_unlink(ctx: FExitContext) -> i32 {
    let dentry = Address(ctx.arg(1));
    let first = Some(Entry::below(Address(ctx.arg(0)), dentry));
    let intent = Intent { act: Act::Unlink, flags: 0, dentry, first, second: None, text: Address::NULL };
    intend(&intent, int(ctx.arg(2)));
    0
}

/// `int security_path_rmdir(const struct path *dir, struct dentry *dentry)`
#[fexit]
fn intend_rmdir(ctx: FExitContext) -> i32 {
    let dentry = Address(ctx.arg(1));
    let first = Some(Entry::below(Address(ctx.arg(0)), dentry));
    let intent =
        Intent { act: Act::Unlink, flags: DIRECTORY, dentry, first, second: None, text: Address::NULL };
    intend(&intent, int(ctx.arg(2)));
    0
}

/// `int security_path_rename(const struct path *old_dir, struct dentry *old_dentry, const struct path *new_dir, struct dentry *new_dentry, unsigned int flags)`
#[fexit]
fn intend_rename(ctx: FExitContext) -> i32 {
    let dentry = Address(ctx.arg(1));
    let first = Some(Entry::below(Address(ctx.arg(0)), dentry));
    let second = Some(Entry::below(Address(ctx.arg(2)), Address(ctx.arg(3))));
    let flags = ctx.arg::<u64>(4) as u32;
    // What is opened before it has happened is of a time of its own.
    renamed();
    let intent = Intent { act: Act::Rename, flags, dentry, first, second, text: Address::NULL };
    intend(&intent, int(ctx.arg(5)));
    0
}

/// `int security_path_link(struct dentry *old_dentry, const struct path *new_dir, struct dentry *new_dentry)`
///
/// Both names are in one mount.
#[fexit]
fn intend_link(ctx: FExitContext) -> i32 {
    let dentry = Address(ctx.arg(0));
    let directory = Address(ctx.arg(1));
    let first = Some(Entry::at(directory.pointer(offset!(path_mnt)), dentry));
    let second = Some(Entry::below(directory, Address(ctx.arg(2))));
    let intent = Intent { act: Act::Link, flags: 0, dentry, first, second, text: Address::NULL };
    intend(&intent, int(ctx.arg(3)));
    0
}

/// `int security_path_symlink(const struct path *dir, struct dentry *dentry, const char *old_name)`
#[fexit]
fn intend_symlink(ctx: FExitContext) -> i32 {
    let dentry = Address(ctx.arg(1));
    let second = Some(Entry::below(Address(ctx.arg(0)), dentry));
    let text = Address(ctx.arg(2));
    let intent = Intent { act: Act::Link, flags: SYMBOLIC, dentry, first: None, second, text };
    intend(&intent, int(ctx.arg(3)));
    0
}

/// The function that does what was intended.
macro_rules! finish {
    ($(#[$doc:meta])+ $name:ident, $function:ident, $act:ident) => {
        $(#[$doc])+
        #[fexit]
        fn $name(ctx: FExitContext) -> i32 {
            let form = form!($function);
            let dentry = Address(argument(&ctx, form.dentry));
            finished(Act::$act, dentry, int(result_of(&ctx, form)));
            0
        }
    };
}

finish! {
    /// `int vfs_unlink([idmap,] struct inode *dir, struct dentry *dentry, …)`
    finish_unlink, vfs_unlink, Unlink
}
finish! {
    /// `int vfs_rmdir([idmap,] struct inode *dir, struct dentry *dentry, …)`
    finish_rmdir, vfs_rmdir, Unlink
}
finish! {
    /// `int vfs_link(struct dentry *old_dentry, [idmap,] struct inode *dir, struct dentry *new_dentry, …)`
    finish_link, vfs_link, Link
}
finish! {
    /// `int vfs_symlink([idmap,] struct inode *dir, struct dentry *dentry, const char *oldname, …)`
    finish_symlink, vfs_symlink, Link
}

/// `int vfs_rename(struct renamedata *rd)`, before 5.12 `(struct inode *old_dir,
/// struct dentry *old_dentry, …)`
#[fexit]
fn finish_rename(ctx: FExitContext) -> i32 {
    let form = form!(vfs_rename);
    let dentry = if form.parameters == 1 {
        Address(ctx.arg(0)).pointer(offset!(renamedata_old_dentry))
    } else {
        Address(argument(&ctx, form.dentry))
    };
    finished(Act::Rename, dentry, int(result_of(&ctx, form)));
    0
}
