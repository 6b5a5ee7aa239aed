//! How far it is.

use std::time::Instant;

use crate::step::elapsed;

/// Says on standard error what has been measured, and how long the rest may take.
pub struct Progress {
    begun: Instant,
    done: u32,
    all: usize,
}

impl Progress {
    /// Of so many steps.
    pub fn new(all: usize) -> Self {
        Self { begun: Instant::now(), done: 0, all }
    }

    /// One more is done.
    pub fn done(&mut self, what: &str) {
        self.done += 1;
        let left = self.all.saturating_sub(self.done as usize);
        let each = self.begun.elapsed() / self.done;
        let rest = each * u32::try_from(left).unwrap_or(u32::MAX);
        eprintln!("bench: {}/{}, some {} more: {what}", self.done, self.all, elapsed(rest));
    }
}
