//! A rule, compiled: data that says what it asks for and what it does.

use std::num::NonZeroU32;

use serde::Serialize;

use super::{
    act::Act,
    matcher::{Matcher, PathCounts},
    types::Types,
};

/// Rules there may be, with the built-in ones: a set of them is a word of bits.
pub const MAX_RULES: usize = 64;

/// What a rule does with the events it decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Keeps them.
    Allow,
    /// Leaves them out.
    Deny,
    /// Keeps them; equal ones may be told as one with a count.
    Fold,
    /// Keeps one in so many, the first among them.
    Sample(NonZeroU32),
}

impl Action {
    /// The name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Fold => "fold",
            Self::Sample(_) => "sample",
        }
    }

    /// Of so many events that a rule decided, how many it left out.
    #[must_use]
    pub fn left_out(self, decided: u64) -> u64 {
        match self {
            Self::Allow | Self::Fold => 0,
            Self::Deny => decided,
            Self::Sample(one_in) => decided - decided.div_ceil(one_in.get().into()),
        }
    }
}

/// A rule.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Unique among the rules.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// Why, for people.
    pub reason: String,
    /// Under which name its events are counted among those left out.
    pub counted_as: String,
    /// Whether it is one of the sensor's own.
    pub built_in: bool,
    /// The types it is about.
    pub types: Types,
    /// What must hold besides: all of it, the cheap first.
    pub matchers: Vec<Matcher>,
}

/// Why a rule does not decide an event.
#[derive(Clone, Copy, Debug)]
pub enum Miss<'a> {
    /// It is not about this type.
    Type,
    /// This is not so.
    Matcher(&'a Matcher),
}

impl Rule {
    /// Puts the cheap matchers first.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.matchers.sort_by_key(Matcher::cost);
        self
    }

    /// Whether events may be missing because of it.
    #[must_use]
    pub fn leaves_out(&self) -> bool {
        self.action != Action::Allow
    }

    /// Whether it decides this act.
    #[must_use]
    pub fn decides(&self, act: Act<'_>) -> bool {
        self.miss(act).is_none()
    }

    /// Why it does not; `None` where it does.
    #[must_use]
    pub fn miss<'a>(&'a self, act: Act<'_>) -> Option<Miss<'a>> {
        if !self.types.contains(act.event_type) {
            return Some(Miss::Type);
        }
        let leaves_out = self.leaves_out();
        self.matchers.iter().find(|matcher| !matcher.matches(act, leaves_out)).map(Miss::Matcher)
    }

    /// Whether it asks what led to a program.
    #[must_use]
    pub fn asks_for_ancestry(&self) -> bool {
        self.matchers.iter().any(|matcher| matches!(matcher, Matcher::Under(_)))
    }

    /// Whether it may keep acts that nobody logged in for and that the kernel
    /// programs would leave out.
    #[must_use]
    pub fn wants_everybody(&self) -> bool {
        let excludes = |matcher: &Matcher| match matcher {
            Matcher::LoginUid(humans) => !humans.unset,
            Matcher::Session(sessions) => !sessions.none,
            _ => false,
        };
        self.action != Action::Deny
            && !self.types.and(Types::LEFT_OUT_IN_KERNEL).is_empty()
            && !self.matchers.iter().any(excludes)
    }

    /// Whether it leaves out all that belongs to nobody.
    #[must_use]
    pub fn leaves_out_nobodys(&self) -> bool {
        let all = self.types.and(Types::LEFT_OUT_IN_KERNEL) == Types::LEFT_OUT_IN_KERNEL;
        self.action == Action::Deny && all && matches!(self.matchers.as_slice(), [Matcher::Nobody])
    }

    /// When a path counts for a rule with this action.
    #[must_use]
    pub fn path_counts(action: Action, names_outcome: bool) -> PathCounts {
        match action {
            Action::Allow => PathCounts::Always,
            _ if names_outcome => PathCounts::RealOrFailed,
            _ => PathCounts::RealOrMissing,
        }
    }
}
