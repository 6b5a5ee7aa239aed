//! Which sensor is whose: the id of a sensor belongs to the certificate's name under which
//! it came first, so that no sensor can deliver, and have acknowledged, in another's place.
//!
//! In the store's `owners.json`, an object of names by ids. Who takes a name's entries out
//! of it, while the collector is not at work, lets others have the ids.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use activity_segments::{Machine, replace};

use crate::{failure::Failure, store::Layout};

/// Ids that one name may have: one for each time its machine was set up anew.
const IDS_MAX: usize = 64;

/// Why an id is not somebody's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotYours {
    /// Another has it.
    #[error("the sensor with this id is {0}, by the certificate that it showed first")]
    Another(String),
    /// It has too many.
    #[error("a certificate's name may have {IDS_MAX} ids; take old ones out of the collector's owners.json")]
    TooMany,
}

/// Who has which id.
#[derive(Debug)]
pub struct Owners {
    path: PathBuf,
    names: Mutex<BTreeMap<String, String>>,
}

impl Owners {
    /// Those of a store.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged: then nobody could tell whose is what.
    pub fn open(layout: &Layout) -> Result<Self, Failure> {
        let path = layout.owners();
        let names = read(&path).map_err(|error| {
            let path = path.display();
            Failure::unavailable(format!("{path} cannot be read ({error}): mend or remove it"))
        })?;
        Ok(Self { path, names: Mutex::new(names) })
    }

    /// A sensor with a certificate of this name says that it has this id; one without any
    /// comes over a way that this machine's administrator opened.
    ///
    /// # Errors
    /// When it cannot have it.
    pub fn claim(&self, sensor_id: &str, name: Option<&str>) -> Result<(), NotYours> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let name = match (names.get(sensor_id), name) {
            (Some(owner), Some(name)) if owner == name => return Ok(()),
            (Some(owner), _) => return Err(NotYours::Another(owner.clone())),
            (None, None) => return Ok(()),
            (None, Some(name)) => name,
        };
        if names.values().filter(|owner| *owner == name).count() >= IDS_MAX {
            return Err(NotYours::TooMany);
        }
        names.insert(sensor_id.to_owned(), name.to_owned());
        let written = serde_json::to_vec_pretty(&*names).map_err(io::Error::from);
        if let Err(error) = written.and_then(|bytes| replace(&Machine, &self.path, &bytes)) {
            let path = self.path.display();
            tracing::warn!("{path} cannot be written ({error}); a restart forgets whose id is whose");
        }
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<String, String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_belongs_to_the_name_that_had_it_first_and_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().to_str().unwrap()).unwrap();
        let owners = Owners::open(&layout).unwrap();
        assert_eq!(owners.claim("1", Some("web-1")), Ok(()));
        assert_eq!(owners.claim("1", Some("web-2")), Err(NotYours::Another("web-1".into())));
        assert_eq!(
            owners.claim("1", None),
            Err(NotYours::Another("web-1".into())),
            "nor without a certificate"
        );
        assert_eq!(owners.claim("2", None), Ok(()));
        assert_eq!(owners.claim("3", Some("web-1")), Ok(()), "a machine that was set up anew");
        let owners = Owners::open(&layout).unwrap();
        assert_eq!(owners.claim("3", Some("web-2")), Err(NotYours::Another("web-1".into())));
        assert_eq!(owners.claim("1", Some("web-1")), Ok(()));
    }

    #[test]
    fn one_name_cannot_take_all_ids() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().to_str().unwrap()).unwrap();
        let owners = Owners::open(&layout).unwrap();
        let taken = (0..2 * IDS_MAX).filter(|id| owners.claim(&id.to_string(), Some("a")).is_ok()).count();
        assert_eq!(taken, IDS_MAX);
        assert_eq!(owners.claim("x", Some("b")), Ok(()));
    }

    #[test]
    fn a_damaged_file_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().to_str().unwrap()).unwrap();
        fs::write(layout.owners(), "{").unwrap();
        assert!(Owners::open(&layout).is_err());
    }
}
