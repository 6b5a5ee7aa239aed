//! The configuration file, which may become another one.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::config::{Config, ConfigError, DEFAULT_PATH};

/// The file that the sensor was started with.
pub struct ConfigFile {
    path: PathBuf,
    /// The default file need not be there, as long as it never was.
    may_lack: bool,
    version: Option<Version>,
}

/// What differs when a file was written, or another took its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl ConfigFile {
    /// The file that was named, or the default one.
    pub fn new(path: Option<&Path>) -> Self {
        let may_lack = path.is_none();
        let mut file = Self { path: path.unwrap_or(Path::new(DEFAULT_PATH)).into(), may_lack, version: None };
        file.look();
        file
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it as it is now.
    ///
    /// # Errors
    /// When it is wrong, or not there any more.
    pub fn load(&mut self) -> Result<Config, ConfigError> {
        match Config::load(Some(&self.path)) {
            Err(ConfigError::Unreadable { source, .. })
                if self.may_lack && source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(Config::default())
            }
            result => {
                self.may_lack = false;
                result
            }
        }
    }

    /// Takes note of it as it is now.
    pub fn look(&mut self) {
        self.version = Version::of(&self.path);
    }

    /// Whether it is another one than when it was last looked at.
    pub fn differs(&self) -> bool {
        Version::of(&self.path) != self.version
    }
}

impl Version {
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_written_replaced_or_removed_differs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        fs::write(&path, "").unwrap();
        let mut file = ConfigFile::new(Some(&path));
        assert!(!file.differs());
        fs::write(&path, "policy.missing = true").unwrap();
        assert!(file.differs());
        assert!(file.load().unwrap().policy.missing);
        file.look();
        let other = directory.path().join("new");
        fs::write(&other, "policy.missing = true").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(file.differs());
        file.look();
        fs::remove_file(&path).unwrap();
        assert!(file.differs() && file.load().is_err());
    }

    #[test]
    fn only_a_default_file_that_never_was_there_may_lack() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        let mut file = ConfigFile { may_lack: true, ..ConfigFile::new(Some(&path)) };
        assert_eq!(file.load().unwrap(), Config::default());
        fs::write(&path, "").unwrap();
        file.load().unwrap();
        fs::remove_file(&path).unwrap();
        assert!(file.load().is_err());
    }
}
