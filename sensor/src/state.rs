//! Who this sensor is, kept on disk: its id and how often it was started.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use activity_segments::{Machine, replace};
use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

/// Why the state could not be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// Another sensor has it.
    #[error(
        "another sensor runs with the state in {0}; stop it, or give this one a directory of its own with --state"
    )]
    InUse(PathBuf),
    /// Reading or writing failed.
    #[error("the state in {path} cannot be used ({error}); give another directory with --state")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// The identity that event ids are made of.
#[derive(Debug)]
pub struct State {
    /// Stable for the life of the installation on this machine.
    pub sensor_id: String,
    /// The kernel's boot id.
    pub boot_id: String,
    /// Rises with every start, and was made durable before this one.
    pub epoch: u64,
    /// Holds the directory for this process.
    _lock: Option<File>,
}

impl State {
    /// Takes the directory, which is made where missing, and begins an epoch.
    ///
    /// # Errors
    /// When another sensor has it, or it cannot be written.
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| StateError::Io { path, error }
        };
        fs::create_dir_all(directory).map_err(failed(directory))?;
        fs::set_permissions(directory, Permissions::from_mode(0o700)).map_err(failed(directory))?;
        let lock = lock(directory)?;
        let sensor_id = sensor_id(&directory.join("sensor-id")).map_err(failed(directory))?;
        let epoch_file = directory.join("epoch");
        let last = match fs::read_to_string(&epoch_file) {
            Ok(text) => text.trim().parse::<u64>().map_err(|_| {
                failed(&epoch_file)(io::Error::new(io::ErrorKind::InvalidData, "it does not hold a number"))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(failed(&epoch_file)(error)),
        };
        let epoch = last.saturating_add(1);
        replace(&Machine, &epoch_file, format!("{epoch}\n").as_bytes()).map_err(failed(&epoch_file))?;
        Ok(Self { sensor_id, boot_id: boot_id(), epoch, _lock: Some(lock) })
    }

    /// Takes the directory without beginning an epoch: no sensor runs with it meanwhile.
    ///
    /// # Errors
    /// When a sensor has it, or there is none.
    pub fn hold(directory: &Path) -> Result<File, StateError> {
        lock(directory)
    }

    /// An identity that nobody will meet again, for a look without a daemon.
    pub fn passing() -> Self {
        Self { sensor_id: random_id().unwrap_or_default(), boot_id: boot_id(), epoch: 1, _lock: None }
    }
}

fn lock(directory: &Path) -> Result<File, StateError> {
    let path = directory.join("lock");
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(&path);
    let file = file.map_err(|error| StateError::Io { path, error })?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => Err(StateError::InUse(directory.to_owned())),
    }
}

/// The id on disk, if it was made on this machine: a cloned image gets its own.
fn sensor_id(path: &Path) -> io::Result<String> {
    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let machine = machine.trim();
    match fs::read_to_string(path) {
        Ok(text) => {
            let mut words = text.split_whitespace();
            if let (Some(id), of) = (words.next(), words.next().unwrap_or_default())
                && of == machine
            {
                return Ok(id.to_owned());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let id = random_id()?;
    replace(&Machine, path, format!("{id} {machine}\n").as_bytes())?;
    Ok(id)
}

fn random_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned())
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stays_and_the_epoch_rises_with_every_start() {
        let directory = tempfile::tempdir().unwrap();
        let first = State::open(directory.path()).unwrap();
        let (id, epoch) = (first.sensor_id.clone(), first.epoch);
        drop(first);
        let second = State::open(directory.path()).unwrap();
        assert_eq!((second.sensor_id.as_str(), second.epoch), (id.as_str(), epoch + 1));
    }

    #[test]
    fn a_cloned_image_gets_an_id_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let first = State::open(directory.path()).unwrap().sensor_id;
        fs::write(directory.path().join("sensor-id"), format!("{first} another-machine\n")).unwrap();
        assert_ne!(State::open(directory.path()).unwrap().sensor_id, first);
    }

    #[test]
    fn two_sensors_do_not_share_a_state() {
        let directory = tempfile::tempdir().unwrap();
        let _first = State::open(directory.path()).unwrap();
        assert!(matches!(State::open(directory.path()), Err(StateError::InUse(_))));
    }

    #[test]
    fn a_damaged_epoch_is_refused_rather_than_used_twice() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("epoch"), "seven").unwrap();
        assert!(matches!(State::open(directory.path()), Err(StateError::Io { .. })));
    }
}
