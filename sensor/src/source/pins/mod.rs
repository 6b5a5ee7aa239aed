//! Hooks that outlive the sensor (`hooks.pin`): programs, rings and counts are pinned in a
//! bpf file system. The next run goes on where they are; `activity-sensor unload` takes
//! them out of the kernel.
//!
//! ```text
//! PIN/SENSOR-ID/GENERATION/maps/NAME     every map of the object, and TALLY (`tally.rs`)
//! PIN/SENSOR-ID/GENERATION/links/NAME    what keeps each program attached
//! STATE/hooks.json                       which generation is at work, and what it is
//! ```
//!
//! A run whose programs would be the same takes the ones that are there: nothing is
//! loaded, and what happened meanwhile is in the rings. One whose programs are others, of
//! another version or configuration, loads them beside the old ones and notes the moment.
//! The old ones tell what was before it, the new ones what came after; then the old ones
//! go. `hooks.json` is written between the two, so a kill at any moment leaves something
//! that the next run can go on with.

mod description;
mod put;
mod seam;
mod take;
mod tally;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::fs::{FsWord, statfs};
use thiserror::Error;

pub use description::Description;
use description::fingerprint;
pub use seam::Seam;

use super::{
    kernel::Kernel,
    load::{LoadError, LoadOptions, attach, chain},
};
use crate::{clock, config::HooksConfig};

/// The file in the sensor's state that says what is pinned.
const DESCRIPTION: &str = "hooks.json";

/// `BPF_FS_MAGIC` of the kernel's include/uapi/linux/magic.h.
const BPF_FS_MAGIC: FsWord = 0xcafe_4a11;

/// Why hooks cannot be kept for the next run.
#[derive(Debug, Error)]
pub enum PinError {
    /// Pins are made in bpf file systems only.
    #[error(
        "{} (hooks.pin) is not in a bpf file system; mount one with `mount -t bpf bpf /sys/fs/bpf` and name a directory in it",
        .0.display()
    )]
    NotBpf(PathBuf),
    /// The system refused something.
    #[error("cannot {action} {} ({error}); see to that, or leave out hooks.pin", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        error: String,
    },
}

impl PinError {
    fn new(action: &'static str, path: &Path, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Io { action, path: path.to_owned(), error: chain(error) }
    }
}

/// Where the pins of a sensor are.
pub struct Pins {
    /// The directory of this sensor's generations; `None` where its hooks are to end with it.
    wanted: Option<PathBuf>,
    /// `hooks.json`
    description: PathBuf,
}

impl Pins {
    /// Of the sensor with that id, which keeps its state there. Nothing is made yet.
    pub fn new(pin: Option<&Path>, sensor_id: &str, state: &Path) -> Self {
        Self { wanted: pin.map(|pin| pin.join(sensor_id)), description: state.join(DESCRIPTION) }
    }

    /// Takes over the hooks that are pinned, or loads some, as the configuration wants.
    ///
    /// # Errors
    /// When the kernel does not allow it.
    pub fn start(&self, config: &HooksConfig, options: LoadOptions) -> Result<Kernel, LoadError> {
        self.make()?;
        let fingerprint = fingerprint(config, options);
        let standing = Description::read(&self.description);
        if let Some(standing) = &standing
            && standing.fingerprint == fingerprint
            && self.wanted.as_ref().is_some_and(|wanted| standing.directory.starts_with(wanted))
        {
            match take::take_over(standing) {
                Ok(mut kernel) => {
                    tracing::info!(pinned = %standing.directory.display(), "the hooks were at work already");
                    self.finish(standing, &mut kernel);
                    self.sweep();
                    return Ok(kernel);
                }
                Err(error) => {
                    tracing::warn!(%error, "the pinned hooks cannot be taken over; new ones are loaded")
                }
            }
        }
        let mut kernel = self.replace(standing, fingerprint, config, options)?;
        self.sweep();
        kernel.stays = self.wanted.is_some();
        Ok(kernel)
    }

    /// Loads hooks, and has them go on where the ones before are.
    fn replace(
        &self,
        standing: Option<Description>,
        fingerprint: String,
        config: &HooksConfig,
        options: LoadOptions,
    ) -> Result<Kernel, LoadError> {
        let loaded = attach(config, options)?;
        let Some(wanted) = &self.wanted else {
            let mut kernel = loaded.into_kernel(crate::tally::Tally::default())?;
            if let Some(standing) = standing {
                take::hand_over(&standing.directory, standing.format, clock::boottime_ns(), &mut kernel);
            }
            remove_file(&self.description)?;
            return Ok(kernel);
        };
        let directory = wanted.join(generation()?);
        let hooks = loaded.hooks.clone();
        let mut kernel = put::put(loaded, &directory).inspect_err(|_| remove(&directory))?;
        let since_ns = if standing.is_some() { clock::boottime_ns() } else { 0 };
        let before = standing.map(|standing| (standing.directory, standing.format));
        let description = Description::new(directory, fingerprint, since_ns, before, hooks);
        description.write(&self.description)?;
        tracing::info!(pinned = %description.directory.display(), "the hooks stay when the sensor ends");
        self.finish(&description, &mut kernel);
        Ok(kernel)
    }

    /// Has the programs before these go, where there are any still.
    fn finish(&self, description: &Description, kernel: &mut Kernel) {
        let Some((directory, format)) = &description.before else { return };
        take::hand_over(directory, *format, description.since_ns, kernel);
        let alone = Description { before: None, ..description.clone() };
        if let Err(error) = alone.write(&self.description) {
            tracing::warn!(%error, "the next run looks for hooks that are gone, which does no harm");
        }
    }

    /// Makes the directory, in a bpf file system.
    fn make(&self) -> Result<(), PinError> {
        let Some(wanted) = &self.wanted else { return Ok(()) };
        let mut existing = wanted.as_path();
        while !existing.exists()
            && let Some(parent) = existing.parent()
        {
            existing = parent;
        }
        let kind = statfs(existing).map_err(|error| PinError::new("look at", existing, &error))?;
        if kind.f_type != BPF_FS_MAGIC {
            return Err(PinError::NotBpf(wanted.parent().unwrap_or(wanted).to_owned()));
        }
        fs::create_dir_all(wanted).map_err(|error| PinError::new("create the directory", wanted, &error))
    }

    /// Removes what nobody describes: of a run that was killed while it loaded.
    fn sweep(&self) {
        let Some(wanted) = &self.wanted else { return };
        let described = Description::read(&self.description).map(|description| description.directory);
        let Ok(entries) = fs::read_dir(wanted) else { return };
        let generations = entries.flatten().map(|entry| entry.path());
        generations.filter(|path| Some(path) != described.as_ref()).for_each(|path| remove(&path));
    }
}

/// Takes the hooks of the sensor that keeps its state there out of the kernel. How many
/// records nobody had read; `None` where there are no hooks.
///
/// # Errors
/// When the system refuses.
pub fn unload(state: &Path) -> Result<Option<u64>, PinError> {
    let path = state.join(DESCRIPTION);
    let Some(standing) = Description::read(&path) else { return Ok(None) };
    let mut unread = 0;
    for (directory, format) in standing.all() {
        match take::drain(directory, format, u64::MAX) {
            Ok(drained) => unread += drained.records(),
            Err(error) => tracing::warn!(%error, "what nobody had read is not counted"),
        }
        remove(directory);
        if directory.exists() {
            return Err(PinError::new("remove", directory, &io::Error::other("something in it stays")));
        }
    }
    if let Some(parent) = standing.directory.parent() {
        // Where something else is in it, it stays.
        let _ = fs::remove_dir(parent);
    }
    remove_file(&path)?;
    Ok(Some(unread))
}

/// The name of a new generation.
fn generation() -> Result<String, PinError> {
    let path = Path::new("/proc/sys/kernel/random/uuid");
    let id = fs::read_to_string(path).map_err(|error| PinError::new("read", path, &error))?;
    Ok(id.trim().to_owned())
}

/// Removes a generation. What stays is said, and tried again by the next run.
fn remove(directory: &Path) {
    if let Err(error) = fs::remove_dir_all(directory)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(directory = %directory.display(), %error, "pinned hooks cannot be removed");
    }
}

fn remove_file(path: &Path) -> Result<(), PinError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(PinError::new("remove", path, &error)),
        _ => Ok(()),
    }
}
