//! The kernel's modules.

use std::{ffi::CString, fs, fs::File};

use rustix::{io::Errno, system::finit_module};

use crate::vm::modules::PLACE;

/// Loads all that came with the guest. One that cannot be is told, and whatever
/// needs it tells so as well.
pub fn load() {
    let mut files: Vec<_> =
        fs::read_dir(PLACE).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        let loaded =
            File::open(&file).map_err(|error| error.to_string()).and_then(|module| {
                match finit_module(module, &CString::default(), 0) {
                    Ok(()) | Err(Errno::EXIST) => Ok(()),
                    Err(error) => Err(error.to_string()),
                }
            });
        if let Err(error) = loaded {
            eprintln!("guest: {}: {error}", file.display());
        }
    }
}
