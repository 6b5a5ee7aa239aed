//! How much processor time the daemon may take: an optional limit, over which file
//! events are left unread, counted and told as a gap.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What may be saved up while there is little to do, as time at the limit.
const SAVED: Duration = Duration::from_secs(2);

/// A share of one processor.
pub struct Budget {
    /// Processors, as 0.25 for a quarter of one; `None`: no limit.
    share: Option<f64>,
    looked: Instant,
    used: Duration,
    /// Seconds of processor time; negative: more was taken than there was.
    left: f64,
}

impl Budget {
    /// Of so many percent of one processor.
    pub fn new(percent: Option<u32>) -> Self {
        let share = percent.map(|percent| f64::from(percent) / 100.0);
        let left = share.unwrap_or(0.0) * SAVED.as_secs_f64();
        Self { share, looked: Instant::now(), used: used(), left }
    }

    /// Whether nothing is left of it.
    pub fn is_spent(&mut self) -> bool {
        let Some(share) = self.share else { return false };
        let (now, used) = (Instant::now(), used());
        self.take(share, now.duration_since(self.looked), used.saturating_sub(self.used));
        (self.looked, self.used) = (now, used);
        self.left < 0.0
    }

    fn take(&mut self, share: f64, elapsed: Duration, used: Duration) {
        let earned = self.left + share * elapsed.as_secs_f64();
        self.left = earned.min(share * SAVED.as_secs_f64()) - used.as_secs_f64();
    }
}

/// Processor time that this process has taken.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_over_the_share_has_to_be_saved_again() {
        let mut budget = Budget::new(Some(50));
        let second = Duration::from_secs(1);
        budget.left = 0.0;
        budget.take(0.5, second, second);
        assert!((budget.left + 0.5).abs() < 1e-9, "half a second too much");
        budget.take(0.5, second, Duration::ZERO);
        assert!(budget.left.abs() < 1e-9);
        budget.take(0.5, 100 * second, Duration::ZERO);
        assert!((budget.left - 1.0).abs() < 1e-9, "no more than two seconds' worth is saved");
    }

    #[test]
    fn without_a_limit_nothing_is_ever_spent() {
        assert!(!Budget::new(None).is_spent());
    }
}
