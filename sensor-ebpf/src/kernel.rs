//! The only place that reads kernel and user memory.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::{
    bpf_probe_read_user,
    generated::{
        bpf_get_current_task_btf, bpf_probe_read_kernel as raw_read_kernel, bpf_probe_read_kernel_str,
        bpf_probe_read_user as raw_read_user, bpf_probe_read_user_str,
    },
};

use sensor_types::policy::MISSING;

/// An address in the kernel: never dereferenced, only handed to the helpers.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Address(pub u64);

impl Address {
    pub const NULL: Self = Self(0);

    #[inline(always)]
    pub fn of<T>(pointer: *const T) -> Self {
        Self(pointer as u64)
    }

    #[inline(always)]
    pub fn add(self, offset: usize) -> Self {
        Self(self.0.wrapping_add(offset as u64))
    }

    /// Copies a value; `None` when the memory is not there, or when this
    /// kernel has no such field.
    #[inline(always)]
    pub fn read<T: Copy>(self, offset: usize) -> Option<T> {
        if offset == MISSING as usize {
            return None;
        }
        let mut value = MaybeUninit::<T>::zeroed();
        // SAFETY: the helper checks the address and fails instead of faulting,
        // and `value` has room for a `T`.
        let result = unsafe {
            raw_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, self.add(offset).0 as *const _)
        };
        // SAFETY: every `T` used here is valid for any bytes.
        (result == 0).then_some(unsafe { value.assume_init() })
    }

    /// A pointer member; null when it cannot be read, as the helper leaves
    /// zeros then. Without a branch, for loops: the verifiers of old kernels
    /// refuse the undefined value that the compiler puts beside a `None`.
    #[inline(always)]
    pub fn pointer(self, offset: usize) -> Self {
        let mut value = 0_u64;
        if offset != MISSING as usize {
            // SAFETY: as in `read`.
            unsafe { raw_read_kernel((&raw mut value).cast(), 8, self.add(offset).0 as *const _) };
        }
        Self(value)
    }

    /// The word here; zero where it cannot be read. Without a branch, as
    /// `pointer`.
    #[inline(always)]
    pub fn word(self) -> u64 {
        let mut word = MaybeUninit::<u64>::uninit();
        // SAFETY: as in `read`.
        unsafe { raw_read_kernel(word.as_mut_ptr().cast(), 8, self.0 as *const _) };
        // SAFETY: the helper writes all of it, whatever happens.
        unsafe { word.assume_init() }
    }

    /// Three words; zeros where they cannot be read. Without a branch, as
    /// `pointer`.
    #[inline(always)]
    pub fn words(self) -> [u64; 3] {
        // Not filled with zeros first: that would be a loop, and the helper
        // does it when it fails.
        let mut words = MaybeUninit::<[u64; 3]>::uninit();
        // SAFETY: as in `read`.
        unsafe { raw_read_kernel(words.as_mut_ptr().cast(), 24, self.0 as *const _) };
        // SAFETY: the helper writes all of it, whatever happens.
        unsafe { words.assume_init() }
    }

    #[inline(always)]
    pub fn is_null(self) -> bool {
        self.0 == 0
    }

    /// Follows a pointer member; `None` when it is null or not readable.
    #[inline(always)]
    pub fn follow(self, offset: usize) -> Option<Self> {
        let pointer = self.pointer(offset);
        (!pointer.is_null()).then_some(pointer)
    }

    /// Copies a value from the calling process's memory.
    #[inline(always)]
    pub fn read_user<T: Copy>(self) -> Option<T> {
        // SAFETY: as in `read`.
        unsafe { bpf_probe_read_user(self.0 as *const T) }.ok()
    }
}

/// An object of the kernel's, by either way of reading it.
pub trait Object: Copy {
    /// A field; `None` when it cannot be read, or this kernel has no such.
    fn read<T: Copy>(self, offset: usize) -> Option<T>;
    /// What a pointer member leads to; `None` when it is null.
    fn follow(self, offset: usize) -> Option<Self>;
    /// Where it is, for helpers.
    fn address(self) -> Address;
}

impl Object for Address {
    #[inline(always)]
    fn read<T: Copy>(self, offset: usize) -> Option<T> {
        Self::read(self, offset)
    }

    #[inline(always)]
    fn follow(self, offset: usize) -> Option<Self> {
        Self::follow(self, offset)
    }

    #[inline(always)]
    fn address(self) -> Address {
        self
    }
}

/// An object whose type the verifier knows. What it leads to is read by ordinary
/// instructions, each of which takes a tenth of a call of a helper; the verifier
/// checks each field against the kernel's own types. But for each pointer that is
/// followed from the running task it searches all those types several times (6.2
/// on), a millisecond and more: for the hooks that run most.
///
/// Only [`Object::address`] goes to helpers; no arithmetic is permitted.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Known(u64);

impl Known {
    /// The running task, where [`setting!`]`(typed)` says that this kernel tells.
    #[inline(always)]
    pub fn current_task() -> Self {
        // SAFETY: the helper has no preconditions.
        Self(unsafe { bpf_get_current_task_btf() } as u64)
    }
}

/// Does something with the running task: by its type, or by its address.
macro_rules! with_task {
    ($typed:expr, $address:expr, |$task:ident| $does:expr) => {
        if $typed {
            let $task = $crate::kernel::Known::current_task();
            $does
        } else {
            let $task = $address;
            $does
        }
    };
}
pub(crate) use with_task;

impl Object for Known {
    #[inline(always)]
    fn read<T: Copy>(self, offset: usize) -> Option<T> {
        if offset == MISSING as usize {
            return None;
        }
        // SAFETY: the verifier knows the type and has checked the offset; memory
        // that is not there reads as zero. Volatile, so that the compiler makes one
        // load of the field's own size of it.
        Some(unsafe { (self.0.wrapping_add(offset as u64) as *const T).read_volatile() })
    }

    #[inline(always)]
    fn follow(self, offset: usize) -> Option<Self> {
        let pointer: u64 = self.read(offset)?;
        (pointer != 0).then_some(Self(pointer))
    }

    #[inline(always)]
    fn address(self) -> Address {
        Address(self.0)
    }
}

/// A structure whose fields can be had one by one.
pub trait Fields {
    /// A field, wherever it lies; `None` when it cannot be read, or this kernel has
    /// no such.
    fn read<T: Copy>(&self, offset: usize) -> Option<T>;
    /// A pointer member; null when it cannot be read.
    fn pointer(&self, offset: usize) -> Address;
}

impl Fields for Address {
    #[inline(always)]
    fn read<T: Copy>(&self, offset: usize) -> Option<T> {
        Self::read(*self, offset)
    }

    #[inline(always)]
    fn pointer(&self, offset: usize) -> Address {
        Self::pointer(*self, offset)
    }
}

/// The first bytes of a structure, read at once: several fields for the price of
/// one. They lie in a map, since stacks have no room for them.
pub struct Head {
    of: Address,
    words: *const HeadWords,
}

/// What [`Head`] is read into.
pub type HeadWords = [u64; HEAD_WORDS];

/// Holds what is read of `struct file` and `struct inode` from 5.10 on.
const HEAD_WORDS: usize = 10;

impl Head {
    /// Zeros where the memory is not there.
    ///
    /// # Safety
    /// `words` must stay valid for as long as this lives.
    #[inline(always)]
    pub unsafe fn read_to(words: *mut HeadWords, address: Address) -> Self {
        // SAFETY: as in `Address::read`.
        unsafe { raw_read_kernel(words.cast(), size_of::<HeadWords>() as u32, address.0 as *const _) };
        Self { of: address, words }
    }
}

impl Fields for Head {
    #[inline(always)]
    fn read<T: Copy>(&self, offset: usize) -> Option<T> {
        if offset > HEAD_WORDS * 8 - size_of::<T>() {
            return self.of.read(offset);
        }
        // SAFETY: within the words, all of which the helper has written; every `T`
        // used here is valid for any bytes. Volatile, for one load at a place that is
        // a constant to the verifier only.
        Some(unsafe { self.words.cast::<u8>().add(offset).cast::<T>().read_volatile() })
    }

    #[inline(always)]
    fn pointer(&self, offset: usize) -> Address {
        Address(self.read(offset).unwrap_or(0))
    }
}

/// The same value, of which the compiler knows nothing any more. In a register,
/// unlike `black_box`, which goes through memory.
#[inline(always)]
pub fn hidden(value: u64) -> u64 {
    let mut value = value;
    // SAFETY: a register moved to itself. Not nothing at all: line information
    // wants an instruction for each place.
    unsafe { core::arch::asm!("{0} = {0}", inout(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Adds to a number that others may add to at the same time: the one atomic
/// instruction of every kernel, for which the compiler has no name here.
///
/// # Safety
/// `to` must be valid for writing.
#[inline(always)]
pub unsafe fn add(to: *mut u64, number: u64) {
    // SAFETY: as the caller promises.
    unsafe {
        core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) to, in(reg) number, options(nostack));
    }
}

/// `value`, if it is not more than `most`.
///
/// The compiler may compare one register and use another that it knows to be
/// equal; the verifier does not know. So the value is hidden from the compiler
/// before, and is 64 bits wide, as registers are. Nor may the verifier know
/// where it came from: what it learns of one copy it knows of all, and a caller
/// would look like another caller after each answer.
#[inline(always)]
pub fn at_most(value: u64, most: usize) -> Option<usize> {
    let value = hidden(!hidden(!value));
    (value <= most as u64).then_some(value as usize)
}

/// Copies a NUL-ended kernel string of at most `room` bytes, its NUL included,
/// and returns the number of bytes written.
///
/// # Safety
/// `to` must be valid for `room` bytes.
#[inline(always)]
pub unsafe fn copy_kernel_str(to: *mut u8, room: u32, from: Address) -> Option<u32> {
    // SAFETY: `to` is valid as the caller promises; the helper checks `from`.
    let copied = unsafe { bpf_probe_read_kernel_str(to.cast(), room, from.0 as *const _) };
    (copied > 0).then_some(copied as u32)
}

/// The same with the helper's own answer: the number of bytes, or a negative
/// error number.
///
/// # Safety
/// `to` must be valid for `room` bytes.
#[inline(always)]
pub unsafe fn try_copy_kernel_str(to: *mut u8, room: u32, from: Address) -> i64 {
    // SAFETY: as in `copy_kernel_str`.
    unsafe { bpf_probe_read_kernel_str(to.cast(), room, from.0 as *const _) }
}

/// The same from the calling process's memory.
///
/// # Safety
/// `to` must be valid for `room` bytes.
#[inline(always)]
pub unsafe fn copy_user_str(to: *mut u8, room: u32, from: Address) -> Option<u32> {
    // SAFETY: as in `copy_kernel_str`.
    let copied = unsafe { bpf_probe_read_user_str(to.cast(), room, from.0 as *const _) };
    (copied > 0).then_some(copied as u32)
}

/// Copies `length` bytes of the calling process's memory.
///
/// # Safety
/// `to` must be valid for `length` bytes.
#[inline(always)]
pub unsafe fn copy_user(to: *mut u8, length: u32, from: Address) -> Option<()> {
    // SAFETY: as in `copy_kernel_str`.
    let result = unsafe { raw_read_user(to.cast(), length, from.0 as *const _) };
    (result == 0).then_some(())
}

/// Copies `length` bytes of kernel memory.
///
/// # Safety
/// `to` must be valid for `length` bytes.
#[inline(always)]
pub unsafe fn copy_kernel(to: *mut u8, length: u32, from: Address) -> Option<()> {
    // SAFETY: as in `copy_kernel_str`.
    let result = unsafe { raw_read_kernel(to.cast(), length, from.0 as *const _) };
    (result == 0).then_some(())
}

/// Fills a value with zeros, word by word: of an ordinary assignment the compiler
/// makes a call of a function that goes byte by byte.
///
/// # Safety
/// `value` must be valid for writing, for a type that may be all zeros and is
/// made of 32-bit words.
#[inline(always)]
pub unsafe fn blank<T>(value: *mut T) {
    let words: *mut u32 = value.cast();
    let mut index = 0;
    while index < size_of::<T>() / size_of::<u32>() {
        // SAFETY: within the value.
        unsafe { words.add(index).write_volatile(0) };
        index += 1;
    }
}

/// Writes a value, or zeros without one.
///
/// # Safety
/// As for [`blank`].
#[inline(always)]
pub unsafe fn put<T>(to: *mut T, value: Option<T>) {
    match value {
        // SAFETY: as the caller promises.
        Some(value) => unsafe { to.write(value) },
        // SAFETY: as the caller promises.
        None => unsafe { blank(to) },
    }
}
