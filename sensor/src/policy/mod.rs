//! The policy: which events are worth keeping.
//!
//! An ordered list of rules: those of the configuration, then the built-in ones.
//! The first that matches decides; what none decides is kept. Rules are data
//! (`rule.rs`, `matcher.rs`), so that they can be shown, explained and handed on.
//!
//! The kernel has left out what it can decide by itself (opens, connects and
//! changes of processes that belong to nobody); the rest is decided here, on the
//! complete event. What is left out again and again the kernel programs are told
//! (`reach.rs`), so that they leave it out themselves from then on.

mod act;
mod builtin;
pub mod command;
mod compile;
mod counts;
mod examples;
mod in_force;
mod matcher;
mod patterns;
mod reach;
mod rule;
mod sets;
#[cfg(test)]
mod tests;
mod types;
mod words;

use std::num::NonZeroU32;

use activity_proto::v1::Event;
use sha2::{Digest as _, Sha256};

use crate::{config::PolicyConfig, enrich::ancestry::Ancestry};
use act::Act;
pub use compile::Fault;
use counts::Counts;
use examples::Examples;
pub use in_force::InForce;
pub use rule::{Action, MAX_RULES, Rule};
pub use sets::errno_of;

/// Hexadecimal digits of a policy's version.
const VERSION_DIGITS: usize = 12;

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes out.
    Keep,
    /// It goes out, and stands for so many.
    KeepOneIn(NonZeroU32),
    /// It is left out, and counted.
    LeaveOut,
}

/// There is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The lists cannot be made into a matcher.
    #[error("the path patterns of [policy] are too large together; shorten the lists: {0}")]
    Patterns(#[from] regex::Error),
    /// A rule cannot be used: a user it names is gone since the file was read.
    #[error("`policy.rules.{}` {}", .0.key, .0.message)]
    Rule(Fault),
}

/// Decides about one event after another.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    /// For each event type, by its number, the rules that are about it.
    by_type: [u64; 64],
    asks_for_ancestry: bool,
    version: String,
    counts: Counts,
    /// For people who look at what the rules do.
    examples: Option<Examples>,
}

impl Policy {
    /// The rules of this configuration. `host` is the mount namespace of the host
    /// (the inode of `/proc/1/ns/mnt`), where paths mean what the lists mean.
    ///
    /// # Errors
    /// When the lists are too large, or a rule cannot be used.
    pub fn new(config: &PolicyConfig, host: Option<u32>) -> Result<Self, PolicyError> {
        let mut rules = match compile::rules(config, host) {
            Ok(rules) => rules,
            Err(faults) => return Err(faults.into_iter().next().map_or_else(unexplained, PolicyError::Rule)),
        };
        rules.extend(builtin::rules(config, host)?);
        Ok(Self::of(rules))
    }

    /// No rules: everything is kept.
    #[must_use]
    pub fn everything() -> Self {
        Self::of(Vec::new())
    }

    fn of(rules: Vec<Rule>) -> Self {
        let mut by_type = [0_u64; 64];
        for (index, rule) in rules.iter().enumerate().take(MAX_RULES) {
            for (number, set) in by_type.iter_mut().enumerate() {
                *set |= (rule.types.bits() >> number & 1) << index;
            }
        }
        Self {
            by_type,
            asks_for_ancestry: rules.iter().any(Rule::asks_for_ancestry),
            version: version(&rules),
            counts: Counts::of(&rules),
            examples: None,
            rules,
        }
    }

    /// The same, which keeps a few events that each rule decides.
    #[must_use]
    pub fn with_examples(self) -> Self {
        Self { examples: Some(Examples::of(self.rules.len())), ..self }
    }

    /// Those of each rule, and at the end of events that none decided.
    #[must_use]
    pub fn examples(&self) -> Vec<Vec<String>> {
        self.examples.as_ref().map(Examples::all).unwrap_or_default()
    }

    /// What becomes of `event`; whichever it is, it is counted.
    pub fn decide(&self, event: &Event, ancestry: &Ancestry) -> Verdict {
        let acts = event.count.unwrap_or(1);
        let decides = self.rule_for(Act::of(event, ancestry));
        if let Some(examples) = &self.examples {
            examples.add(decides.map(|(index, _)| index), event);
        }
        let Some((index, rule)) = decides else {
            self.counts.unmatched(acts);
            return Verdict::Keep;
        };
        let before = self.counts.decided(index, acts);
        match rule.action {
            Action::Allow | Action::Fold => Verdict::Keep,
            Action::Deny => Verdict::LeaveOut,
            Action::Sample(one_in) if is_due(before, acts, one_in) => Verdict::KeepOneIn(one_in),
            Action::Sample(_) => Verdict::LeaveOut,
        }
    }

    /// The first rule that matches, and its place.
    fn rule_for(&self, act: Act<'_>) -> Option<(usize, &Rule)> {
        let mut about = *self.by_type.get(act.event_type as usize)?;
        while about != 0 {
            let index = about.trailing_zeros() as usize;
            let rule = self.rules.get(index)?;
            if rule.decides(act) {
                return Some((index, rule));
            }
            about &= about - 1;
        }
        None
    }

    /// Whether there are no rules, so that everything is kept.
    #[must_use]
    pub fn keeps_everything(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a rule asks what led to a program.
    #[must_use]
    pub fn asks_for_ancestry(&self) -> bool {
        self.asks_for_ancestry
    }

    /// Whether the kernel programs have to tell also what belongs to nobody: where
    /// no rule leaves all of it out, or one before that keeps some.
    #[must_use]
    pub fn wants_everybody(&self) -> bool {
        let services = self.rules.iter().position(Rule::leaves_out_nobodys);
        let mut before = self.rules.iter().take(services.unwrap_or(0));
        services.is_none() || before.any(Rule::wants_everybody)
    }

    /// The rules, in the order in which they are judged.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A short hash of all that the rules say.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// What is wrong with the rules of this configuration.
#[must_use]
pub fn faults(config: &PolicyConfig) -> Vec<Fault> {
    compile::rules(config, None).err().unwrap_or_default()
}

/// Whether one of these acts is the first of so many.
fn is_due(before: u64, acts: u64, one_in: NonZeroU32) -> bool {
    let one_in = u64::from(one_in.get());
    before.next_multiple_of(one_in) < before.saturating_add(acts)
}

/// Rules that say the same have the same version.
fn version(rules: &[Rule]) -> String {
    // Every key is a string, so there is nothing that could fail.
    let text = serde_json::to_vec(rules).unwrap_or_default();
    let digits = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    digits.chars().take(VERSION_DIGITS).collect()
}

fn unexplained() -> PolicyError {
    let message = "cannot be used".to_owned();
    PolicyError::Rule(Fault { rule: None, key: "", message })
}
