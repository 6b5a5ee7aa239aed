//! The one who writes a segment.

use std::{io, path::Path, sync::Arc};

use crate::{Disk, DiskFile, Frames};

/// Appends frames to a segment.
#[derive(Debug)]
pub struct Appender<F> {
    file: Arc<F>,
    frames: Frames,
    length: u64,
    buffer: Vec<u8>,
    /// A part of a frame is at the end and could not be cut off.
    is_torn: bool,
}

impl<F: DiskFile> Appender<F> {
    /// Begins a segment; the file must not exist.
    ///
    /// # Errors
    /// As the system says.
    pub fn create(disk: &impl Disk<File = F>, path: &Path, frames: Frames) -> io::Result<Self> {
        let file = Arc::new(disk.create(path)?);
        Ok(Self { file, frames, length: 0, buffer: Vec::new(), is_torn: false })
    }

    /// Writes a frame with the payload that `parts` make. On failure the segment is
    /// as it was before.
    ///
    /// # Errors
    /// As the system says; `InvalidInput` when the payload is too large.
    pub fn append(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let header = self.frames.header(parts).ok_or_else(|| {
            let length: usize = parts.iter().map(|part| part.len()).sum();
            io::Error::new(io::ErrorKind::InvalidInput, format!("a batch of {length} bytes is too large"))
        })?;
        if self.is_torn {
            self.cut()?;
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(&header);
        parts.iter().for_each(|part| self.buffer.extend_from_slice(part));
        if let Err(error) = self.file.append(&self.buffer) {
            // Else a part of the frame would stay in the middle of the file.
            self.is_torn = true;
            let _ = self.cut();
            return Err(error);
        }
        self.length += self.buffer.len() as u64;
        Ok(())
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.truncate(self.length)?;
        self.is_torn = false;
        Ok(())
    }

    /// Makes durable what was appended.
    ///
    /// # Errors
    /// As [`DiskFile::sync`].
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    /// The file, to be read and made durable beside.
    #[must_use]
    pub fn file(&self) -> &Arc<F> {
        &self.file
    }

    /// Bytes written.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Machine;

    #[test]
    fn what_is_appended_is_read_and_what_is_too_large_leaves_no_trace() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("segment");
        let frames = Frames::new(1, 8);
        let mut appender = Appender::create(&Machine, &path, frames).unwrap();
        appender.append(&[b"one"]).unwrap();
        assert_eq!(appender.append(&[b"12345", b"6789"]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        appender.append(&[b"t", b"wo"]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len() as u64, appender.length());
        assert_eq!(frames.scan(Bytes::from(bytes)).payloads, ["one", "two"]);
    }

    #[test]
    fn a_segment_that_exists_is_not_begun_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("segment");
        let create = || Appender::create(&Machine, &path, Frames::new(1, 8));
        assert!(create().is_ok());
        assert_eq!(create().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
