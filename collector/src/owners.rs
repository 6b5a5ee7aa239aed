//! Which sensor is whose: the id of a sensor belongs to the certificate's name under which
//! it came first, so that no sensor can deliver, and have acknowledged, in another's place.
//!
//! In the table `owners` of the store's `state.sqlite`. Who takes a name's rows out of it,
//! while the collector is not at work, lets others have the ids.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use crate::{
    failure::Failure,
    state::{self, State},
    store::Layout,
};

/// Ids that one name may have: one for each time its machine was set up anew.
const IDS_MAX: usize = 64;

/// Why an id is not somebody's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotYours {
    /// Another has it.
    #[error("the sensor with this id is {0}, by the certificate that it showed first")]
    Another(String),
    /// It has too many.
    #[error(
        "a certificate's name may have {IDS_MAX} ids; take old ones out of the table owners of the collector's state.sqlite"
    )]
    TooMany,
}

/// Who has which id.
#[derive(Debug)]
pub struct Owners {
    path: PathBuf,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    state: State,
    names: BTreeMap<String, String>,
}

impl Owners {
    /// Those of a store.
    ///
    /// # Errors
    /// When they cannot be read: then nobody could tell whose is what.
    pub fn open(layout: &Layout) -> Result<Self, Failure> {
        let path = layout.state();
        let kept = State::open(layout).and_then(|state| {
            let names = state.owners()?;
            Ok(Kept { state, names })
        });
        let kept = kept.map_err(|error| state::failure(&path, &error))?;
        Ok(Self { path, kept: Mutex::new(kept) })
    }

    /// A sensor with a certificate of this name says that it has this id; one without any
    /// comes over a way that this machine's administrator opened.
    ///
    /// # Errors
    /// When it cannot have it.
    pub fn claim(&self, sensor_id: &str, name: Option<&str>) -> Result<(), NotYours> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { state, names } = &mut *kept;
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
        if let Err(error) = state.own(sensor_id, name) {
            let path = self.path.display();
            tracing::warn!("{path} cannot be written ({error}); a restart forgets whose id is whose");
        }
        Ok(())
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
        std::fs::write(layout.state(), "no database, whatever it is").unwrap();
        let failure = Owners::open(&layout).unwrap_err().to_string();
        assert!(failure.contains("state.sqlite"), "{failure}");
        assert!(std::fs::read_to_string(layout.state()).unwrap().starts_with("no database"));
    }
}
