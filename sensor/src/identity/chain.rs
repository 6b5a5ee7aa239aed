//! The users on the way from a login to the one of the moment.

use std::sync::Arc;

use activity_proto::v1::Switch;
use prost_types::Timestamp;

use crate::enrich::{history::History, image::Image};

/// Steps that are kept of one chain.
const MAX: usize = 32;

/// A user at the beginning of a chain.
pub struct From {
    /// The login uid.
    pub uid: u32,
    /// Its name.
    pub name: String,
}

/// One step from a user to another.
#[derive(Clone, Debug)]
pub struct Step {
    from_uid: u32,
    to_uid: u32,
    /// As it is told.
    pub switch: Switch,
    /// The run of the program that did it: sudo changes users more than once on
    /// its way to the one it was asked for.
    run: Arc<Image>,
}

impl Step {
    /// A step to a user, by a program; where from is known when it is added.
    pub fn to(uid: u32, name: String, by: &Arc<Image>, since: Option<Timestamp>) -> Self {
        let switch = Switch {
            from: String::new(),
            to: name,
            by: String::from_utf8_lossy(by.name()).into_owned(),
            command: by.argv().to_vec(),
            since,
        };
        Self { from_uid: uid, to_uid: uid, switch, run: Arc::clone(by) }
    }
}

/// The steps of a process.
#[derive(Clone, Debug, Default)]
pub struct Chains(History<Arc<Vec<Step>>>);

impl Chains {
    /// The steps at that time.
    pub fn at(&self, time_ns: u64) -> &[Step] {
        self.0.at(time_ns)
    }

    /// Those that a child begins with.
    pub fn of_child(&self) -> Self {
        Self(History::new(Arc::clone(self.0.now())))
    }

    /// The user at the end.
    pub fn last_uid(steps: &[Step], login: u32) -> u32 {
        steps.last().map_or(login, |step| step.to_uid)
    }

    /// Adds a step; what is to be told of it, where there is one.
    pub fn add(&mut self, from: &From, mut step: Step, time_ns: u64) -> Option<Switch> {
        let now = self.0.now();
        let last = now.last();
        if step.to_uid == Self::last_uid(now, from.uid) {
            return None;
        }
        let mut steps = (**now).clone();
        let on_its_way = last.is_some_and(|last| Arc::ptr_eq(&last.run, &step.run));
        let before = if on_its_way { steps.pop() } else { None };
        match before.as_ref() {
            Some(before) => {
                (step.from_uid, step.switch.from) = (before.from_uid, before.switch.from.clone());
            }
            None => {
                step.from_uid = Self::last_uid(&steps, from.uid);
                step.switch.from = steps.last().map_or(from.name.clone(), |last| last.switch.to.clone());
            }
        }
        // Back where it began: nothing was switched.
        let told = (step.from_uid != step.to_uid).then(|| step.switch.clone());
        if told.is_some() && steps.len() < MAX {
            steps.push(step);
        }
        self.0.change(Arc::new(steps), time_ns);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn image(exe: &'static str) -> Arc<Image> {
        let argv = [Bytes::from_static(exe.as_bytes())];
        Arc::new(Image::from_proc(Bytes::from_static(exe.as_bytes()), false, &argv, Bytes::new()))
    }

    fn names(chains: &Chains) -> Vec<String> {
        chains.at(u64::MAX).iter().map(|step| format!("{}>{}", step.switch.from, step.switch.to)).collect()
    }

    fn step(uid: u32, name: &str, by: &Arc<Image>) -> Step {
        Step::to(uid, name.to_owned(), by, None)
    }

    #[test]
    fn a_program_on_its_way_to_a_user_is_one_step() {
        let (alice, mut chains) = (From { uid: 1000, name: "alice".into() }, Chains::default());
        let (sudo, su) = (image("/usr/bin/sudo"), image("/usr/bin/su"));
        assert!(chains.add(&alice, step(0, "root", &sudo), 1).is_some());
        assert!(chains.add(&alice, step(1001, "bob", &sudo), 2).is_some());
        assert_eq!(names(&chains), ["alice>bob"]);
        assert!(chains.add(&alice, step(70, "postgres", &su), 3).is_some());
        assert_eq!(names(&chains), ["alice>bob", "bob>postgres"]);
        assert!(chains.add(&alice, step(70, "postgres", &su), 4).is_none(), "already");
    }

    #[test]
    fn back_where_it_began_is_no_step() {
        let (alice, mut chains) = (From { uid: 1000, name: "alice".into() }, Chains::default());
        let ping = image("/usr/bin/ping");
        chains.add(&alice, step(0, "root", &ping), 1);
        assert!(chains.add(&alice, step(1000, "alice", &ping), 2).is_none());
        assert!(names(&chains).is_empty());
    }

    #[test]
    fn a_late_event_has_the_chain_of_its_time() {
        let (alice, mut chains) = (From { uid: 1000, name: "alice".into() }, Chains::default());
        chains.add(&alice, step(0, "root", &image("/usr/bin/sudo")), 10);
        assert!(chains.at(9).is_empty());
        assert_eq!(chains.at(10).len(), 1);
    }
}
