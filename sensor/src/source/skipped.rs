//! How often the kernel passed our programs over.
//!
//! A program that is preempted is not run for another task on that processor
//! meanwhile. The kernel counts that for each program (`recursion_misses`, since
//! 5.12), but not whether there would have been a record: for system calls that
//! nobody watches there is none. So the number is the most that may be missing.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::{
    Ebpf,
    programs::{Program, ProgramFd},
};

/// What the count is called where it is told.
pub const WHAT: &str = "at most so many acts while another task on the processor was in the same hook";

/// The programs, which the kernel describes to whoever has them open.
#[derive(Debug, Default)]
pub struct Skipped {
    programs: Vec<ProgramFd>,
    /// The count of those that these took the place of.
    before: u64,
}

impl Skipped {
    /// Of these programs.
    pub fn new(programs: Vec<ProgramFd>) -> Self {
        Self { programs, before: 0 }
    }

    /// Of the programs that are loaded.
    pub fn of(object: &Ebpf) -> Self {
        let descriptor = |program: &Program| program.fd().ok()?.try_clone().ok();
        Self::new(object.programs().filter_map(|(_, program)| descriptor(program)).collect())
    }

    /// These took the place of others, which were passed over so often.
    pub fn follow(&mut self, before: u64) {
        self.before = before;
    }

    /// The count so far; `None` where the kernel has none.
    pub fn count(&self) -> Option<u64> {
        let read = |program: &ProgramFd| {
            let path = format!("/proc/self/fdinfo/{}", program.as_fd().as_raw_fd());
            misses(&fs::read_to_string(path).ok()?)
        };
        let now = self.programs.iter().filter_map(read).reduce(u64::saturating_add)?;
        Some(now.saturating_add(self.before))
    }
}

fn misses(fdinfo: &str) -> Option<u64> {
    fdinfo.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_a_programs_description() {
        assert_eq!(misses("prog_type:\t26\nprog_id:\t7\nrecursion_misses:\t12\n"), Some(12));
        assert_eq!(misses("prog_type:\t26\n"), None);
    }

    #[test]
    fn without_a_count_of_the_kernels_there_is_none() {
        assert_eq!(Skipped::default().count(), None);
    }
}
