//! Acts that repeat are told once.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::act::Act;

/// How many different acts may stand between two equal ones.
const BETWEEN: usize = 12;
/// How long after the last of them another one is told as one with it.
const WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// Equal acts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Folded {
    #[serde(flatten)]
    pub act: Act,
    /// How many.
    pub count: u64,
    /// When the last one was, where it is not the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
}

/// Acts that others may still be added to, oldest first.
#[derive(Debug, Default)]
pub struct Fold {
    waiting: VecDeque<Folded>,
}

impl Fold {
    /// Takes an act; gives what can wait no longer.
    pub fn push(&mut self, act: Act) -> Vec<Folded> {
        let equal = self.waiting.iter_mut().find(|of| {
            of.act.kind == act.kind
                && of.act.deed == act.deed
                && of.act.chain == act.chain
                && act.time.duration_since(of.last.unwrap_or(of.act.time)) <= WITHIN
        });
        match equal {
            Some(folded) if stays(&act) => {
                folded.count = folded.count.saturating_add(act.acts);
                folded.last = Some(act.time).filter(|last| *last != folded.act.time);
                Vec::new()
            }
            // A step to another user, or from there, ends what was before.
            _ if !stays(&act) => {
                let mut ready = self.flush();
                ready.push(Folded { count: act.acts, act, last: None });
                ready
            }
            _ => {
                self.waiting.push_back(Folded { count: act.acts, act, last: None });
                let ready = self.waiting.len().saturating_sub(BETWEEN);
                self.waiting.drain(..ready).collect()
            }
        }
    }

    /// Everything that waits.
    pub fn flush(&mut self) -> Vec<Folded> {
        self.waiting.drain(..).collect()
    }
}

/// Whether an act is one among others, rather than a turn in what somebody does.
fn stays(act: &Act) -> bool {
    !matches!(
        act.kind.as_str(),
        "session_start" | "session_end" | "account_switch" | "credential_change" | "tamper"
    )
}
