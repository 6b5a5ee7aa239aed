//! Waits for a change of the configuration file.
//!
//! What is watched are directories: editors and configuration management put a
//! new file in the place of the old one, or point a link elsewhere. Whatever
//! happens there leads to a look at the file itself.

use std::{
    collections::BTreeSet,
    io,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::{
    io::unix::AsyncFd,
    time::{sleep, timeout},
};

use super::ConfigFile;

/// A file that did not change for this long has been written.
const QUIET: Duration = Duration::from_millis(200);
/// How often the file is looked at although nothing was told: a directory may
/// have been replaced, and not every file system tells.
const LOOK: Duration = Duration::from_secs(10);

/// The directories in which the file may change.
pub struct Directories {
    inotify: Option<AsyncFd<OwnedFd>>,
}

impl Directories {
    /// Begins to watch.
    pub fn watch(file: &ConfigFile) -> Self {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        let inotify = inotify.map_err(io::Error::from).and_then(registered).inspect_err(|error| {
            tracing::warn!(%error, "no inotify; the configuration file is looked at every {LOOK:?}");
        });
        let directories = Self { inotify: inotify.ok() };
        directories.add(file);
        directories
    }

    /// Waits until the file is another one, and complete.
    pub async fn changed(&mut self, file: &ConfigFile) {
        loop {
            let _ = timeout(LOOK, self.told()).await;
            while timeout(QUIET, self.told()).await.is_ok() {}
            self.add(file);
            if file.differs() {
                return;
            }
        }
    }

    /// Waits until something happens, and takes note of all that has.
    async fn told(&self) {
        let Some(inotify) = &self.inotify else { return std::future::pending().await };
        match inotify.readable().await {
            Ok(mut ready) => {
                drain(inotify.get_ref());
                ready.clear_ready();
            }
            Err(error) => {
                tracing::debug!(%error, "inotify cannot be waited for");
                sleep(LOOK).await;
            }
        }
    }

    /// Watches the directories as they are now; one that is watched already stays so.
    fn add(&self, file: &ConfigFile) {
        let Some(inotify) = &self.inotify else { return };
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR;
        for directory in directories(file.path()) {
            if let Err(error) = inotify::add_watch(inotify.get_ref(), &directory, flags) {
                tracing::debug!(%error, directory = %directory.display(), "not watched");
            }
        }
    }
}

fn registered(inotify: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is the same open descriptor for as long as it lives, and
    // it lives as long as what owns it here.
    unsafe { AsyncFd::register(inotify) }.map_err(io::Error::from)
}

/// That of the name, and that of the file it leads to.
fn directories(path: &Path) -> BTreeSet<PathBuf> {
    let real = path.canonicalize().ok();
    let parent = |path: &Path| {
        path.parent().map(|parent| match parent.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => parent.to_owned(),
        })
    };
    parent(path).into_iter().chain(real.as_deref().and_then(parent)).collect()
}

fn drain(inotify: &OwnedFd) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    while reader.next().is_ok() {}
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    /// Whether a change is noticed, and long before the file is looked at anyway.
    async fn notices(file: &mut ConfigFile, directories: &mut Directories, change: impl FnOnce()) -> bool {
        change();
        let noticed = timeout(LOOK / 2, directories.changed(file)).await.is_ok();
        file.look();
        noticed
    }

    #[tokio::test]
    async fn a_file_that_is_written_renamed_or_linked_anew_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir(path("versions")).unwrap();
        fs::write(path("versions/1"), "").unwrap();
        symlink("versions/1", path("config.toml")).unwrap();
        let mut file = ConfigFile::new(Some(&path("config.toml")));
        let mut directories = Directories::watch(&file);

        let written = || fs::write(path("versions/1"), "a").unwrap();
        assert!(notices(&mut file, &mut directories, written).await, "written behind the link");
        let linked = || {
            fs::write(path("versions/2"), "b").unwrap();
            symlink("versions/2", path("new")).unwrap();
            fs::rename(path("new"), path("config.toml")).unwrap();
        };
        assert!(notices(&mut file, &mut directories, linked).await, "linked anew");
        let replaced = || {
            fs::write(path("new"), "c").unwrap();
            fs::rename(path("new"), path("config.toml")).unwrap();
        };
        assert!(notices(&mut file, &mut directories, replaced).await, "replaced by a file");
        let removed = || fs::remove_file(path("config.toml")).unwrap();
        assert!(notices(&mut file, &mut directories, removed).await, "removed");
    }

    #[tokio::test]
    async fn what_happens_beside_it_is_none_of_its_changes() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("config.toml"), "").unwrap();
        let file = ConfigFile::new(Some(&root.path().join("config.toml")));
        let mut directories = Directories::watch(&file);
        fs::write(root.path().join("other"), "").unwrap();
        assert!(timeout(3 * QUIET, directories.changed(&file)).await.is_err());
    }
}
