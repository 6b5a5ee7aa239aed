//! Names of users and groups.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// How long an answer of the name service stands, also "nobody".
const FRESH: Duration = Duration::from_secs(60);
/// Names kept at most.
const MAX: usize = 16 * 1024;

/// Looks names up and remembers them for a while.
#[derive(Default)]
pub struct Users {
    users: Names,
    groups: Names,
}

impl Users {
    /// Looks at the clock: names that have grown old are asked for again.
    pub fn tick(&mut self) {
        self.users.tick(Instant::now());
        self.groups.tick(Instant::now());
    }

    /// The user's name; empty when there is none.
    pub fn user(&mut self, uid: u32) -> String {
        self.users.get(uid, |uid| {
            uzers::get_user_by_uid(uid).map(|user| user.name().to_string_lossy().into_owned())
        })
    }

    /// The group's name; empty when there is none.
    pub fn group(&mut self, gid: u32) -> String {
        self.groups.get(gid, |gid| {
            uzers::get_group_by_gid(gid).map(|group| group.name().to_string_lossy().into_owned())
        })
    }
}

#[derive(Default)]
struct Names {
    by_id: HashMap<u32, String>,
    since: Option<Instant>,
}

impl Names {
    fn tick(&mut self, now: Instant) {
        if self.since.is_none_or(|since| now.duration_since(since) >= FRESH) {
            self.by_id.clear();
            self.since = Some(now);
        }
    }

    fn get(&mut self, id: u32, look_up: impl FnOnce(u32) -> Option<String>) -> String {
        if let Some(name) = self.by_id.get(&id) {
            return name.clone();
        }
        if self.by_id.len() >= MAX {
            self.by_id.clear();
        }
        let name = look_up(id).unwrap_or_default();
        self.by_id.insert(id, name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_once_while_it_is_fresh() {
        let mut names = Names::default();
        assert_eq!(names.get(5, |_| Some("games".to_owned())), "games");
        assert_eq!(names.get(5, |_| panic!("asked again")), "games");
        names.tick(Instant::now());
        assert_eq!(names.get(5, |_| Some("toys".to_owned())), "toys");
    }

    #[test]
    fn a_user_without_a_name_has_none() {
        assert_eq!(Users::default().user(3_999_999_999), "");
        assert_eq!(Users::default().user(0), "root");
    }
}
