//! The process table: which program each process runs, fed by the fork, exec
//! and exit hooks, and once at start by /proc.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use activity_proto::v1::{Process, Truncation};
use sensor_types::process::Fork;

use super::{ancestry::Ancestry, history::History, image::Image};
use crate::identity::Who;

/// How long an ended process is kept for events of the other ring that are
/// still on their way.
const GRACE_NS: u64 = 5_000_000_000;

/// Processes kept at most: Linux's own limit for the number of pids.
const MAX: usize = 4 * 1024 * 1024;

/// How far up the parents of a process from /proc are followed.
const ANCESTORS: usize = 64;

/// The kernel's `USER_HZ`: /proc gives start times in these.
pub const TICK_NS: u64 = 10_000_000;

/// Which process: survives reuse of the pid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProcessId {
    /// In the initial pid namespace.
    pub pid: u32,
    /// `CLOCK_BOOTTIME` of its start in nanoseconds, of those from /proc in
    /// whole ticks.
    pub start_ns: u64,
}

/// One process.
#[derive(Debug)]
pub struct Entry {
    start: Start,
    image: History<Arc<Image>>,
    /// When it ended.
    exited_ns: Option<u64>,
    /// What it and its ancestors ran before.
    ancestry: Ancestry,
    /// Whose it is.
    pub who: Who,
}

/// When a process was started, as exactly as the source has it.
#[derive(Clone, Copy, Debug)]
enum Start {
    Exact(u64),
    /// From /proc, in ticks.
    Ticks(u64),
}

impl Start {
    fn is(self, start_ns: u64) -> bool {
        match self {
            Self::Exact(exact) => {
                exact == start_ns
                    || (start_ns.is_multiple_of(TICK_NS) && exact / TICK_NS == start_ns / TICK_NS)
            }
            Self::Ticks(ticks) => ticks == start_ns / TICK_NS,
        }
    }
}

/// The table.
#[derive(Debug, Default)]
pub struct Processes {
    by_pid: HashMap<u32, Entry>,
    /// Ended a moment ago, and another process has the pid already.
    former: HashMap<u32, Vec<Entry>>,
    /// Ended processes by the time of their end.
    ended: VecDeque<(u64, u32, u64)>,
}

impl Processes {
    /// A process that ran before the hooks did; what the hooks said since
    /// stands.
    pub fn seeded(&mut self, pid: u32, start_ticks: u64, image: Image, who: Who) {
        self.by_pid.entry(pid).or_insert_with(|| Entry {
            start: Start::Ticks(start_ticks),
            image: History::new(Arc::new(image)),
            exited_ns: None,
            ancestry: Ancestry::default(),
            who,
        });
    }

    /// A new process runs its parent's program.
    pub fn forked(&mut self, fork: &Fork) {
        let time = fork.header.boottime_ns;
        let parent = ProcessId { pid: fork.parent_pid, start_ns: fork.parent_start_ns };
        let maker = ProcessId { pid: fork.header.pid, start_ns: fork.header.start_ns };
        let known = self.get(parent).or_else(|| self.get(maker));
        let image = known.map(|parent| Arc::clone(parent.image_at(time))).unwrap_or_default();
        let ancestry = known.map(|parent| parent.ancestry.clone()).unwrap_or_default();
        let who = self.get(maker).or(known).map(|maker| maker.who.of_child(parent, &image));
        let who = who.unwrap_or_else(|| Who { parent: Some(parent), ..Who::default() });
        self.insert(fork.child_pid, fork.child_start_ns, image, who);
        if let Some(child) = self.by_pid.get_mut(&fork.child_pid) {
            child.ancestry = ancestry;
        }
    }

    /// A process has a new program.
    pub fn executed(&mut self, pid: u32, start_ns: u64, time_ns: u64, image: Image) {
        let image = Arc::new(image);
        match self.by_pid.get_mut(&pid).filter(|entry| entry.start.is(start_ns)) {
            Some(entry) => {
                entry.start = Start::Exact(start_ns);
                entry.ancestry = entry.ancestry.after(entry.image.now());
                entry.image.change(image, time_ns);
            }
            None => self.insert(pid, start_ns, image, Who::default()),
        }
    }

    /// A process has ended. False when that was known: before 6.16 two threads
    /// that leave at once may both be taken for the last.
    pub fn exited(&mut self, pid: u32, start_ns: u64, time_ns: u64) -> bool {
        self.forget(time_ns);
        match self.get_mut(ProcessId { pid, start_ns }) {
            Some(entry) if entry.exited_ns.is_some() => return false,
            Some(entry) => entry.exited_ns = Some(time_ns),
            // An ended process is put into the table for the sake of the next
            // report of its end.
            None => {
                self.insert(pid, start_ns, Arc::default(), Who::default());
                if let Some(entry) = self.by_pid.get_mut(&pid) {
                    entry.exited_ns = Some(time_ns);
                }
            }
        }
        self.ended.push_back((time_ns, pid, start_ns));
        true
    }

    /// Writes into an event's process what it ran at that time.
    pub fn describe(&self, time_ns: u64, process: &mut Process) -> Option<Truncation> {
        let entry = match process.start_boottime_ns {
            // Only the pid is known: the process that has it now.
            0 => self.alive(process.pid),
            start_ns => self.get(ProcessId { pid: process.pid, start_ns }),
        };
        entry?.image_at(time_ns).describe(process)
    }

    /// What a process and its ancestors ran before what it runs now.
    pub fn ancestry(&self, id: ProcessId) -> Ancestry {
        self.get(id).map(|entry| entry.ancestry.clone()).unwrap_or_default()
    }

    /// Completes processes that ran before the hooks did: what their parents run
    /// and ran.
    pub fn seeded_all(&mut self) {
        let ids: Vec<_> = self.iter().map(|(id, _)| id).collect();
        for id in ids {
            let ancestry = self.ancestry_by_parents(id);
            if let Some(entry) = self.get_mut(id) {
                entry.ancestry = ancestry;
            }
        }
    }

    fn ancestry_by_parents(&self, id: ProcessId) -> Ancestry {
        let parent = |id: &ProcessId| self.get(*id)?.who.parent.filter(|parent| parent != id);
        let ancestors: Vec<_> = std::iter::successors(parent(&id), parent).take(ANCESTORS).collect();
        let images = ancestors.iter().rev().filter_map(|id| Some(self.get(*id)?.image.now()));
        images.fold(Ancestry::default(), |ancestry, image| ancestry.after(image))
    }

    /// Number of processes, those that ended a moment ago included.
    pub fn len(&self) -> usize {
        self.by_pid.len()
    }

    /// What is known of a process.
    pub fn get(&self, id: ProcessId) -> Option<&Entry> {
        let is_it = |entry: &&Entry| entry.start.is(id.start_ns);
        let former = || self.former.get(&id.pid)?.iter().find(is_it);
        self.by_pid.get(&id.pid).filter(is_it).or_else(former)
    }

    /// The same, to learn more of it.
    pub fn get_mut(&mut self, id: ProcessId) -> Option<&mut Entry> {
        let is_it = |entry: &&mut Entry| entry.start.is(id.start_ns);
        let former = self.former.get_mut(&id.pid).and_then(|former| former.iter_mut().find(is_it));
        self.by_pid.get_mut(&id.pid).filter(is_it).or(former)
    }

    /// The process that has this pid now.
    pub fn alive(&self, pid: u32) -> Option<&Entry> {
        self.by_pid.get(&pid).filter(|entry| entry.exited_ns.is_none())
    }

    /// All that live.
    pub fn iter(&self) -> impl Iterator<Item = (ProcessId, &Entry)> {
        let alive = self.by_pid.iter().filter(|(_, entry)| entry.exited_ns.is_none());
        alive.map(|(pid, entry)| (ProcessId { pid: *pid, start_ns: entry.start.nanoseconds() }, entry))
    }

    fn insert(&mut self, pid: u32, start_ns: u64, image: Arc<Image>, who: Who) {
        if self.by_pid.len() >= MAX && !self.by_pid.contains_key(&pid) {
            return;
        }
        let start = Start::Exact(start_ns);
        let entry =
            Entry { start, image: History::new(image), exited_ns: None, ancestry: Ancestry::default(), who };
        let former = self.by_pid.insert(pid, entry);
        // One whose end is not known would never be forgotten.
        if let Some(former) = former.filter(|former| former.exited_ns.is_some()) {
            self.former.entry(pid).or_default().push(former);
        }
    }

    /// Lets go of what ended more than the grace ago.
    fn forget(&mut self, now_ns: u64) {
        while let Some(&(time, pid, start)) = self.ended.front() {
            if time.saturating_add(GRACE_NS) > now_ns {
                break;
            }
            self.ended.pop_front();
            self.remove(pid, start);
        }
    }

    fn remove(&mut self, pid: u32, start_ns: u64) {
        let is_it = |entry: &Entry| entry.start.is(start_ns) && entry.exited_ns.is_some();
        if self.by_pid.get(&pid).is_some_and(is_it) {
            self.by_pid.remove(&pid);
        } else if let Some(former) = self.former.get_mut(&pid) {
            former.retain(|entry| !is_it(entry));
            if former.is_empty() {
                self.former.remove(&pid);
            }
        }
    }
}

impl Start {
    fn nanoseconds(self) -> u64 {
        match self {
            Self::Exact(exact) => exact,
            Self::Ticks(ticks) => ticks.saturating_mul(TICK_NS),
        }
    }
}

impl Entry {
    /// When it was started, as [`ProcessId::start_ns`].
    pub fn id(&self, pid: u32) -> ProcessId {
        ProcessId { pid, start_ns: self.start.nanoseconds() }
    }

    /// When it was made, in nanoseconds of `CLOCK_BOOTTIME`.
    pub fn began_ns(&self) -> u64 {
        self.start.nanoseconds()
    }

    /// The program before the one it runs since its last exec.
    pub fn image_before(&self) -> &Arc<Image> {
        self.image.last().unwrap_or(self.image.now())
    }

    /// Whether it had ended by then.
    pub fn is_over(&self, time_ns: u64) -> bool {
        self.exited_ns.is_some_and(|exited| exited <= time_ns)
    }

    /// The program it ran at that time.
    pub fn image_at(&self, time_ns: u64) -> &Arc<Image> {
        self.image.at(time_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use sensor_types::header::Header;
    use zerocopy::FromZeros as _;

    fn image(exe: &'static str) -> Image {
        Image::from_proc(Bytes::from_static(exe.as_bytes()), false, &[Bytes::from_static(b"x")], Bytes::new())
    }

    fn exe(processes: &Processes, pid: u32, start: u64, time: u64) -> Bytes {
        let mut process = Process { pid, start_boottime_ns: start, ..Process::default() };
        processes.describe(time, &mut process);
        process.exe
    }

    fn fork(parent: (u32, u64), child: (u32, u64), time: u64) -> Fork {
        let mut header = Header::new_zeroed();
        (header.pid, header.start_ns, header.boottime_ns) = (parent.0, parent.1, time);
        Fork {
            header,
            child_start_ns: child.1,
            parent_start_ns: parent.1,
            child_pid: child.0,
            parent_pid: parent.0,
        }
    }

    #[test]
    fn a_child_runs_its_parents_program_until_it_runs_its_own() {
        let mut processes = Processes::default();
        processes.executed(10, 100, 200, image("/bin/sh"));
        processes.forked(&fork((10, 100), (11, 300), 300));
        assert_eq!(exe(&processes, 11, 300, 310), "/bin/sh");
        processes.executed(11, 300, 400, image("/bin/ls"));
        assert_eq!(exe(&processes, 11, 300, 410), "/bin/ls");
    }

    #[test]
    fn an_event_from_before_the_exec_belongs_to_the_program_before() {
        let mut processes = Processes::default();
        processes.executed(10, 100, 200, image("/bin/sh"));
        processes.executed(10, 100, 400, image("/bin/ls"));
        assert_eq!(exe(&processes, 10, 100, 399), "/bin/sh");
    }

    #[test]
    fn a_pid_that_is_used_again_is_another_process() {
        let mut processes = Processes::default();
        processes.executed(10, 100, 200, image("/bin/old"));
        assert!(processes.exited(10, 100, 300));
        processes.executed(10, 500, 600, image("/bin/new"));
        assert_eq!(exe(&processes, 10, 100, 250), "/bin/old", "for what is told of it yet");
        assert_eq!(exe(&processes, 10, 500, 700), "/bin/new");
        assert!(!processes.exited(10, 100, 301), "the second report");
        assert!(processes.exited(99, 1, 300 + 2 * GRACE_NS));
        assert_eq!(exe(&processes, 10, 500, 700), "/bin/new");
        assert_eq!(exe(&processes, 10, 100, 250), "", "forgotten");
        assert!(processes.former.is_empty());
    }

    #[test]
    fn the_second_report_of_an_end_is_noticed() {
        let mut processes = Processes::default();
        assert!(processes.exited(10, 100, 300));
        assert!(!processes.exited(10, 100, 301));
        assert!(processes.exited(10, 400, 500));
    }

    #[test]
    fn ended_processes_are_forgotten_after_the_grace() {
        let mut processes = Processes::default();
        processes.executed(10, 100, 200, image("/bin/sh"));
        processes.exited(10, 100, 300);
        assert_eq!(exe(&processes, 10, 100, 301), "/bin/sh");
        processes.exited(11, 100, 301 + GRACE_NS);
        assert_eq!(processes.len(), 1);
    }

    #[test]
    fn a_process_from_proc_is_known_by_its_start_in_ticks() {
        let mut processes = Processes::default();
        processes.seeded(10, 7, image("/sbin/init"), Who::default());
        assert_eq!(exe(&processes, 10, 7 * TICK_NS + 123, 0), "/sbin/init");
        assert_eq!(exe(&processes, 10, 8 * TICK_NS, 0), "");
    }
}
