//! The file system, as far as segments need one.

use std::{
    ffi::OsString,
    fmt::Debug,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, FileExt, OpenOptionsExt as _},
    path::Path,
};

/// Bits of files: for the owner, and for the group to read.
const FILE_MODE: u32 = 0o640;
/// Bits of directories.
const DIRECTORY_MODE: u32 = 0o750;

/// A file system. Names in a directory, as content of files, survive a loss of power
/// only when they were made durable.
pub trait Disk: Clone + Debug + Send + Sync + 'static {
    /// A file that is open.
    type File: DiskFile;

    /// Makes a directory and those above it; it may exist.
    ///
    /// # Errors
    /// As the system says.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes a file for appending that does not exist yet.
    ///
    /// # Errors
    /// As the system says.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// As the system says.
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// The names in a directory, in no order.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name, in the place of whatever had it.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes durable which names a directory has.
    ///
    /// # Errors
    /// As the system says.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// Writes all of it at the end.
    ///
    /// # Errors
    /// As the system says; a part may have been written.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// Reads up to as many bytes as there is room for; fewer only at the end.
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&self, room: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Its length in bytes.
    ///
    /// # Errors
    /// As the system says.
    fn length(&self) -> io::Result<u64>;

    /// Cuts it.
    ///
    /// # Errors
    /// As the system says.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes its content durable.
    ///
    /// # Errors
    /// As the system says. What was written since the last success may be lost then,
    /// also when another call succeeds.
    fn sync(&self) -> io::Result<()>;
}

/// Puts a whole file in the place of another: after a loss of power there is either.
///
/// # Errors
/// As the system says.
pub fn replace(disk: &impl Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let next = path.with_extension("next");
    match disk.remove(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&next)?;
    file.append(bytes)?;
    file.sync()?;
    disk.rename(&next, path)?;
    path.parent().map_or(Ok(()), |directory| disk.sync_directory(directory))
}

/// The machine's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Disk for Machine {
    type File = File;

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl DiskFile for File {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(&mut &*self, bytes)
    }

    fn read_at(&self, room: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = room.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, offset.saturating_add(read as u64)) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_also_after_an_attempt_that_was_cut_short() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("consumers.json");
        fs::write(directory.path().join("consumers.next"), "half").unwrap();
        for text in ["one", "two"] {
            replace(&Machine, &path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(Machine.list(directory.path()).unwrap(), ["consumers.json"]);
    }
}
