//! What lies in a store.

use std::{collections::BTreeSet, fs, path::Path};

use serde::Serialize;

use crate::exit::Result;

/// What a month takes.
#[derive(Debug, Serialize)]
pub struct Stored {
    /// Parquet files and their bytes.
    pub files: u64,
    pub parquet_bytes: u64,
    /// Bytes of the seal.
    pub seal_bytes: u64,
}

/// Looks at a store that nobody writes to.
pub fn look(store: &Path) -> Result<Stored> {
    let mut stored =
        Stored { files: 0, parquet_bytes: 0, seal_bytes: fs::metadata(store.join("seal.jsonl"))?.len() };
    each(&store.join("events"), &mut |path| {
        // One that is removed meanwhile takes nothing.
        let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
        stored.files += u64::from(path.extension().is_some_and(|extension| extension == "parquet"));
        stored.parquet_bytes += length;
    });
    Ok(stored)
}

/// The names of everything that is kept, where the log is rolled; what of the log is not, else.
pub fn names(store: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for part in ["log", "events"] {
        each(&store.join(part), &mut |path| _ = names.insert(path.display().to_string()));
    }
    Ok(names)
}

fn each(directory: &Path, visit: &mut dyn FnMut(&Path)) {
    // What is not there yet, or no more, has nothing in it.
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() { each(&path, visit) } else { visit(&path) }
    }
}
