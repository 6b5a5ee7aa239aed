//! Names that callers gave: read where the caller has them, or from the copy
//! the kernel made.

use sensor_types::span::{COMPONENT_MAX, Span};

use super::opened::file_of;
use crate::{
    identity::Current,
    kernel::{Address, blank, copy_kernel_str, copy_user_str},
    path::{Path, copied_span, walk_base},
};

/// `AT_FDCWD` of fcntl.h.
pub const AT_FDCWD: i32 = -100;

/// A name as it was given.
#[derive(Clone, Copy)]
pub struct Name {
    /// Directory a relative name starts from.
    pub directory: i32,
    /// The string; null where the act has none.
    pub text: Address,
    /// The string is the kernel's copy.
    pub in_kernel: bool,
}

/// A span, where its bytes go, and how many fit.
pub type Target = (*mut Span, *mut u8, usize);

impl Name {
    pub const NONE: Self = Self { directory: AT_FDCWD, text: Address::NULL, in_kernel: false };

    #[inline(always)]
    pub fn user(directory: i32, text: Address) -> Self {
        Self { directory, text, in_kernel: false }
    }

    #[inline(always)]
    pub fn kernel(directory: i32, text: Address) -> Self {
        Self { directory, text, in_kernel: true }
    }

    #[inline(always)]
    pub fn first_byte(&self) -> Option<u8> {
        if self.in_kernel { self.text.read(0) } else { self.text.read_user() }
    }

    /// Writes the string.
    ///
    /// # Safety
    /// `to` must be valid for `room` bytes, and `span` for writing.
    #[inline(always)]
    pub unsafe fn write(&self, span: *mut Span, to: *mut u8, room: usize) -> Option<u32> {
        // SAFETY: as the caller promises.
        let copied = unsafe {
            if self.in_kernel {
                copy_kernel_str(to, room as u32, self.text)
            } else {
                copy_user_str(to, room as u32, self.text)
            }
        };
        // SAFETY: as the caller promises.
        unsafe { span.write(copied_span(copied, room)) };
        copied
    }

    /// Writes the string and the directory it starts from, which matters only
    /// where the string does not begin at a root. The directory first: each way
    /// out of reading the string would be one more way into the walk for the
    /// verifier.
    ///
    /// # Safety
    /// Both targets must be valid.
    #[inline(always)]
    pub unsafe fn write_with_base(&self, current: Current, name: Target, base: Target, component: usize) {
        // SAFETY: as the caller promises.
        unsafe { walk_base(self.start(current), base.0, base.1, base.2, component) };
        // SAFETY: as the caller promises.
        let copied = unsafe { self.write(name.0, name.1, name.2) };
        // One byte is the NUL of an empty name.
        // SAFETY: as the caller promises; a name of two bytes has a first.
        if copied.is_some_and(|copied| copied > 1) && unsafe { *name.1 } == b'/' {
            // SAFETY: as the caller promises.
            unsafe { blank(base.0) };
        }
    }

    /// Writes the directory that a relative name starts from.
    ///
    /// # Safety
    /// The target must be valid.
    #[inline(always)]
    pub unsafe fn write_base(&self, current: Current, base: Target) {
        // SAFETY: as the caller promises.
        unsafe { walk_base(self.start(current), base.0, base.1, base.2, COMPONENT_MAX) };
    }

    /// Where a relative name starts.
    #[inline(always)]
    fn start(&self, current: Current) -> Option<Path> {
        if self.directory == AT_FDCWD {
            Path::of_working_directory(current.task)
        } else {
            Path::of_file(file_of(current.task, self.directory as u32)?)
        }
    }
}
