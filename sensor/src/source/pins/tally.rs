//! The pipeline's counts in a map of the kernel's, which outlives the process.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
    ptr,
};

use aya::maps::{Array, MapData};
use rustix::mm::{MapFlags, ProtFlags, mmap};

use super::PinError;
use crate::tally::{Tally, WORDS, Words};

/// The map's name among the others.
pub const NAME: &str = "TALLY";

/// `BPF_F_MMAPABLE` of the kernel's include/uapi/linux/bpf.h (since 5.5).
const MAPPABLE: u32 = 1 << 10;

/// Makes the map and pins it.
pub fn create(path: &Path) -> Result<Tally, PinError> {
    let map: Result<Array<MapData, [u64; WORDS]>, _> = Array::create(1, MAPPABLE);
    let map = map.map_err(|error| PinError::new("make the map of counts for", path, &error))?;
    map.pin(path).map_err(|error| PinError::new("pin", path, &error))?;
    open(path)
}

/// Opens one that is pinned.
pub fn open(path: &Path) -> Result<Tally, PinError> {
    let failed = |error: &(dyn std::error::Error + 'static)| PinError::new("open", path, error);
    let map = MapData::from_pin(path).map_err(|error| failed(&error))?;
    let info = map.info().map_err(|error| failed(&error))?;
    if info.value_size() as usize != size_of::<Words>() {
        return Err(failed(&io::Error::other("it has another size than the counts of this version")));
    }
    let words = map_words(map.fd().as_fd()).map_err(|error| failed(&error))?;
    Ok(Tally::over(words))
}

fn map_words(map: BorrowedFd<'_>) -> rustix::io::Result<&'static Words> {
    // SAFETY: at no address of ours; the length is that of the map's only element, which
    // the kernel rounds up to whole pages.
    let start = unsafe {
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        mmap(ptr::null_mut(), size_of::<Words>(), prot, MapFlags::SHARED, map, 0)?
    };
    // SAFETY: the mapping is never undone and as long as the words; it begins at a page,
    // so it is aligned; it is zeroes or what was written, and any bits are an AtomicU64.
    Ok(unsafe { &*start.cast::<Words>() })
}
