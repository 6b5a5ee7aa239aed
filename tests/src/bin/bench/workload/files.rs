//! Workloads over many files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::Work;
use crate::Result;

/// How many files are read, again and again until the count is reached.
const READ: u64 = 10_000;
/// How many distinct names are opened, in turn.
const NAMED: u64 = 100_000;
/// How many files lie in one directory.
const TOGETHER: u64 = 1000;

/// Reads small files whole.
pub fn read(count: u64, directory: &Path) -> Result<Work> {
    let paths = make(count.min(READ), &directory.join("read"), &[b'x'; 2048])?;
    Ok(Work::Each(Box::new(move |index| {
        std::hint::black_box(fs::read(nth(&paths, index)?)?);
        Ok(())
    })))
}

/// Opens files of distinct names.
pub fn names(count: u64, directory: &Path) -> Result<Work> {
    let paths = make(count.min(NAMED), &directory.join("names"), &[])?;
    Ok(Work::Each(Box::new(move |index| {
        fs::File::open(nth(&paths, index)?)?;
        Ok(())
    })))
}

fn nth(paths: &[PathBuf], index: u64) -> Result<&Path> {
    let index = usize::try_from(index)?.checked_rem(paths.len());
    index.and_then(|index| paths.get(index)).map(PathBuf::as_path).ok_or_else(|| "there are no files".into())
}

/// Makes what is not there yet.
fn make(count: u64, directory: &Path, content: &[u8]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for number in 0..count {
        let below = directory.join((number / TOGETHER).to_string());
        if number % TOGETHER == 0 {
            fs::create_dir_all(&below)?;
        }
        let path = below.join(format!("file-{number}"));
        if !path.exists() {
            fs::write(&path, content)?;
        }
        paths.push(path);
    }
    Ok(paths)
}
