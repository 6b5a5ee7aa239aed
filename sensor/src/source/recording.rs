//! Records on disk, as the kernel gave them: for tests without a kernel, and
//! for reports of defects.
//!
//! Format: each record with its length before it (32 bits, little-endian). The
//! records themselves are as the machine has them; a recording is read where
//! it was made, or on a machine of the same kind and version.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
};

use super::batch::Batch;

/// Writes a recording.
pub struct Recorder(BufWriter<File>);

impl Recorder {
    /// Begins a recording; replaces the file.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::new(File::create(path)?)))
    }

    /// Adds the records of a batch.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn add(&mut self, batch: &Batch) -> io::Result<()> {
        for record in batch.iter() {
            let length = u32::try_from(record.len()).map_err(io::Error::other)?;
            self.0.write_all(&length.to_le_bytes())?;
            self.0.write_all(record)?;
        }
        self.0.flush()
    }
}

/// The records of a recording; a cut one at the end is left out.
#[cfg(any(test, feature = "fuzz"))]
pub fn records(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        bytes = rest;
        Some(record)
    })
}
