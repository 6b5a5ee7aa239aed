//! From an object to its name: the walk up the tree of directory entries.

use sensor_types::span::{COMPONENT_MAX, CUT, Span, UNREACHABLE, UNREADABLE, WALKED};

use crate::{
    kernel::{Address, at_most, copy_kernel_str},
    maps::offset,
};

/// Most steps of a walk, mounts crossed included.
const STEPS: u32 = 64;

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
    /// at most `room`; a walk that reaches within that of the end, or a longer
    /// name, stops and says [`CUT`].
    ///
    /// The lengths of names are not trusted for writing: each copy is bounded
    /// by a constant, and the offset before it by another, which is what the
    /// verifier can follow on every kernel. The offset and the flags live in
    /// the record rather than in registers: the verifier knows nothing of
    /// what it reads back from there, so all ways through one step look the
    /// same to it, and it needs one pass for a step instead of one for every
    /// way that led to it.
    ///
    /// `below` is a name to begin with, of something in the directory that this
    /// is the path of.
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
    ) {
        let last_start = room - component;
        // SAFETY: `span` is valid as the caller promises.
        let mut span = unsafe { Record::begin(span, WALKED) };
        if let Some(name) = below {
            // SAFETY: a component fits into the room.
            match unsafe { copy_kernel_str(to, component as u32, name) } {
                Some(copied) if component < COMPONENT_MAX && copied as usize == component => {
                    return span.flag(CUT);
                }
                Some(copied) => span.grow(copied),
                None => return span.flag(UNREADABLE),
            }
        }
        let mut mnt = self.mnt;
        let mut dentry = self.dentry;
        let mut root = mnt.pointer(offset!(vfsmount_root));
        let mut step = 0;
        loop {
            if step == STEPS {
                return span.flag(CUT);
            }
            step += 1;
            if dentry == root {
                // The top of one mount: go on where it is mounted.
                let mount = mnt.sub(offset!(mount_mnt));
                let parent = mount.pointer(offset!(mount_parent));
                if parent.is_null() {
                    return span.flag(UNREADABLE);
                }
                if parent == mount {
                    return;
                }
                dentry = mount.pointer(offset!(mount_mountpoint));
                mnt = parent.add(offset!(mount_mnt));
                root = mnt.pointer(offset!(vfsmount_root));
                continue;
            }
            let parent = dentry.pointer(offset!(dentry_parent));
            if parent.is_null() {
                return span.flag(UNREADABLE);
            }
            let name = dentry.pointer(offset!(dentry_name));
            // Checked right before the use: a value that is kept on the stack
            // meanwhile is unbounded again to kernels before 6.12.
            let Some(written) = at_most(u64::from(span.length()), last_start) else {
                return span.flag(CUT);
            };
            // SAFETY: `written` is at most `room - component`.
            let copied = unsafe { copy_kernel_str(to.add(written), component as u32, name) };
            let Some(copied) = copied else {
                return span.flag(UNREADABLE);
            };
            if component < COMPONENT_MAX && copied as usize == component {
                return span.flag(CUT);
            }
            span.grow(copied);
            if parent == dentry {
                // Not at the top of a mount and yet without a parent.
                return span.flag(UNREACHABLE);
            }
            dentry = parent;
        }
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
    fn grow(&mut self, by: u32) {
        // SAFETY: valid since `begin`.
        unsafe { (&raw mut (*self.0).length).write_volatile(self.length() + by) };
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
        Some(path) => unsafe { path.write(span, to, room, component, None) },
        // SAFETY: as the caller promises.
        None => unsafe { span.write(Span { flags: UNREADABLE, ..Span::EMPTY }) },
    }
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
