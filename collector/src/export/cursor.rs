//! A position in the store that has a name and is durable.

use std::{
    fs::{DirBuilder, File, TryLockError},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::PathBuf,
};

use activity_peers::Name;

use crate::{
    failure::Failure,
    state::{self, State},
    store::{Layout, Position, StoreError},
};

/// Held by the one who moves it on.
pub struct Cursor {
    name: Name,
    state: State,
    path: PathBuf,
    _lock: File,
}

impl Cursor {
    /// Takes the cursor of that name, and the position it has: the beginning for a new one.
    ///
    /// # Errors
    /// There is no store, somebody else has it, or as the system says.
    pub fn open(layout: &Layout, name: &Name) -> Result<(Self, Position), Failure> {
        if !layout.events().is_dir() {
            return Err(layout.why_missing().into());
        }
        let lock = lock(layout, name)?;
        let path = layout.state();
        let wrong = |error: &rusqlite::Error| state::failure(&path, error);
        let state = State::open(layout).map_err(|error| wrong(&error))?;
        let position = match state.export(name.as_str()).map_err(|error| wrong(&error))? {
            Some(text) => serde_json::from_str(&text).map_err(|error| {
                Failure::unavailable(format!(
                    "how far the export {name} has come cannot be read ({error}): give it another name, and it begins \
                     anew"
                ))
            })?,
            None => Position::default(),
        };
        Ok((Self { name: name.clone(), state, path, _lock: lock }, position))
    }

    /// Makes a position durable.
    ///
    /// # Errors
    /// As the system says; then it has the one before.
    pub fn save(&self, position: &Position) -> Result<(), Failure> {
        let text = serde_json::to_string(position).map_err(Failure::unavailable)?;
        self.state.set_export(self.name.as_str(), &text).map_err(|error| state::failure(&self.path, &error))
    }
}

fn lock(layout: &Layout, name: &Name) -> Result<File, Failure> {
    let path = layout.export_lock(name);
    if let Some(directory) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o750).create(directory);
        made.map_err(|source| StoreError::file("create the directory", directory, source))?;
    }
    let file = File::options().write(true).create(true).truncate(false).mode(0o640).open(&path);
    let file = file.map_err(|source| StoreError::file("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::unavailable(format!(
            "the cursor `{name}` is in use by another export: wait for its end, or name another"
        ))),
        Err(TryLockError::Error(source)) => Err(StoreError::file("lock", &path, source).into()),
    }
}
