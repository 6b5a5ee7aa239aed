//! What leads to a program, from the records of its levels to its exec event.
//!
//! Each level is told while the exec is under way, by the thread that called it.
//! The exec event comes after the last one; by then that thread may be the
//! process's only one and have the process's own number.

use std::collections::HashMap;

use activity_proto::v1::{Event, Interpreter, Process, event::Payload};

use crate::decode::Level;

/// Processes with an exec under way that are remembered at most.
const MAX_PROCESSES: usize = 4096;
/// Threads of one process that are remembered at most.
const MAX_THREADS: usize = 16;
/// Levels of one exec at most. The kernel follows five.
const MAX_LEVELS: usize = 8;
/// No exec takes longer; what is older is of one whose end was not recorded.
const STALE_NS: u64 = 60_000_000_000;

/// Levels by process.
#[derive(Debug, Default)]
pub struct Interpreters(HashMap<u32, Vec<Pending>>);

/// One exec under way.
#[derive(Debug)]
struct Pending {
    tid: u32,
    time_ns: u64,
    levels: Vec<Interpreter>,
}

impl Interpreters {
    /// Remembers a level.
    pub fn add(&mut self, level: Level) {
        if self.0.len() >= MAX_PROCESSES && !self.0.contains_key(&level.pid) {
            self.forget_before(level.time_ns.saturating_sub(STALE_NS));
            if self.0.len() >= MAX_PROCESSES {
                return;
            }
        }
        let threads = self.0.entry(level.pid).or_default();
        let has_room = threads.len() < MAX_THREADS;
        match threads.iter_mut().find(|pending| pending.tid == level.tid) {
            Some(pending) if is_fresh(pending, level.time_ns) => {
                pending.time_ns = level.time_ns;
                if pending.levels.len() < MAX_LEVELS {
                    pending.levels.push(level.interpreter);
                }
            }
            Some(pending) => *pending = Pending::begun_by(level),
            None if has_room => threads.push(Pending::begun_by(level)),
            None => {}
        }
    }

    /// Puts the levels into the exec event they belong to, and forgets those
    /// that will have none.
    pub fn apply(&mut self, event: &mut Event) {
        let Some(process) = &event.process else { return };
        let succeeded = event.outcome.is_none_or(|outcome| outcome.success);
        match &mut event.payload {
            Some(Payload::Exec(exec)) if succeeded => {
                let levels = self.take(process, event.boottime_ns);
                if !levels.is_empty() {
                    exec.interpreters = levels;
                }
            }
            Some(Payload::Exec(_)) => self.forget_thread(process),
            Some(Payload::Exit(_)) => drop(self.0.remove(&process.pid)),
            _ => {}
        }
    }

    /// The levels of the exec that this process has just done. Its other
    /// threads are gone.
    fn take(&mut self, process: &Process, now_ns: u64) -> Vec<Interpreter> {
        let mut threads = self.0.remove(&process.pid).unwrap_or_default();
        threads.retain(|pending| is_fresh(pending, now_ns));
        let own = threads.iter().position(|pending| pending.tid == process.tid);
        // The thread that called exec takes over the number of the first one.
        let latest = || (0..threads.len()).max_by_key(|&at| threads.get(at).map(|pending| pending.time_ns));
        let Some(at) = own.or_else(latest) else { return Vec::new() };
        let mut levels = threads.swap_remove(at).levels;
        levels.retain(|level| !is_image(level, process));
        levels
    }

    fn forget_thread(&mut self, process: &Process) {
        if let Some(threads) = self.0.get_mut(&process.pid) {
            threads.retain(|pending| pending.tid != process.tid);
            if threads.is_empty() {
                self.0.remove(&process.pid);
            }
        }
    }

    fn forget_before(&mut self, time_ns: u64) {
        self.0.retain(|_, threads| threads.iter().any(|pending| pending.time_ns >= time_ns));
    }
}

impl Pending {
    fn begun_by(level: Level) -> Self {
        Self { tid: level.tid, time_ns: level.time_ns, levels: vec![level.interpreter] }
    }
}

fn is_fresh(pending: &Pending, now_ns: u64) -> bool {
    now_ns.saturating_sub(pending.time_ns) < STALE_NS
}

/// The program itself is not what leads to it.
fn is_image(level: &Interpreter, process: &Process) -> bool {
    level.inode.is_some() && level.inode == process.exe_inode && level.device == process.exe_device
}

#[cfg(test)]
mod tests {
    use super::*;
    use activity_proto::v1::{Device, Exec, Exit, Outcome};

    fn level(pid: u32, tid: u32, time_ns: u64, path: &'static str, inode: u64) -> Level {
        let device = Some(Device { major: 8, minor: 1 });
        let interpreter = Interpreter { path: path.into(), inode: Some(inode), device, ..Default::default() };
        Level { pid, tid, time_ns, interpreter }
    }

    fn event(pid: u32, tid: u32, time_ns: u64, success: bool, payload: Payload) -> Event {
        let exe_device = Some(Device { major: 8, minor: 1 });
        Event {
            boottime_ns: time_ns,
            process: Some(Process { pid, tid, exe_inode: Some(99), exe_device, ..Default::default() }),
            outcome: Some(Outcome { success, errno: None }),
            payload: Some(payload),
            ..Default::default()
        }
    }

    /// The paths in the exec event of this thread.
    fn executed(interpreters: &mut Interpreters, pid: u32, tid: u32, success: bool) -> Vec<String> {
        let mut event = event(pid, tid, 100, success, Payload::Exec(Exec::default()));
        interpreters.apply(&mut event);
        let Some(Payload::Exec(exec)) = event.payload else { unreachable!() };
        exec.interpreters.iter().map(|level| String::from_utf8_lossy(&level.path).into_owned()).collect()
    }

    #[test]
    fn the_levels_go_in_order_into_the_next_exec_of_the_process() {
        let mut interpreters = Interpreters::default();
        interpreters.add(level(7, 7, 1, "/a", 1));
        interpreters.add(level(8, 8, 1, "/other", 5));
        interpreters.add(level(7, 7, 2, "/b", 2));
        interpreters.add(level(7, 7, 3, "/bin/sh", 99));
        assert_eq!(executed(&mut interpreters, 7, 7, true), ["/a", "/b"]);
        assert!(executed(&mut interpreters, 7, 7, true).is_empty());
    }

    #[test]
    fn another_thread_than_the_first_keeps_its_levels_through_its_new_number() {
        let mut interpreters = Interpreters::default();
        interpreters.add(level(7, 9, 1, "/a", 1));
        assert_eq!(executed(&mut interpreters, 7, 7, true), ["/a"]);
    }

    #[test]
    fn a_failed_exec_and_an_exit_forget() {
        let mut interpreters = Interpreters::default();
        interpreters.add(level(7, 7, 1, "/a", 1));
        executed(&mut interpreters, 7, 7, false);
        assert!(executed(&mut interpreters, 7, 7, true).is_empty());
        interpreters.add(level(7, 7, 1, "/a", 1));
        interpreters.apply(&mut event(7, 7, 2, true, Payload::Exit(Exit::default())));
        assert!(interpreters.0.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut interpreters = Interpreters::default();
        for pid in 0..2 * u32::try_from(MAX_PROCESSES).unwrap() {
            interpreters.add(level(pid, pid, 1, "/a", 1));
        }
        for tid in 0..100 {
            interpreters.add(level(1, tid, 1, "/a", 1));
            interpreters.add(level(1, 1, 1, "/a", 1));
        }
        assert_eq!(interpreters.0.len(), MAX_PROCESSES);
        let threads = &interpreters.0[&1];
        assert_eq!(threads.len(), MAX_THREADS);
        assert!(threads.iter().all(|pending| pending.levels.len() <= MAX_LEVELS));
        // Who never got to an end makes room after a while.
        interpreters.add(level(1_000_000, 1, STALE_NS + 2, "/a", 1));
        assert_eq!(interpreters.0.len(), 1);
    }
}
