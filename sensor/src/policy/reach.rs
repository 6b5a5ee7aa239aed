//! For which other opens a verdict would be the same, so that the kernel programs
//! can give it themselves.

use activity_proto::v1::Event;

use super::{Action, Policy, act::Act, matcher::Matcher, rule::Rule};
use crate::enrich::ancestry::Ancestry;

/// What leaves an open out, and for which others it does as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The place of the rule.
    pub rule: usize,
    /// It is so for whoever opens that file in this way.
    pub whoever: bool,
    /// It is so for whatever this program of this process opens.
    pub whatever: bool,
}

/// What a matcher looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// The file and the way of opening it.
    File,
    /// The process, its program and its ids.
    Process,
    /// Who that process belongs to, as far as is known.
    Human,
    /// What is the same for both: a process's mount namespace.
    Both,
    /// File and process together, or what may change.
    Neither,
}

impl Subject {
    fn of(matcher: &Matcher, act: Act<'_>) -> Self {
        match matcher {
            Matcher::Path(paths) if paths.patterns.covers_own_proc && is_in_proc(act) => Self::Neither,
            Matcher::Outcome(_)
            | Matcher::OnlyReads
            | Matcher::Access(_)
            | Matcher::FileKind(_)
            | Matcher::Unreachable
            | Matcher::PathLength(_)
            | Matcher::Path(_)
            | Matcher::Family(_)
            | Matcher::Port(_)
            | Matcher::Address(_) => Self::File,
            Matcher::MountNamespace(_) => Self::Both,
            Matcher::Uid(_) | Matcher::Gid(_) | Matcher::Exe(_) | Matcher::Under(_) | Matcher::Cgroup(_) => {
                Self::Process
            }
            Matcher::LoginUid(_) => Self::Human,
            // A session is known better the longer it lasts.
            Matcher::Nobody | Matcher::Session(_) => Self::Neither,
        }
    }
}

fn is_in_proc(act: Act<'_>) -> bool {
    act.paths().iter().flatten().any(|path| path.starts_with(b"/proc/"))
}

impl Policy {
    /// What leaves this open out, if a rule does by itself, and for what else that
    /// holds. `settled`: nothing that is heard later makes it another human's.
    #[must_use]
    pub fn reach(&self, event: &Event, ancestry: &Ancestry, settled: bool) -> Option<Reach> {
        let act = Act::of(event, ancestry);
        let (rule, decides) = self.rule_for(act).filter(|(_, rule)| rule.action == Action::Deny)?;
        let is_about_process = |subject| {
            matches!(subject, Subject::Process | Subject::Both) || settled && subject == Subject::Human
        };
        let holds_for = |is_enough: &dyn Fn(Subject) -> bool| {
            let subjects = || decides.matchers.iter().map(|matcher| Subject::of(matcher, act));
            // Whatever another rule that leaves out says: it is left out.
            let mut before = self.rules.iter().take(rule).filter(|rule| rule.action != Action::Deny);
            subjects().all(is_enough) && before.all(|rule| misses_by(rule, act, is_enough))
        };
        Some(Reach {
            rule,
            whoever: holds_for(&|subject| matches!(subject, Subject::File | Subject::Both)),
            whatever: holds_for(&is_about_process),
        })
    }
}

/// Whether a rule would not match either where only that is the same.
fn misses_by(rule: &Rule, act: Act<'_>, is_enough: &dyn Fn(Subject) -> bool) -> bool {
    let leaves_out = rule.leaves_out();
    !rule.types.contains(act.event_type)
        || rule
            .matchers
            .iter()
            .any(|matcher| is_enough(Subject::of(matcher, act)) && !matcher.matches(act, leaves_out))
}
