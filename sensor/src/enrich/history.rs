//! What something was at a time: events of the other ring, and those that the
//! kernel programs counted together, are told later than they happened.

use std::collections::VecDeque;

/// How long after its end a value is kept, nanoseconds: longer than an event takes.
const KEPT_NS: u64 = 5_000_000_000;

/// Most values kept of those that are over.
const MAX: usize = 64;

/// A value and those before it.
#[derive(Clone, Debug, Default)]
pub struct History<T> {
    now: T,
    since_ns: u64,
    /// With the time from which each was the value, oldest first.
    before: VecDeque<(u64, T)>,
}

impl<T> History<T> {
    /// Of something that is `now` and has not been otherwise.
    pub fn new(now: T) -> Self {
        Self { now, since_ns: 0, before: VecDeque::new() }
    }

    /// What it is since the last change.
    pub fn now(&self) -> &T {
        &self.now
    }

    /// What it was before the last change.
    pub fn last(&self) -> Option<&T> {
        self.before.back().map(|(_, last)| last)
    }

    /// What it was at that time; the oldest that is known, if it was before that.
    pub fn at(&self, time_ns: u64) -> &T {
        if time_ns >= self.since_ns {
            return &self.now;
        }
        let then = self.before.iter().rev().find(|(since, _)| *since <= time_ns);
        then.or(self.before.front()).map_or(&self.now, |(_, then)| then)
    }

    /// Changes it from that time on.
    pub fn change(&mut self, next: T, since_ns: u64) {
        let oldest_end = |history: &Self| history.before.get(1).map_or(history.since_ns, |(since, _)| *since);
        while !self.before.is_empty()
            && (self.before.len() >= MAX || oldest_end(self).saturating_add(KEPT_NS) < since_ns)
        {
            self.before.pop_front();
        }
        let last = std::mem::replace(&mut self.now, next);
        self.before.push_back((self.since_ns, last));
        self.since_ns = since_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_has_its_own_value_however_many_changes_ago() {
        let mut history = History::new("sh");
        history.change("env", 10);
        history.change("cat", 20);
        assert_eq!(
            [5, 9, 10, 19, 20, 99].map(|time| *history.at(time)),
            ["sh", "sh", "env", "env", "cat", "cat"]
        );
        assert_eq!((history.now(), history.last()), (&"cat", Some(&"env")));
    }

    #[test]
    fn old_values_are_forgotten_and_never_more_than_some_kept() {
        let mut history = History::new(0);
        history.change(1, 10);
        history.change(2, 11 + KEPT_NS);
        assert_eq!((history.before.len(), *history.at(12)), (1, 1), "the first was over too long ago");
        for number in 3..1000 {
            history.change(number, 11 + KEPT_NS + number);
        }
        assert_eq!(history.before.len(), MAX);
        assert_eq!(*history.at(0), 999 - MAX as u64, "the oldest that is known");
    }
}
