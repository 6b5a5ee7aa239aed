//! What is stored at a moment, for those who only read.

use std::{
    fs::{self, File},
    io,
};

use bytes::Bytes;

use super::{StoreError, layout::Layout, stored::StoredFile};

/// What is stored at a moment. Taking it needs no lock and changes nothing.
#[derive(Debug)]
pub struct Snapshot {
    /// Events that are in the log only.
    pub fresh: Vec<Bytes>,
    /// Every finished file, here and in the archive.
    pub files: Vec<StoredFile>,
    /// Places in the log where something could not be read.
    pub damaged: u64,
    /// Where it was taken.
    pub layout: Layout,
    /// While it is there, compaction removes none of the files.
    _reading: Option<File>,
}

impl Snapshot {
    /// Looks at a store, while another process may write to it.
    pub fn take(layout: &Layout) -> Result<Self, StoreError> {
        if !layout.events().is_dir() {
            return Err(layout.why_missing());
        }
        let reading = reading(layout)?;
        // First the log, then the files: a segment that is rolled meanwhile is
        // seen twice rather than not at all, and its number tells.
        let mut logs = Vec::new();
        for segment in layout.segments()? {
            let path = layout.log().join(segment.to_string());
            match fs::read(&path) {
                Ok(bytes) => logs.push((segment.number, segment.scan(bytes.into()))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(StoreError::file("read", &path, source)),
            }
        }
        // While a segment is there, not all of its files may be.
        let mut files = layout.all_files()?;
        files.retain(|file| logs.iter().all(|(number, _)| file.number != *number));
        let damaged = logs.iter().map(|(_, scan)| scan.damaged).sum();
        let records = logs.into_iter().flat_map(|(_, scan)| scan.records);
        let fresh = records.flat_map(|record| record.events).collect();
        Ok(Self { fresh, files, damaged, layout: layout.clone(), _reading: reading })
    }
}

/// Tells compaction that somebody reads, as long as the file is there; `None` in a store of an
/// older build.
pub fn reading(layout: &Layout) -> Result<Option<File>, StoreError> {
    let path = layout.readers();
    let failed = |source| StoreError::file("read", &path, source);
    match File::open(&path) {
        Ok(file) => file.lock_shared().map(|()| Some(file)).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed(source)),
    }
}
