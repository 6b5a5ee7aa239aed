//! The archive for those who only read.

use std::{fs::File, io::Seek as _};

use super::{Archive, ArchiveError, Kept, Settings, State, book::states};
use crate::store::{Layout, StoreError, StoredFile};

/// Files that are in the archive. To be asked after the local ones: what is moved meanwhile
/// is seen twice rather than not at all.
///
/// # Errors
/// When the book cannot be read.
pub fn archived(layout: &Layout) -> Result<Vec<StoredFile>, StoreError> {
    let kept = |state| if let State::Kept(kept) = state { Kept::stored_file(&kept, layout) } else { None };
    Ok(states(layout)?.into_values().filter_map(kept).collect())
}

impl Archive {
    /// That of a store.
    ///
    /// # Errors
    /// When it does not say where it is, or that cannot be.
    pub fn of(layout: &Layout) -> Result<Self, StoreError> {
        let settings = Settings::read(layout)?.ok_or_else(|| {
            ArchiveError::Settings(format!(
                "the store {} has files in an archive, and {} does not say where: start `activity-collector run` with \
                 [archive] in its configuration",
                layout.root().display(),
                layout.archive().display()
            ))
        })?;
        Ok(Self::connect(&settings)?)
    }
}

/// Does something with the archive of a store, for whoever waits for it. It has a thread of
/// its own, as whoever waits may be a task.
///
/// # Errors
/// When the archive cannot be used, and what `work` says.
pub fn blocking<T: Send>(
    layout: &Layout,
    work: impl AsyncFnOnce(&Archive) -> Result<T, ArchiveError> + Send,
) -> Result<T, StoreError> {
    let failed = |source| StoreError::file("speak with the archive of", layout.root(), source);
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        runtime.block_on(async { Ok(work(&Archive::of(layout)?).await?) })
    };
    let ended = std::thread::scope(|scope| scope.spawn(run).join());
    ended.unwrap_or_else(|_| Err(failed(std::io::Error::other("its thread ended"))))
}

/// A copy of an archived file without a name, for those who read from files.
///
/// # Errors
/// When it is not there, the archive does not answer, or there is no room for it.
pub fn fetch(layout: &Layout, file: &StoredFile) -> Result<File, StoreError> {
    let path = layout.relative(&file.path);
    let failed = |source| StoreError::file("keep a copy of", &file.path, source);
    let mut copy = tempfile::tempfile().map_err(failed)?;
    let is_there = blocking(layout, async |archive| {
        archive
            .get(&path, &mut copy)
            .await
            .and_then(|is_there| if is_there { Ok(()) } else { Err(archive.missing(&path)) })
    });
    is_there?;
    copy.rewind().map_err(failed)?;
    Ok(copy)
}
