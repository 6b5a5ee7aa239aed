//! Files that are there as a whole or not at all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use super::IssueError;

/// A directory that nobody else looks into, if it is not there.
pub(super) fn make_directory(path: &Path) -> Result<(), IssueError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| IssueError::File { path: path.to_owned(), error })
}

/// Puts a file in its place, with these permissions from its first moment on.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), IssueError> {
    put(path, bytes, mode).map_err(|error| IssueError::File { path: path.to_owned(), error })
}

fn put(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
