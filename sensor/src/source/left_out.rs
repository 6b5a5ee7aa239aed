//! Verdicts of the policy that the kernel programs give by themselves.
//!
//! What is left out a second time, and would be for whoever opens the file or
//! whatever the process opens, goes into a map: from then on the programs count it
//! and record nothing. The keys say all that the verdict depends on, with the
//! number of the policy; so nothing has to be taken out when something changes, and
//! what is not used is pushed out by what is.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

use aya::maps::{Array, HashMap as KernelMap, MapData, MapError, PerCpuArray};
use rustix::thread::{MembarrierCommand, membarrier};
use sensor_types::{
    act::Act,
    file::{Actor, COUNTED_RULES, LeftOutFile, LeftOutProcess, Open},
    header::Header,
};
use zerocopy::{FromBytes, IntoBytes as _, transmute};

/// Elements of `LEFT_OUT_NOW`.
const FILES: u32 = 0;
const PROCESSES: u32 = 1;

/// Most keys whose coming is counted.
const CAME: usize = 8192;

/// What each rule left out, by its place.
pub type ByRule = [u64; COUNTED_RULES as usize];

type Map<Key> = KernelMap<MapData, Key, u32>;
type FileWords = [u64; size_of::<LeftOutFile>() / 8];
type ProcessWords = [u64; size_of::<LeftOutProcess>() / 8];

/// The maps of such verdicts.
pub struct Maps {
    /// By the file.
    pub files: Map<FileWords>,
    /// By the process.
    pub processes: Map<ProcessWords>,
    /// Which policy there are entries of.
    pub now: Array<MapData, u32>,
    /// How often they were used, by rule.
    pub counts: PerCpuArray<MapData, u64>,
}

/// An open that was left out before.
pub struct Came {
    /// Itself.
    pub open: Open,
    /// That file was, opened in this way.
    pub file: bool,
    /// Another by that process was.
    pub process: bool,
}

/// What the programs know of the policy in force.
pub struct LeftOut {
    maps: Maps,
    policy: u32,
    /// What was counted already.
    counted: ByRule,
    /// How often each key came, by its hash.
    came: HashMap<u64, u32>,
    hasher: RandomState,
}

impl LeftOut {
    /// Takes over the maps, in which there is nothing.
    pub fn new(maps: Maps) -> Self {
        let counted = [0; COUNTED_RULES as usize];
        Self { maps, policy: 1, counted, came: HashMap::new(), hasher: RandomState::new() }
    }

    /// Takes over maps that have verdicts of a policy that is no more, and empties them.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn after_another(maps: Maps) -> anyhow::Result<Self> {
        let mut left_out = Self::new(maps);
        left_out.forget()?;
        empty(&mut left_out.maps.files)?;
        empty(&mut left_out.maps.processes)?;
        Ok(left_out)
    }

    /// Which verdicts about this record are worth asking for: of what came before.
    pub fn came_before(&mut self, record: &[u8]) -> Option<Came> {
        let open = open_of(record)?;
        let (file, process) = (self.file(&open), self.process(&open));
        if self.came.len() >= CAME {
            self.came.clear();
        }
        let (file, process) = (self.is_due(file.as_bytes()), self.is_due(process.as_bytes()));
        (file || process).then_some(Came { open, file, process })
    }

    /// Whether a key comes the second time, or the fourth, the eighth and so on: where
    /// no verdict holds, asking each time would be in vain, and where one held it may
    /// have been pushed out.
    fn is_due(&mut self, key: &[u8]) -> bool {
        let came = self.came.entry(self.hasher.hash_one(key)).or_default();
        *came = came.saturating_add(1);
        *came > 1 && came.is_power_of_two()
    }

    /// Has the programs leave out whoever opens that file in this way, and count it for
    /// the rule at this place.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn add_file(&mut self, open: &Open, rule: usize) -> Result<(), MapError> {
        let Some(element) = self.element(rule) else { return Ok(()) };
        let key: FileWords = transmute!(self.file(open));
        self.maps.files.insert(key, element, 0)?;
        self.maps.now.set(FILES, self.policy, 0)
    }

    /// The same for whatever that process opens.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn add_process(&mut self, open: &Open, rule: usize) -> Result<(), MapError> {
        let Some(element) = self.element(rule) else { return Ok(()) };
        let key: ProcessWords = transmute!(self.process(open));
        self.maps.processes.insert(key, element, 0)?;
        self.maps.now.set(PROCESSES, self.policy, 0)
    }

    /// The element that counts for a rule.
    fn element(&self, rule: usize) -> Option<u32> {
        let rule = u32::try_from(rule).ok().filter(|rule| *rule < COUNTED_RULES)?;
        Some(self.first_count() + rule)
    }

    /// What the programs left out since the last time.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn counts(&mut self) -> Result<ByRule, MapError> {
        let mut news = self.sums()?;
        for (new, counted) in news.iter_mut().zip(&mut self.counted) {
            let sum = *new;
            *new = sum.saturating_sub(*counted);
            *counted = sum;
        }
        Ok(news)
    }

    /// The policy is to be another: no program uses a verdict of the old one when
    /// this returns. What that left out since the last time.
    ///
    /// # Errors
    /// When the kernel refuses; what the old one left out is not known to the last.
    pub fn forget(&mut self) -> anyhow::Result<ByRule> {
        for what in [FILES, PROCESSES] {
            self.maps.now.set(what, 0, 0)?;
        }
        let waited = membarrier(MembarrierCommand::Global);
        let last = self.counts();
        self.policy = self.policy.wrapping_add(1).max(1);
        self.came.clear();
        // Those of the policy before the last go on where they were.
        self.counted = self.sums()?;
        waited?;
        Ok(last?)
    }

    /// What the rules left out since the start, at their places in this policy or
    /// one of those that counted in the same elements.
    fn sums(&self) -> Result<ByRule, MapError> {
        let mut sums = [0; COUNTED_RULES as usize];
        for (element, sum) in (self.first_count()..).zip(&mut sums) {
            *sum = self.maps.counts.get(&element, 0)?.iter().sum();
        }
        Ok(sums)
    }

    /// The element that counts for the first rule.
    fn first_count(&self) -> u32 {
        self.policy % 2 * COUNTED_RULES
    }

    fn file(&self, open: &Open) -> LeftOutFile {
        LeftOutFile {
            place: open.place,
            generation: open.generation,
            flags: open.flags,
            file_mode: open.file_mode,
            mount_namespace: open.header.mount_namespace,
            policy: self.policy,
            reserved: 0,
        }
    }

    fn process(&self, open: &Open) -> LeftOutProcess {
        LeftOutProcess { actor: actor(open), policy: self.policy, reserved: 0 }
    }
}

fn empty<Key: aya::Pod>(map: &mut Map<Key>) -> Result<(), MapError> {
    let keys: Vec<Key> = map.keys().collect::<Result<_, _>>()?;
    // One that was pushed out meanwhile is gone as well.
    keys.iter().for_each(|key| drop(map.remove(key)));
    Ok(())
}

/// As the programs see who opens.
fn actor(open: &Open) -> Actor {
    let Header { start_ns, cgroup_id, uid, gid, pid, euid, egid, .. } = open.header;
    let Header { loginuid, sessionid, mount_namespace, .. } = open.header;
    Actor {
        start_ns,
        execs: open.execs,
        cgroup_id,
        uid_gid: u64::from(gid) << 32 | u64::from(uid),
        pid,
        euid,
        egid,
        loginuid,
        sessionid,
        mount_namespace,
    }
}

/// The open that a record tells of, where it gave a file that has a place.
fn open_of(record: &[u8]) -> Option<Open> {
    let (open, _) = Open::read_from_prefix(record).ok()?;
    let is_usable = open.header.kind == Act::Open as u32 && open.place.mnt != 0 && open.result >= 0;
    is_usable.then_some(open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromZeros as _;

    #[test]
    fn only_opens_that_gave_a_file_with_a_place_can_be_left_out() {
        let mut open = Open::new_zeroed();
        open.header.kind = Act::Open as u32;
        open.place.mnt = 7;
        assert!(open_of(open.as_bytes()).is_some());
        let other = |change: &dyn Fn(&mut Open)| {
            let mut other = open;
            change(&mut other);
            open_of(other.as_bytes())
        };
        assert!(other(&|open| open.result = -2).is_none());
        assert!(other(&|open| open.place.mnt = 0).is_none());
        assert!(other(&|open| open.header.kind = Act::FileReceive as u32).is_none());
        assert!(open_of(&open.as_bytes()[1..]).is_none());
    }
}
