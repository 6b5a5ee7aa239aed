//! Which connections there are, as the subscriptions know and the writer asks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// The last connection to each address.
#[derive(Clone, Debug, Default)]
pub struct Links(Arc<Mutex<HashMap<String, Link>>>);

/// A connection.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Its number.
    pub connection: u64,
    /// When it was made.
    pub opened: Instant,
    /// Whether it is still there.
    pub is_open: bool,
}

impl Links {
    /// There is a connection, until what this returns is dropped.
    #[must_use]
    pub fn open(&self, address: String, connection: u64) -> OpenLink {
        self.open_at(address, connection, Instant::now())
    }

    /// The same at a time that is told.
    pub(super) fn open_at(&self, address: String, connection: u64, opened: Instant) -> OpenLink {
        let link = Link { connection, opened, is_open: true };
        self.locked().insert(address.clone(), link);
        OpenLink { links: self.clone(), address, connection }
    }

    /// The last connection to an address.
    pub fn last(&self, address: &str) -> Option<Link> {
        self.locked().get(address).copied()
    }

    /// Where a connection leads to.
    pub fn address(&self, connection: u64) -> Option<String> {
        let links = self.locked();
        let link = links.iter().find(|(_, link)| link.connection == connection);
        link.map(|(address, _)| address.clone())
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Link>> {
        // Nothing in it is ever left half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is there for as long as this is.
#[derive(Debug)]
pub struct OpenLink {
    links: Links,
    address: String,
    connection: u64,
}

impl Drop for OpenLink {
    fn drop(&mut self) {
        if let Some(link) = self.links.locked().get_mut(&self.address)
            && link.connection == self.connection
        {
            link.is_open = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_there_until_it_is_dropped_and_the_next_one_counts() {
        let links = Links::default();
        let is_open = || links.last("a").map(|link| link.is_open);
        assert_eq!(is_open(), None);
        let first = links.open("a".into(), 1);
        assert_eq!((is_open(), links.address(1).as_deref()), (Some(true), Some("a")));
        let second = links.open("a".into(), 2);
        drop(first);
        assert_eq!((is_open(), links.address(2).as_deref()), (Some(true), Some("a")));
        drop(second);
        assert_eq!(is_open(), Some(false));
        assert_eq!(links.address(2).as_deref(), Some("a"), "what it sent may still wait");
    }
}
