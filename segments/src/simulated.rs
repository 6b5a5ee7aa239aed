//! A file system in memory that behaves as badly as a real one may: a loss of power
//! drops, reorders and tears what was not made durable; it fills up; it fails.
//!
//! Content that was not made durable keeps, after a loss of power, a random length,
//! of which random sectors are zeroes. Of the changes of names that were not made
//! durable each is there or not, whatever came before or after it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fastrand::Rng;

use crate::{Disk, DiskFile};

/// What a loss of power keeps or loses as a whole.
const SECTOR: usize = 512;

/// A file system in memory; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Simulated(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, Content>,
    durable: BTreeMap<PathBuf, Content>,
    changes: Vec<Change>,
    directories: BTreeSet<PathBuf>,
    /// Bytes that there is room for in all.
    room: Option<u64>,
    /// Every write and sync fails.
    is_broken: bool,
    /// Calls that changed something, or would have.
    calls: u64,
    /// From this one on nothing reaches the disk.
    cut_off_at: Option<u64>,
}

/// A file, whatever its name is.
type Content = Arc<Mutex<Bytes>>;

#[derive(Debug, Default)]
struct Bytes {
    now: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Change {
    Created(PathBuf, Content),
    Removed(PathBuf),
    Renamed(PathBuf, PathBuf),
}

impl Change {
    fn directory(&self) -> Option<&Path> {
        match self {
            Self::Created(path, _) | Self::Removed(path) | Self::Renamed(_, path) => path.parent(),
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, Content>) {
        match self {
            Self::Created(path, content) => {
                names.insert(path, content);
            }
            Self::Removed(path) => {
                names.remove(&path);
            }
            Self::Renamed(from, to) => {
                if let Some(content) = names.remove(&from) {
                    names.insert(to, content);
                }
            }
        }
    }
}

impl Simulated {
    /// What a loss of power leaves, drawn with `rng`: another file system.
    #[must_use]
    pub fn after_power_loss(&self, rng: &mut Rng) -> Self {
        let state = locked(&self.0);
        let mut names = state.durable.clone();
        for change in &state.changes {
            if rng.bool() {
                change.clone().apply(&mut names);
            }
        }
        let kept = |(path, content): (PathBuf, Content)| {
            let left = locked(&content).after_power_loss(rng);
            let left = Bytes { durable: left.clone(), now: left };
            (path, Arc::new(Mutex::new(left)))
        };
        let names: BTreeMap<_, _> = names.into_iter().map(kept).collect();
        let directories = state.directories.clone();
        Self(Arc::new(Mutex::new(State {
            durable: names.clone(),
            names,
            directories,
            room: state.room,
            ..State::default()
        })))
    }

    /// What the kill of the only process that used it leaves: everything.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        let state = locked(&self.0);
        Self(Arc::new(Mutex::new(State {
            names: state.names.clone(),
            durable: state.durable.clone(),
            changes: state.changes.clone(),
            directories: state.directories.clone(),
            room: state.room,
            ..State::default()
        })))
    }

    /// There is room for so many bytes in all; `None`: for any number.
    pub fn set_room(&self, room: Option<u64>) {
        locked(&self.0).room = room;
    }

    /// Every write and sync fails from now on, or no more.
    pub fn set_broken(&self, is_broken: bool) {
        locked(&self.0).is_broken = is_broken;
    }

    /// Nothing reaches the disk from this call on, counted from the first; each fails.
    pub fn cut_off_at(&self, call: u64) {
        locked(&self.0).cut_off_at = Some(call);
    }

    /// Calls that changed something.
    #[must_use]
    pub fn calls(&self) -> u64 {
        locked(&self.0).calls
    }

    /// What a file holds.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        locked(&self.0).names.get(path).map(|content| locked(content).now.clone())
    }

    /// Puts something else into a file.
    pub fn damage(&self, path: &Path, bytes: Vec<u8>) {
        if let Some(content) = locked(&self.0).names.get(path) {
            locked(content).now.clone_from(&bytes);
            locked(content).durable = bytes;
        }
    }

    fn change(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = locked(&self.0);
        state.calls += 1;
        let is_cut_off = state.cut_off_at.is_some_and(|call| state.calls >= call);
        if state.is_broken || is_cut_off {
            return Err(io::Error::other("input/output error (simulated)"));
        }
        Ok(state)
    }
}

impl Bytes {
    fn after_power_loss(&self, rng: &mut Rng) -> Vec<u8> {
        let (least, most) = (self.durable.len().min(self.now.len()), self.durable.len().max(self.now.len()));
        let length = rng.usize(least..=most);
        let mut left = self.durable.clone();
        left.resize(length.max(left.len()), 0);
        for start in (0..length).step_by(SECTOR) {
            let end = (start + SECTOR).min(length);
            if let (Some(room), Some(new)) = (left.get_mut(start..end), self.now.get(start..end))
                && rng.bool()
            {
                room.copy_from_slice(new);
            }
        }
        left.truncate(length);
        // What was durable and not changed since is there.
        let same = self.durable.iter().zip(&self.now).take_while(|(old, new)| old == new).count();
        if let (Some(room), Some(old)) =
            (left.get_mut(..same.min(length)), self.durable.get(..same.min(length)))
        {
            room.copy_from_slice(old);
        }
        left
    }
}

impl Disk for Simulated {
    type File = SimulatedFile;

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.change()?;
        state.directories.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<SimulatedFile> {
        let mut state = self.change()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|directory| state.directories.contains(directory)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let content = Content::default();
        state.names.insert(path.to_owned(), Arc::clone(&content));
        state.changes.push(Change::Created(path.to_owned(), Arc::clone(&content)));
        Ok(SimulatedFile { disk: self.clone(), content })
    }

    fn open(&self, path: &Path) -> io::Result<SimulatedFile> {
        let content = locked(&self.0).names.get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(SimulatedFile { disk: self.clone(), content })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let state = locked(&self.0);
        if !state.directories.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.names.keys().filter(|name| name.parent() == Some(path));
        let names = inside.filter_map(|name| name.file_name());
        let below = state.directories.iter().filter(|name| name.parent() == Some(path));
        Ok(names.chain(below.filter_map(|name| name.file_name())).map(OsString::from).collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.change()?;
        state.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        state.changes.push(Change::Removed(path.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.change()?;
        let content = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), content);
        state.changes.push(Change::Renamed(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.change()?;
        let (here, elsewhere) =
            state.changes.drain(..).partition(|change: &Change| change.directory() == Some(path));
        state.changes = elsewhere;
        let here: Vec<Change> = here;
        here.into_iter().for_each(|change| change.apply(&mut state.durable));
        Ok(())
    }
}

/// An open file of a [`Simulated`] disk.
#[derive(Debug)]
pub struct SimulatedFile {
    disk: Simulated,
    content: Content,
}

impl DiskFile for SimulatedFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let state = self.disk.change()?;
        let used: usize = state.names.values().map(|content| locked(content).now.len()).sum();
        let free = state.room.map_or(u64::MAX, |room| room.saturating_sub(used as u64));
        let fitting = usize::try_from(free).map_or(bytes.len(), |free| free.min(bytes.len()));
        locked(&self.content).now.extend_from_slice(bytes.get(..fitting).unwrap_or_default());
        if fitting < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn read_at(&self, room: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = locked(&self.content);
        let rest = usize::try_from(offset).ok().and_then(|offset| content.now.get(offset..));
        let rest = rest.unwrap_or_default();
        let read = rest.len().min(room.len());
        if let (Some(room), Some(rest)) = (room.get_mut(..read), rest.get(..read)) {
            room.copy_from_slice(rest);
        }
        Ok(read)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(locked(&self.content).now.len() as u64)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let _state = self.disk.change()?;
        locked(&self.content).now.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let _state = self.disk.change()?;
        let mut content = locked(&self.content);
        content.durable = content.now.clone();
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(durable: &[u8], more: &[u8]) -> (Simulated, PathBuf) {
        let (disk, path) = (Simulated::default(), PathBuf::from("/d/file"));
        disk.create_directory(Path::new("/d")).unwrap();
        let file = disk.create(&path).unwrap();
        file.append(durable).unwrap();
        file.sync().unwrap();
        disk.sync_directory(Path::new("/d")).unwrap();
        file.append(more).unwrap();
        (disk, path)
    }

    #[test]
    fn a_loss_of_power_keeps_what_is_durable_and_part_of_the_rest() {
        let mut lengths = BTreeSet::new();
        for seed in 0..100 {
            let (disk, path) = with_file(b"durable", &[b'x'; 2000]);
            let left = disk.after_power_loss(&mut Rng::with_seed(seed)).content(&path).unwrap();
            assert!(left.starts_with(b"durable"), "seed {seed}");
            lengths.insert(left.len());
        }
        assert!(lengths.len() > 50);
    }

    #[test]
    fn a_name_that_was_not_made_durable_may_be_lost_and_a_kill_loses_nothing() {
        let disk = Simulated::default();
        disk.create_directory(Path::new("/d")).unwrap();
        disk.create(Path::new("/d/new")).unwrap();
        let count = |disk: &Simulated| disk.list(Path::new("/d")).unwrap().len();
        let left: BTreeSet<usize> =
            (0..50).map(|seed| count(&disk.after_power_loss(&mut Rng::with_seed(seed)))).collect();
        assert_eq!(left, [0, 1].into());
        assert_eq!(count(&disk.after_kill()), 1);
    }

    #[test]
    fn a_full_disk_takes_what_fits_and_a_broken_one_nothing() {
        let (disk, path) = with_file(b"1234", b"");
        disk.set_room(Some(6));
        let file = disk.open(&path).unwrap();
        assert_eq!(file.append(b"5678").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.content(&path).unwrap(), b"123456");
        disk.set_broken(true);
        assert!(file.sync().is_err());
    }
}
