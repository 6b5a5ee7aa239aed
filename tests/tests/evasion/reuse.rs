//! Very many short-lived processes that share few ids.

use std::collections::{HashMap, HashSet};

use activity_proto::v1::Event;
use activity_tests::{EventExt as _, Machine, Person, Sensor, here, skip};

use crate::race::{count, play};

/// What one process was, by what it was told.
#[derive(Debug)]
struct Life {
    pid: u32,
    uid: String,
    parent: String,
}

#[derive(Default)]
struct Lives {
    /// The program that starts them all.
    parent: Option<String>,
    by_number: HashMap<usize, Life>,
    ended: HashSet<String>,
    /// What cannot be, in words.
    wrong: Vec<String>,
}

impl Lives {
    fn take(&mut self, event: &Event, person: Person) {
        let process = event.who();
        if event.exec().is_none() && event.exit().is_none() {
            return;
        }
        if event.login().0 != Some(person.auid) {
            self.wrong.push(format!("another person: {event:?}"));
        }
        let argv: Vec<&[u8]> = process.argv.iter().map(AsRef::as_ref).collect();
        match (argv.get(1).copied(), argv.get(3)) {
            (Some(b"burst"), _) => self.parent = Some(process.uid),
            (Some(b"nothing"), Some(number)) => {
                let number = std::str::from_utf8(number).unwrap().parse().unwrap();
                if event.exec().is_some() { self.began(number, event) } else { self.ended(number, event) }
            }
            _ => self.wrong.push(format!("an unknown program: {event:?}")),
        }
    }

    fn began(&mut self, number: usize, event: &Event) {
        let process = event.who();
        let life = Life { pid: process.pid, uid: process.uid, parent: process.parent_uid };
        if self.by_number.insert(number, life).is_some() {
            self.wrong.push(format!("began twice: {event:?}"));
        }
    }

    fn ended(&mut self, number: usize, event: &Event) {
        let process = event.who();
        let known = self.by_number.get(&number);
        if known.is_none_or(|life| life.uid != process.uid || life.pid != process.pid) {
            self.wrong.push(format!("the end of another process: {event:?}, began as {known:?}"));
        }
        if !self.ended.insert(process.uid) {
            self.wrong.push(format!("ended twice: {event:?}"));
        }
    }
}

#[test]
fn processes_that_share_few_ids_are_never_taken_for_one_another() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut lives = Lives::default();
    let mut lost = 0;
    let report = play("burst", count(3_000, 100_000), &sensor, person, |events| {
        for event in events {
            if let Some(activity_proto::v1::event::Payload::Gap(gap)) = &event.payload {
                lost += gap.counts.iter().map(|count| count.count).sum::<u64>();
            }
            lives.take(&event, person);
        }
    });
    if let Some(why) = report.cannot {
        return skip(here!(), &why);
    }
    let wrong = &lives.wrong;
    assert!(wrong.is_empty(), "{} are wrong, such as {}", wrong.len(), wrong[0]);
    assert_eq!(lost, 0, "events lost");

    let truth = std::fs::read_to_string(sensor.path("burst").join("truth")).unwrap();
    let processes = truth.lines().count();
    let mut pids = HashSet::new();
    let mut uids = HashSet::new();
    for line in truth.lines() {
        let (pid, number) = line.split_once(' ').unwrap();
        let life = &lives.by_number[&number.parse().unwrap()];
        assert_eq!(life.pid.to_string(), pid, "number {number}");
        assert_eq!(Some(&life.parent), lives.parent.as_ref(), "number {number}");
        assert!(lives.ended.contains(&life.uid), "number {number} never ended");
        pids.insert(pid);
        uids.insert(&life.uid);
    }
    assert_eq!((uids.len(), lives.by_number.len()), (processes, processes));
    println!("{processes} processes with {} ids, none taken for another", pids.len());
    assert!(pids.len() < processes / 2, "ids were hardly used again: {}", pids.len());
}
