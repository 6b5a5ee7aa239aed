//! From an object to its name: the walk up the tree of directory entries.

use sensor_types::span::{COMPONENT_MAX, CUT, Span, UNREACHABLE, UNREADABLE, WALKED};

use crate::{
    kernel::{Address, Fields as _, Head, copy_kernel_str, hidden, try_copy_kernel_str},
    maps::offset,
    mask::{all_if_equal, all_if_less, all_if_negative, bit, choose},
};

/// Most steps of a walk with room for short names, mounts crossed included.
const FEW_STEPS: u32 = 32;
/// Most steps with room for the longest.
const STEPS: u32 = 64;
/// Most steps of a walk that goes on to the root where there is no more room,
/// for the full length.
const COUNTED_STEPS: u32 = 160;

/// `struct path`.
#[derive(Clone, Copy)]
pub struct Path {
    pub mnt: Address,
    pub dentry: Address,
}

impl Path {
    /// The path of an open file.
    #[inline(always)]
    pub fn of_file(file: Address) -> Option<Self> {
        Some(Self {
            mnt: file.follow(offset!(file_path_mnt))?,
            dentry: file.follow(offset!(file_path_dentry))?,
        })
    }

    /// The same of its first bytes.
    #[inline(always)]
    pub fn of_head(file: &Head) -> Self {
        Self { mnt: file.pointer(offset!(file_path_mnt)), dentry: file.pointer(offset!(file_path_dentry)) }
    }

    /// What a `struct path` in the kernel's memory says.
    #[inline(always)]
    pub fn of_path(path: Address) -> Option<Self> {
        Some(Self { mnt: path.follow(offset!(path_mnt))?, dentry: path.follow(offset!(path_dentry))? })
    }

    /// The working directory of a task.
    #[inline(always)]
    pub fn of_working_directory(task: Address) -> Option<Self> {
        let fs = task.follow(offset!(task_fs))?;
        Some(Self { mnt: fs.follow(offset!(fs_pwd_mnt))?, dentry: fs.follow(offset!(fs_pwd_dentry))? })
    }

    /// Writes the names from the object up to the root of its mount
    /// namespace, crossing mounts, each ended by NUL, and tells the span.
    /// `component` is the most bytes that one name may have with its NUL, and
    /// `room` is that and a power of two, up to which the next name may start; a
    /// walk that comes further, or a longer name, stops and says [`CUT`]. If
    /// `count` asks for the full length and there was room for the longest names,
    /// it goes on to the root and only adds up.
    /// `below` is a name to begin with, of something in the directory that this
    /// is the path of; empty for the directory itself.
    ///
    /// One step is one run of instructions without a branch but that to the end:
    /// the verifier looks at every way through a step, and at every way through
    /// the next for each of those. So what differs between a directory and the
    /// top of a mount is chosen by masks, and where the next name goes is bounded
    /// by a mask as well. For the same reason the offset and the flags live in
    /// the record rather than in registers: the verifier knows nothing of what
    /// it reads back from there, so all ways look the same to it.
    ///
    /// # Safety
    /// `to` must be valid for `room` bytes, and `span` for writing; both in a
    /// ring buffer's record.
    #[inline(always)]
    pub unsafe fn write(
        self,
        span: *mut Span,
        to: *mut u8,
        room: usize,
        component: usize,
        below: Option<Address>,
        count: bool,
    ) {
        let starts = (room - component) as u64;
        // SAFETY: `span` is valid as the caller promises.
        let mut span = unsafe { Record::begin(span, WALKED) };
        if let Some(name) = below {
            // SAFETY: a component fits into the room.
            match unsafe { copy_kernel_str(to, component as u32, name) } {
                Some(copied) if component < COMPONENT_MAX && copied as usize == component => {
                    return span.flag(CUT);
                }
                Some(copied) => {
                    let grown = copied & !all_if_equal(copied.into(), 1) as u32;
                    span.grow(grown);
                    span.count(grown);
                }
                None => return span.flag(UNREADABLE),
            }
        }
        let layout = Layout::get();
        let mut at = Step { mnt: self.mnt.0, dentry: self.dentry.0, root: layout.root_of(self.mnt.0) };
        let mut step = 0;
        let count = count && component == COMPONENT_MAX;
        let steps = if count {
            COUNTED_STEPS
        } else if component == COMPONENT_MAX {
            STEPS
        } else {
            FEW_STEPS
        };
        loop {
            if step == steps {
                span.flag(CUT);
                span.forget_count();
                break;
            }
            step += 1;
            let written = u64::from(span.length()) & (starts - 1);
            let was_cut = if count { span.was_cut() } else { 0 };
            let crossing = all_if_equal(at.dentry, at.root);
            let up = at.up(crossing, &layout);
            // No room, no bytes.
            let most = component as u64 & !was_cut;
            // SAFETY: `written` is below the power of two that `room` has beside
            // a component, and `most` no more than that.
            let copied = unsafe { try_copy_kernel_str(to.add(written as usize), most as u32, up.name) };
            let failed = all_if_negative(copied) & !crossing;
            let grown = copied as u64 & !crossing & !failed;
            span.grow(grown as u32);
            if count {
                span.count(((up.length + 1) & !crossing) as u32);
            }
            // A name that fills its room may have been longer.
            let long = if component < COMPONENT_MAX { all_if_equal(grown, component as u64) } else { 0 };
            let full = all_if_less(starts - 1, u64::from(span.length())) | long;
            let same = all_if_equal(up.parent, at.dentry) & !crossing;
            let top = all_if_equal(up.parent, at.mount(&layout)) & crossing;
            // The last name may just fit.
            let full = full & !top;
            let end = hidden(failed | same | top | if count { 0 } else { full });
            at = up.next(&at, crossing, &layout);
            span.flag(bit(full, CUT));
            if end != 0 {
                span.flag(bit(failed, UNREADABLE) | bit(same, UNREACHABLE));
                break;
            }
        }
    }
}

/// Where a walk is.
struct Step {
    mnt: u64,
    dentry: u64,
    /// The top of the mounted tree.
    root: u64,
}

/// What is above.
struct Up {
    /// The directory above, or at the top of a mount the `struct mount` above.
    parent: u64,
    /// At the top of a mount, the directory it is mounted on.
    mountpoint: u64,
    name: Address,
    /// The name's bytes.
    length: u64,
}

/// Where the fields of a walk are: looked up once, not in every step.
struct Layout {
    /// `d_parent`, and before how many bytes the name's pointer is.
    parent: u64,
    name: u64,
    /// `d_name.len`
    length: u64,
    /// `mnt` in `struct mount`, and `mnt_parent` and `mnt_mountpoint`.
    mnt: u64,
    above: u64,
    mountpoint: u64,
    /// `mnt_root` in `struct vfsmount`.
    root: u64,
}

impl Layout {
    #[inline(always)]
    fn get() -> Self {
        Self {
            parent: offset!(dentry_parent) as u64,
            name: offset!(dentry_name) as u64,
            length: offset!(dentry_name_len) as u64,
            mnt: offset!(mount_mnt) as u64,
            above: offset!(mount_parent) as u64,
            mountpoint: offset!(mount_mountpoint) as u64,
            root: offset!(vfsmount_root) as u64,
        }
    }

    /// Whether one read does for a step: the name's pointer two words behind
    /// `d_parent`, the upper half of the word between them its length, and
    /// `mnt_parent` right before `mnt_mountpoint`.
    #[inline(always)]
    fn is_usual(&self) -> bool {
        self.name == self.parent.wrapping_add(16)
            && self.length == self.parent.wrapping_add(12)
            && self.mountpoint == self.above.wrapping_add(8)
    }

    #[inline(always)]
    fn root_of(&self, mnt: u64) -> u64 {
        Address(mnt.wrapping_add(self.root)).word()
    }
}

impl Step {
    /// `container_of(mnt, struct mount, mnt)`
    #[inline(always)]
    fn mount(&self, layout: &Layout) -> u64 {
        self.mnt.wrapping_sub(layout.mnt)
    }

    /// Reads what is above.
    #[inline(always)]
    fn up(&self, crossing: u64, layout: &Layout) -> Up {
        let mount = self.mount(layout);
        if layout.is_usual() {
            let from =
                choose(crossing, mount.wrapping_add(layout.above), self.dentry.wrapping_add(layout.parent));
            let [parent, second, name] = Address(from).words();
            return Up { parent, mountpoint: second, name: Address(name), length: second >> 32 };
        }
        let parent =
            choose(crossing, mount.wrapping_add(layout.above), self.dentry.wrapping_add(layout.parent));
        Up {
            parent: Address(parent).word(),
            mountpoint: Address(mount.wrapping_add(layout.mountpoint)).word(),
            name: Address(Address(self.dentry.wrapping_add(layout.name)).word()),
            length: Address(self.dentry.wrapping_add(layout.length)).word() & 0xffff_ffff,
        }
    }
}

impl Up {
    #[inline(always)]
    fn next(&self, at: &Step, crossing: u64, layout: &Layout) -> Step {
        let mnt = choose(crossing, self.parent.wrapping_add(layout.mnt), at.mnt);
        Step { mnt, dentry: choose(crossing, self.mountpoint, self.parent), root: layout.root_of(mnt) }
    }
}

/// A span in a record, written and read back through memory.
struct Record(*mut Span);

impl Record {
    /// Begins an empty span.
    ///
    /// # Safety
    /// `span` must stay valid for as long as this lives.
    #[inline(always)]
    unsafe fn begin(span: *mut Span, flags: u32) -> Self {
        // SAFETY: valid as the caller promises.
        unsafe { span.write_volatile(Span { offset: 0, length: 0, full_length: 0, flags }) };
        Self(span)
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: valid since `begin`.
        unsafe { (&raw const (*self.0).length).read_volatile() }
    }

    #[inline(always)]
    fn flags(&self) -> u32 {
        // SAFETY: valid since `begin`.
        unsafe { (&raw const (*self.0).flags).read_volatile() }
    }

    /// All bits if it is cut, else none.
    #[inline(always)]
    fn was_cut(&self) -> u64 {
        all_if_negative(i64::from(self.flags()) << (63 - CUT.trailing_zeros()))
    }

    #[inline(always)]
    fn grow(&mut self, by: u32) {
        // SAFETY: valid since `begin`.
        unsafe { (&raw mut (*self.0).length).write_volatile(self.length() + by) };
    }

    #[inline(always)]
    fn count(&mut self, by: u32) {
        // SAFETY: valid since `begin`.
        unsafe {
            let full = &raw mut (*self.0).full_length;
            full.write_volatile(full.read_volatile().wrapping_add(by));
        }
    }

    #[inline(always)]
    fn forget_count(&mut self) {
        // SAFETY: valid since `begin`.
        unsafe { (&raw mut (*self.0).full_length).write_volatile(0) };
    }

    #[inline(always)]
    fn flag(&mut self, flag: u32) {
        // SAFETY: valid since `begin`.
        unsafe {
            let flags = &raw mut (*self.0).flags;
            flags.write_volatile(flags.read_volatile() | flag);
        }
    }
}

/// Walks a path that may not be there.
///
/// # Safety
/// As for [`Path::write`].
#[inline(always)]
pub unsafe fn walk(path: Option<Path>, span: *mut Span, to: *mut u8, room: usize, component: usize) {
    match path {
        // SAFETY: as the caller promises.
        Some(path) => unsafe { path.write(span, to, room, component, None, true) },
        // SAFETY: as the caller promises.
        None => unsafe { span.write(Span { flags: UNREADABLE, ..Span::EMPTY }) },
    }
}

/// The same for the directory that a name starts from, without its full length:
/// two paths leave the stack no room for that.
///
/// # Safety
/// As for [`Path::write`].
#[inline(always)]
pub unsafe fn walk_base(path: Option<Path>, span: *mut Span, to: *mut u8, room: usize, component: usize) {
    match path {
        // SAFETY: as the caller promises.
        Some(path) => unsafe { path.write(span, to, room, component, None, false) },
        // SAFETY: as the caller promises.
        None => unsafe { span.write(Span { flags: UNREADABLE, ..Span::EMPTY }) },
    }
}

/// How many bytes of a string are in the record.
///
/// # Safety
/// `span` must be valid for reading.
#[inline(always)]
pub unsafe fn written(span: *const Span) -> u64 {
    // SAFETY: valid as the caller promises; volatile for the same reason as in
    // `Path::write`.
    u64::from(unsafe { (&raw const (*span).length).read_volatile() })
}

/// Whether a string in the record has to be written again with more room.
///
/// # Safety
/// `span` must be valid for reading.
#[inline(always)]
pub unsafe fn is_cut(span: *const Span) -> bool {
    // SAFETY: valid as the caller promises; volatile for the same reason as in
    // `Path::write`.
    unsafe { (&raw const (*span).flags).read_volatile() & CUT != 0 }
}

/// Says where in the record the bytes of a span lie.
///
/// # Safety
/// `span` must be valid for writing.
#[inline(always)]
pub unsafe fn locate(span: *mut Span, offset: usize) {
    // SAFETY: valid as the caller promises.
    unsafe { (*span).offset = offset as u32 };
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
