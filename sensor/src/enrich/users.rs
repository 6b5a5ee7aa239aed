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
struct Names(HashMap<u32, (Instant, String)>);

impl Names {
    fn get(&mut self, id: u32, look_up: impl FnOnce(u32) -> Option<String>) -> String {
        if let Some((asked, name)) = self.0.get(&id)
            && asked.elapsed() < FRESH
        {
            return name.clone();
        }
        if self.0.len() >= MAX {
            self.0.clear();
        }
        let name = look_up(id).unwrap_or_default();
        self.0.insert(id, (Instant::now(), name.clone()));
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
    }

    #[test]
    fn a_user_without_a_name_has_none() {
        assert_eq!(Users::default().user(3_999_999_999), "");
        assert_eq!(Users::default().user(0), "root");
    }
}
