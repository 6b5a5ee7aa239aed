//! Heartbeats: sent by the pipeline's own thread, so that one that is stuck goes silent.

use std::time::{Duration, Instant};

use activity_proto::v1::{Lane, event::Payload};

use super::worker::Worker;

/// Least time between a heartbeat and one for who has come since.
const AGAIN: Duration = Duration::from_secs(1);

/// When the next heartbeat is due.
pub struct Heart {
    interval: Duration,
    due: Instant,
    last: Instant,
    /// How many had subscribed by the last one.
    joined: u64,
}

impl Heart {
    /// The first one is due at once.
    pub fn new(interval: Duration) -> Self {
        let now = Instant::now();
        Self { interval, due: now, last: now, joined: 0 }
    }

    /// How long to wait for something else, at most `longest`.
    pub fn wait(&self, longest: Duration) -> Duration {
        longest.min(self.due.saturating_duration_since(Instant::now()))
    }

    /// Whether one is due, also because somebody came who has heard none; if so, it is
    /// taken to be sent.
    fn is_due(&mut self, now: Instant, joined: u64) -> bool {
        let newcomer = joined != self.joined && now.duration_since(self.last) >= AGAIN;
        if now < self.due && !newcomer {
            return false;
        }
        if now >= self.due {
            self.due += self.interval;
            if self.due <= now {
                // After a stop there is one, not all that would have been.
                self.due = now + self.interval;
            }
        }
        (self.last, self.joined) = (now, joined);
        true
    }
}

impl Worker {
    /// Sends a heartbeat if one is due.
    pub fn beat(&mut self) {
        let joined = self.hub.joined();
        if self.heart.is_due(Instant::now(), joined) {
            self.send_heartbeat(false);
        }
    }

    /// Sends one; `stopping`: the last.
    pub fn send_heartbeat(&mut self, stopping: bool) {
        // What has a number is then in its counts.
        self.publish();
        let heartbeat = self.status.heartbeat(stopping, self.hub.subscribers());
        self.status.alive.beat();
        self.send_own(Payload::Heartbeat(heartbeat), Lane::Process);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn they_come_at_their_interval_and_after_a_stop_once() {
        let mut heart = Heart::new(5 * SECOND);
        let start = heart.due;
        let mut at = |seconds| heart.is_due(start + seconds * SECOND, 0);
        assert!(at(0));
        assert!(!at(1) && !at(4) && at(5) && !at(6));
        // A little late does not make the next one late.
        assert!(at(11) && at(15));
        assert!(at(100) && !at(101) && !at(104) && at(105));
    }

    #[test]
    fn who_comes_hears_one_soon_and_does_not_change_when_the_others_come() {
        let mut heart = Heart::new(60 * SECOND);
        let start = heart.due;
        let mut at = |seconds, joined| heart.is_due(start + seconds * SECOND, joined);
        assert!(at(0, 0));
        assert!(!at(0, 1), "one was sent just now");
        assert!(at(1, 1) && !at(2, 1));
        assert!(at(59, 3) && !at(59, 4) && at(60, 4));
    }

    #[test]
    fn nobody_waits_longer_than_until_the_next_one() {
        let mut heart = Heart::new(SECOND);
        assert_eq!(heart.wait(SECOND), Duration::ZERO);
        heart.is_due(Instant::now(), 0);
        assert!(heart.wait(60 * SECOND) <= SECOND);
        assert_eq!(heart.wait(Duration::from_nanos(1)), Duration::from_nanos(1));
    }
}
