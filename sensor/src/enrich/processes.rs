//! The process table: which program each process runs, fed by the fork, exec
//! and exit hooks, and once at start by /proc.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use activity_proto::v1::{Device, Process, ProcessSource, Truncation};
use bytes::Bytes;
use sensor_types::process::Fork;

use super::ancestry::Ancestry;
use crate::identity::Who;

/// How long an ended process is kept for events of the other ring that are
/// still on their way.
const GRACE_NS: u64 = 5_000_000_000;

/// Bytes of argv that events other than exec repeat. The exec event has all.
const SHORT_ARGV: usize = 256;

/// Processes kept at most: Linux's own limit for the number of pids.
const MAX: usize = 4 * 1024 * 1024;

/// How far up the parents of a process from /proc are followed.
const ANCESTORS: usize = 64;

/// The kernel's `USER_HZ`: /proc gives start times in these.
pub const TICK_NS: u64 = 10_000_000;

/// A program as a process runs it.
#[derive(Debug, Default)]
pub struct Image {
    exe: Bytes,
    exe_inode: Option<u64>,
    exe_device: Option<Device>,
    /// What fits into [`SHORT_ARGV`].
    argv: Vec<Bytes>,
    /// Bytes of the whole argv, when `argv` has less.
    argv_length: Option<u64>,
    cwd: Bytes,
    memfd: bool,
    deleted: bool,
    source: ProcessSource,
}

impl Image {
    /// The image that an exec event describes; marks it as the kernel's word.
    pub fn of(process: &mut Process) -> Self {
        process.source = ProcessSource::Kernel.into();
        let mut image = Self::new(process.exe.clone(), &process.argv, process.cwd.clone());
        image.exe_inode = process.exe_inode;
        image.exe_device = process.exe_device;
        image.memfd = process.memfd;
        image.deleted = process.deleted;
        image.source = ProcessSource::Kernel;
        image
    }

    /// Its file.
    pub fn exe(&self) -> &Bytes {
        &self.exe
    }

    /// Whether its path is that of a file, still.
    pub fn is_real(&self) -> bool {
        !self.deleted && !self.memfd
    }

    /// The last part of its file's path.
    pub fn name(&self) -> &[u8] {
        self.exe.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    /// Its arguments, as far as other events than exec repeat them.
    pub fn argv(&self) -> &[Bytes] {
        &self.argv
    }

    /// An image as /proc shows it.
    pub fn from_proc(exe: Bytes, deleted: bool, argv: &[Bytes], cwd: Bytes) -> Self {
        let mut image = Self::new(exe, argv, cwd);
        image.deleted = deleted;
        image.source = ProcessSource::Proc;
        image
    }

    fn new(exe: Bytes, argv: &[Bytes], cwd: Bytes) -> Self {
        let mut room = SHORT_ARGV;
        let mut short = Vec::new();
        for argument in argv {
            let taken = argument.len().min(room);
            // Copied, so that the table does not hold on to a whole long argv.
            short.push(Bytes::copy_from_slice(argument.get(..taken).unwrap_or_default()));
            room -= taken;
            if room == 0 {
                break;
            }
        }
        let kept: usize = short.iter().map(Bytes::len).sum();
        let all: usize = argv.iter().map(Bytes::len).sum();
        let cut = kept < all || short.len() < argv.len();
        Self {
            exe,
            argv: short,
            argv_length: cut.then_some((all + argv.len()) as u64),
            cwd,
            ..Self::default()
        }
    }

    /// Writes what is known into an event's process.
    fn describe(&self, process: &mut Process) -> Option<Truncation> {
        process.exe = self.exe.clone();
        process.exe_inode = self.exe_inode;
        process.exe_device = self.exe_device;
        process.argv.clone_from(&self.argv);
        process.cwd = self.cwd.clone();
        process.memfd = self.memfd;
        process.deleted = self.deleted;
        process.source = self.source.into();
        self.argv_length.map(|length| Truncation { field: "argv".to_owned(), full_length: Some(length) })
    }
}

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
    image: Arc<Image>,
    /// When it got this image.
    since_ns: u64,
    /// The one before: for events that were under way during the exec.
    previous: Option<Arc<Image>>,
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
    /// Ended processes by the time of their end.
    ended: VecDeque<(u64, u32, u64)>,
}

impl Processes {
    /// A process that ran before the hooks did; what the hooks said since
    /// stands.
    pub fn seeded(&mut self, pid: u32, start_ticks: u64, image: Image, who: Who) {
        self.by_pid.entry(pid).or_insert_with(|| Entry {
            start: Start::Ticks(start_ticks),
            image: Arc::new(image),
            since_ns: 0,
            previous: None,
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
        self.insert(fork.child_pid, fork.child_start_ns, image, time, who);
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
                entry.ancestry = entry.ancestry.after(&entry.image);
                entry.previous = Some(std::mem::replace(&mut entry.image, image));
                entry.since_ns = time_ns;
            }
            None => self.insert(pid, start_ns, image, time_ns, Who::default()),
        }
    }

    /// A process has ended. False when that was known: before 6.16 two threads
    /// that leave at once may both be taken for the last.
    pub fn exited(&mut self, pid: u32, start_ns: u64, time_ns: u64) -> bool {
        self.forget(time_ns);
        let known = self.by_pid.get_mut(&pid).filter(|entry| entry.start.is(start_ns));
        match known {
            Some(entry) if entry.exited_ns.is_some() => return false,
            Some(entry) => entry.exited_ns = Some(time_ns),
            // An ended process is put into the table for the sake of the next
            // report of its end.
            None => {
                self.insert(pid, start_ns, Arc::default(), time_ns, Who::default());
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
        let images = ancestors.iter().rev().filter_map(|id| Some(&self.get(*id)?.image));
        images.fold(Ancestry::default(), |ancestry, image| ancestry.after(image))
    }

    /// Number of processes, those that ended a moment ago included.
    pub fn len(&self) -> usize {
        self.by_pid.len()
    }

    /// What is known of a process.
    pub fn get(&self, id: ProcessId) -> Option<&Entry> {
        self.by_pid.get(&id.pid).filter(|entry| entry.start.is(id.start_ns))
    }

    /// The same, to learn more of it.
    pub fn get_mut(&mut self, id: ProcessId) -> Option<&mut Entry> {
        self.by_pid.get_mut(&id.pid).filter(|entry| entry.start.is(id.start_ns))
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

    fn insert(&mut self, pid: u32, start_ns: u64, image: Arc<Image>, since_ns: u64, who: Who) {
        if self.by_pid.len() >= MAX && !self.by_pid.contains_key(&pid) {
            return;
        }
        let start = Start::Exact(start_ns);
        let entry = Entry {
            start,
            image,
            since_ns,
            previous: None,
            exited_ns: None,
            ancestry: Ancestry::default(),
            who,
        };
        self.by_pid.insert(pid, entry);
    }

    /// Lets go of what ended more than the grace ago, unless its pid is
    /// another process's by now.
    fn forget(&mut self, now_ns: u64) {
        while let Some(&(time, pid, start)) = self.ended.front() {
            if time.saturating_add(GRACE_NS) > now_ns {
                break;
            }
            self.ended.pop_front();
            let id = ProcessId { pid, start_ns: start };
            if self.get(id).is_some_and(|entry| entry.exited_ns.is_some()) {
                self.by_pid.remove(&pid);
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
        self.previous.as_ref().unwrap_or(&self.image)
    }

    /// Whether it had ended by then.
    pub fn is_over(&self, time_ns: u64) -> bool {
        self.exited_ns.is_some_and(|exited| exited <= time_ns)
    }

    /// The program it ran at that time.
    pub fn image_at(&self, time_ns: u64) -> &Arc<Image> {
        match &self.previous {
            Some(previous) if time_ns < self.since_ns => previous,
            _ => &self.image,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(exe(&processes, 10, 100, 250), "");
        assert_eq!(exe(&processes, 10, 500, 700), "/bin/new");
        assert!(processes.exited(99, 1, 300 + 2 * GRACE_NS));
        assert_eq!(exe(&processes, 10, 500, 700), "/bin/new");
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

    #[test]
    fn other_events_repeat_a_bounded_part_of_argv_and_say_so() {
        let mut processes = Processes::default();
        let argv = [Bytes::from(vec![b'a'; 200]), Bytes::from(vec![b'b'; 200])];
        processes.executed(10, 100, 200, Image::from_proc(Bytes::new(), false, &argv, Bytes::new()));
        let mut process = Process { pid: 10, start_boottime_ns: 100, ..Process::default() };
        let cut = processes.describe(300, &mut process).unwrap();
        assert_eq!((cut.field.as_str(), cut.full_length), ("argv", Some(402)));
        assert_eq!(process.argv.iter().map(Bytes::len).sum::<usize>(), SHORT_ARGV);
    }
}
