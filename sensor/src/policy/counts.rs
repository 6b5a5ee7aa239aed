//! How many acts each rule decided: an event that stands for several is as many.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use activity_proto::v1::{PolicyCount, RuleCount};

use super::{Action, Policy, Rule, builtin};

/// The counts of a policy.
#[derive(Debug, Default)]
pub struct Counts {
    /// By the place of the rule.
    decided: Vec<AtomicU64>,
    unmatched: AtomicU64,
    /// What was left out under earlier policies, by the names it was counted under.
    before: BTreeMap<String, u64>,
}

impl Counts {
    /// Nothing counted yet.
    pub fn of(rules: &[Rule]) -> Self {
        Self { decided: rules.iter().map(|_| AtomicU64::new(0)).collect(), ..Self::default() }
    }

    /// So many more for this rule; returns how many there were before.
    pub fn decided(&self, rule: usize, number: u64) -> u64 {
        self.decided.get(rule).map_or(0, |count| count.fetch_add(number, Relaxed))
    }

    /// So many more that no rule decided.
    pub fn unmatched(&self, number: u64) {
        self.unmatched.fetch_add(number, Relaxed);
    }
}

impl Policy {
    /// Counts what the kernel programs left out, by the place of the rule.
    pub fn count_left_out(&self, by_rule: &[u64]) {
        by_rule.iter().enumerate().filter(|(_, number)| **number > 0).for_each(|(rule, number)| {
            self.counts.decided(rule, *number);
        });
    }

    /// Goes on counting what is left out where another policy ends.
    #[must_use]
    pub fn after(mut self, old: &Self) -> Self {
        self.counts.before = old.left_out();
        self
    }

    /// How many events no rule decided, so that they were kept.
    #[must_use]
    pub fn unmatched(&self) -> u64 {
        self.counts.unmatched.load(Relaxed)
    }

    /// How many events each rule decided since the policy is in force, in the order
    /// of the rules.
    #[must_use]
    pub fn rule_counts(&self) -> Vec<RuleCount> {
        self.counted().map(|(rule, decided)| count(rule, decided)).collect()
    }

    /// How many events were left out since the start, by reason or rule.
    #[must_use]
    pub fn filtered_by(&self) -> Vec<PolicyCount> {
        self.left_out().into_iter().map(|(reason, count)| PolicyCount { reason, count }).collect()
    }

    fn left_out(&self) -> BTreeMap<String, u64> {
        let mut left_out = self.counts.before.clone();
        if !self.rules().is_empty() {
            left_out.extend(
                builtin::COUNTED_AS
                    .iter()
                    .filter(|name| !self.counts.before.contains_key(**name))
                    .map(|name| ((*name).to_owned(), 0)),
            );
        }
        for (rule, decided) in self.counted().filter(|(rule, _)| rule.leaves_out()) {
            *left_out.entry(rule.counted_as.clone()).or_default() += rule.action.left_out(decided);
        }
        left_out
    }

    fn counted(&self) -> impl Iterator<Item = (&Rule, u64)> {
        let counts = self.counts.decided.iter().map(|count| count.load(Relaxed));
        self.rules().iter().zip(counts)
    }
}

fn count(rule: &Rule, decided: u64) -> RuleCount {
    RuleCount {
        name: rule.name.clone(),
        action: rule.action.name().to_owned(),
        one_in: match rule.action {
            Action::Sample(one_in) => Some(one_in.get()),
            Action::Allow | Action::Deny | Action::Fold => None,
        },
        reason: rule.reason.clone(),
        built_in: rule.built_in,
        decided,
        left_out: rule.action.left_out(decided),
    }
}
