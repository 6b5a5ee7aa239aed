//! What is counted and logged of peers.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{Reason, Refusal};

/// Lines that may come at once.
const BURST: u32 = 10;
/// Time after which one more may come.
const PER_LINE: Duration = Duration::from_secs(6);

/// Counts connections, refused ones by reason, and says in the log who was refused:
/// a few lines at once, then ten a minute, with how many were left out. Whoever can
/// reach the port could otherwise fill the disk.
#[derive(Debug)]
pub struct Refusals {
    accepted: AtomicU64,
    retired: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
    lines: Mutex<Lines>,
}

#[derive(Debug)]
struct Lines {
    left: u32,
    since: Instant,
    left_out: u64,
}

impl Default for Refusals {
    fn default() -> Self {
        let lines = Lines { left: BURST, since: Instant::now(), left_out: 0 };
        Self {
            accepted: AtomicU64::default(),
            retired: AtomicU64::default(),
            refused: Default::default(),
            lines: Mutex::new(lines),
        }
    }
}

impl Refusals {
    /// Connections that were let in.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Of these, how many were ended for their age, or because their certificate is
    /// not good any more.
    pub fn retired(&self) -> u64 {
        self.retired.load(Ordering::Relaxed)
    }

    /// How often peers, and calls of theirs, were refused for `reason`.
    pub fn refused(&self, reason: Reason) -> u64 {
        self.counter(reason).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// All reasons for which somebody was refused, with how often.
    pub fn by_reason(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().map(|reason| (reason, self.refused(reason))).filter(|(_, count)| *count > 0)
    }

    pub(crate) fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retire(&self) {
        self.retired.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self, address: IpAddr, refusal: &Refusal) {
        if let Some(counter) = self.counter(refusal.reason) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.say(refusal.reason.as_str(), format_args!("the peer at {address} was refused: {refusal}"));
    }

    /// A line about what a peer did, if there is room for one.
    pub(crate) fn say(&self, reason: &str, sentence: fmt::Arguments<'_>) {
        let Some(left_out) = self.room() else { return };
        if left_out > 0 {
            tracing::warn!(reason, "{sentence}; {left_out} before were not logged");
        } else {
            tracing::warn!(reason, "{sentence}");
        }
    }

    fn counter(&self, reason: Reason) -> Option<&AtomicU64> {
        self.refused.get(reason as usize)
    }

    /// Takes a line, and how many were left out since the last one.
    fn room(&self) -> Option<u64> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
    }
}

impl Lines {
    fn take(&mut self, now: Instant) -> Option<u64> {
        while self.left < BURST && now.duration_since(self.since) >= PER_LINE {
            self.left += 1;
            self.since += PER_LINE;
        }
        if self.left == BURST {
            self.since = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(std::mem::take(&mut self.left_out))
            }
            None => {
                self.left_out += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_peers_is_a_few_lines_that_say_what_they_left_out() {
        let began = Instant::now();
        let mut lines = Lines { left: BURST, since: began, left_out: 0 };
        let at_once: u32 = (0..1000).map(|_| u32::from(lines.take(began).is_some())).sum();
        assert_eq!(at_once, BURST);
        assert_eq!(lines.take(began + PER_LINE), Some(1000 - u64::from(BURST)));
        assert_eq!(lines.take(began + PER_LINE), None);
        // After a quiet while there is room for as many as at first, not for more.
        let later = began + PER_LINE * 1000;
        let then: u32 = (0..1000).map(|_| u32::from(lines.take(later).is_some())).sum();
        assert_eq!(then, BURST);
    }
}
