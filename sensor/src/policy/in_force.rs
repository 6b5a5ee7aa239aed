//! The policy in force, and what is to take its place.
//!
//! Whoever reads a new one puts it down here; the pipeline takes it over between
//! two batches, so that an event is judged by one policy as a whole.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prost_types::Timestamp;

use super::Policy;

/// Which policy is in force.
pub struct InForce {
    standing: Mutex<Standing>,
    next: Mutex<Option<Next>>,
}

/// The policy, and what is said of it.
#[derive(Clone)]
pub struct Standing {
    /// Itself.
    pub policy: Arc<Policy>,
    /// Since when.
    pub since: Timestamp,
    /// Why the configuration as it is now is not in force; empty when it is.
    pub error: String,
}

/// What is to come.
#[derive(Default)]
struct Next {
    policy: Option<Policy>,
    error: String,
}

impl InForce {
    /// From the start.
    #[must_use]
    pub fn new(policy: Policy, since: Timestamp) -> Self {
        let standing = Standing { policy: Arc::new(policy), since, error: String::new() };
        Self { standing: Mutex::new(standing), next: Mutex::default() }
    }

    /// What holds now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        locked(&self.standing).clone()
    }

    /// This policy next.
    pub fn replace(&self, policy: Policy) {
        *locked(&self.next) = Some(Next { policy: Some(policy), error: String::new() });
    }

    /// The configuration cannot be used; what is in force stays so.
    pub fn refuse(&self, error: String) {
        locked(&self.next).get_or_insert_default().error = error;
    }

    /// Whether another policy is to come.
    pub fn is_to_change(&self) -> bool {
        locked(&self.next).as_ref().is_some_and(|next| next.policy.is_some())
    }

    /// Puts in force what came since the last time, and returns what holds then;
    /// `None` when nothing came.
    pub fn take_over(&self, now: impl FnOnce() -> Timestamp) -> Option<Arc<Policy>> {
        let next = locked(&self.next).take()?;
        let mut standing = locked(&self.standing);
        if let Some(policy) = next.policy {
            let policy = policy.after(&standing.policy);
            tracing::info!(version = policy.version(), rules = policy.rules().len(), "a policy is in force");
            let old = mem::replace(&mut standing.policy, Arc::new(policy));
            tracing::debug!(version = old.version(), "another one was");
            standing.since = now();
        }
        standing.error = next.error;
        Some(Arc::clone(&standing.policy))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PolicyConfig;

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    #[test]
    fn a_policy_is_in_force_from_when_it_is_taken_over() {
        let in_force = InForce::new(Policy::everything(), at(1));
        assert!(in_force.take_over(|| at(2)).is_none());
        in_force.replace(Policy::new(&PolicyConfig::default(), None).unwrap());
        assert!(in_force.standing().policy.rules().is_empty());
        assert!(!in_force.take_over(|| at(3)).unwrap().rules().is_empty());
        assert_eq!(in_force.standing().since, at(3));
    }

    #[test]
    fn an_error_stands_until_a_policy_comes_and_takes_none_away() {
        let in_force = InForce::new(Policy::everything(), at(1));
        in_force.replace(Policy::new(&PolicyConfig::default(), None).unwrap());
        in_force.refuse("broken".to_owned());
        assert!(!in_force.take_over(|| at(2)).unwrap().rules().is_empty());
        assert_eq!((in_force.standing().error.as_str(), in_force.standing().since), ("broken", at(2)));
        in_force.refuse("still broken".to_owned());
        in_force.take_over(|| at(3)).unwrap();
        assert_eq!((in_force.standing().error.as_str(), in_force.standing().since), ("still broken", at(2)));
        in_force.replace(Policy::everything());
        in_force.take_over(|| at(4)).unwrap();
        assert!(in_force.standing().error.is_empty());
    }
}
