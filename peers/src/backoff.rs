//! How long to wait before trying again.

use std::time::Duration;

use crate::connection::random;

const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// Waits whose bound grows twofold from 0.4 s to 10 s. Each is drawn between the
/// shortest and the present bound, so that many who lost the same peer do not
/// come back at once.
#[derive(Debug)]
pub struct Backoff {
    bound: Duration,
}

impl Default for Backoff {
    /// Begins with the shortest wait.
    fn default() -> Self {
        Self { bound: 2 * SHORTEST }
    }
}

impl Backoff {
    /// The next wait.
    pub fn wait(&mut self) -> Duration {
        self.draw(random())
    }

    /// `random` is from 0 to 1.
    fn draw(&mut self, random: f64) -> Duration {
        let wait = SHORTEST + (self.bound - SHORTEST).mul_f64(random.clamp(0.0, 1.0));
        self.bound = (self.bound * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_twofold_up_to_ten_seconds() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..8).map(|_| backoff.draw(1.0).as_millis()).collect();
        assert_eq!(waits, [400, 800, 1600, 3200, 6400, 10000, 10000, 10000]);
    }

    #[test]
    fn a_wait_is_never_shorter_than_the_shortest() {
        let mut backoff = Backoff::default();
        assert!((0..8).all(|_| backoff.draw(0.0) == SHORTEST));
        assert!(backoff.draw(0.5) > SHORTEST);
    }
}
