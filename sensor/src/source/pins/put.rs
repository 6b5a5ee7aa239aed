//! Pins what was loaded.

use std::{fs, path::Path};

use super::{PinError, tally};
use crate::source::{
    kernel::Kernel,
    load::{LoadError, Loaded},
};

/// Pins the maps and links in a new directory.
pub fn put(mut loaded: Loaded, directory: &Path) -> Result<Kernel, LoadError> {
    let (maps, links) = (directory.join("maps"), directory.join("links"));
    for path in [&maps, &links] {
        fs::create_dir_all(path).map_err(|error| PinError::new("create the directory", path, &error))?;
    }
    for (name, map) in loaded.object.maps() {
        // The bpf file system takes no dots: `.rodata` and its like are the programs' own.
        if name.starts_with('.') {
            continue;
        }
        let path = maps.join(name);
        map.pin(&path).map_err(|error| PinError::new("pin", &path, &error))?;
    }
    let tally = tally::create(&maps.join(tally::NAME))?;
    for (name, link) in std::mem::take(&mut loaded.links) {
        let path = links.join(name);
        let pinned = link.pin(&path).map_err(|error| PinError::new("pin", &path, &error))?;
        loaded.links.push((name, pinned.into()));
    }
    loaded.into_kernel(tally)
}
