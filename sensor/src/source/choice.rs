//! Which hooks a plan comes to on this kernel: decided from what the kernel's
//! types say and from what it has refused, before anything is attached.

use std::collections::BTreeMap;

use sensor_types::{
    act::Act,
    policy::Settings,
    syscall::{CALLS, Call},
};

use super::{
    findings::Findings,
    plan::{Hook, How, NEVER_COVERED, REQUIRED, WAYS, Way, not_covered},
};
use crate::cli::Plan;

/// What the kernel refused when it was tried: a reason for each act.
pub type Refused = BTreeMap<u32, String>;

/// How one act is recorded.
pub struct Choice {
    /// The act.
    pub act: Act,
    /// Hooks to attach, each with its place.
    pub hooks: Vec<(&'static Hook, &'static str)>,
    /// Whether system calls are looked at for it.
    pub calls: bool,
    /// Trampolines tell of it.
    pub by_trampoline: bool,
    /// Why it is not recorded at all.
    pub obstacle: Option<String>,
    /// Why it is not told by trampolines, where the plan would have had them.
    pub fallback: Option<String>,
}

/// Everything that was decided.
pub struct Choices(pub Vec<Choice>);

impl Choices {
    /// Decides for every act that is wanted, a mask of [`Act::bit`]s.
    pub fn make(findings: &Findings, wanted: u32, plan: Plan, refused: &Refused) -> Self {
        let open_by_trampoline = choose(findings, way(Act::Open), plan, refused).by_trampoline;
        let connect_by_trampoline = choose(findings, way(Act::Connect), plan, refused).by_trampoline;
        let choices = WAYS
            .iter()
            .filter(|way| wanted & way.act.bit() != 0)
            // Counted only where the act itself is not seen.
            .filter(|way| way.act != Act::IoUringOpen || !open_by_trampoline)
            .filter(|way| way.act != Act::IoUringConnect || !connect_by_trampoline)
            .map(|way| choose(findings, Some(way), plan, refused));
        Self(choices.collect())
    }

    /// The table of system calls for the kernel programs.
    pub fn call_table(&self) -> [u32; CALLS] {
        let mut table = [0; CALLS];
        let mut put = |number: u16, entry: u32| {
            if let Some(known) = table.get_mut(usize::from(number)) {
                *known |= entry;
            }
        };
        for call in self.calls() {
            let entry = call as u32 | (call.jump() as u32) << 8;
            call.native().iter().for_each(|&number| put(number, entry));
            call.compat().iter().for_each(|&number| put(number, entry << 16));
        }
        table
    }

    /// The system calls that are looked at.
    pub fn calls(&self) -> impl Iterator<Item = Call> {
        let looked_at = |act: Act| {
            self.0.iter().any(|choice| choice.act == act && choice.calls && choice.obstacle.is_none())
        };
        Call::ALL.iter().copied().filter(move |call| looked_at(call.act()))
    }

    /// What the programs are told before load.
    pub fn settings(&self, findings: &Findings, everybody: bool) -> Settings {
        let live = self.0.iter().filter(|choice| choice.obstacle.is_none());
        let connect = self.0.iter().find(|choice| choice.act == Act::Connect);
        let logins = self.0.iter().find(|choice| choice.act == Act::LoginuidSet);
        Settings {
            record_all: everybody.into(),
            acts: live.map(|choice| choice.act.bit()).fold(0, |mask, bit| mask | bit),
            trampolines: connect.is_some_and(|choice| choice.by_trampoline).into(),
            notice_logins: logins.is_some_and(|choice| !choice.by_trampoline).into(),
            ..findings.settings()
        }
    }

    /// The plan's name: mixed where some acts had to be hooked the other way.
    pub fn plan(&self) -> &'static str {
        let way = |choice: &&Choice| way(choice.act).is_some_and(|way| !way.trampolines.is_empty());
        let mut either = self.0.iter().filter(way).map(|choice| choice.by_trampoline);
        match (either.clone().any(|by| by), either.all(|by| by)) {
            (true, true) => "trampoline",
            (true, false) => "mixed",
            (false, _) => "tracepoint",
        }
    }

    /// What this choice cannot see.
    pub fn not_covered(&self) -> Vec<&'static str> {
        let by_tracepoints = self.0.iter().filter(|choice| !choice.by_trampoline);
        let mut all: Vec<_> =
            by_tracepoints.flat_map(|choice| not_covered(choice.act)).chain(NEVER_COVERED).copied().collect();
        // Two acts may say the same, one after the other.
        all.dedup();
        all
    }

    /// The first act that is missing although the sensor should not do without.
    pub fn missing(&self) -> Option<(Act, &str)> {
        let required = self.0.iter().filter(|choice| REQUIRED.contains(&choice.act));
        required.filter_map(|choice| Some((choice.act, choice.obstacle.as_deref()?))).next()
    }
}

fn way(act: Act) -> Option<&'static Way> {
    WAYS.iter().find(|way| way.act == act)
}

fn choose(findings: &Findings, way: Option<&'static Way>, plan: Plan, refused: &Refused) -> Choice {
    let Some(way) = way else { return Choice::none() };
    let mut choice = Choice { act: way.act, ..Choice::none() };
    match placed(findings, way.always) {
        Ok(hooks) => choice.hooks = hooks,
        Err(reason) => choice.obstacle = Some(reason),
    }
    if plan != Plan::Tracepoint && !way.trampolines.is_empty() {
        let refusal = refused.get(&(way.act as u32)).cloned();
        match refusal.map_or_else(|| placed(findings, way.trampolines), Err) {
            Ok(hooks) => {
                choice.hooks.extend(hooks);
                choice.by_trampoline = true;
                return choice;
            }
            Err(reason) if plan == Plan::Trampoline => {
                choice.obstacle.get_or_insert(reason);
                return choice;
            }
            Err(reason) => choice.fallback = Some(reason),
        }
    }
    by_tracepoints(findings, way, choice)
}

fn by_tracepoints(findings: &Findings, way: &'static Way, mut choice: Choice) -> Choice {
    match placed(findings, way.tracepoints) {
        Ok(hooks) => choice.hooks.extend(hooks),
        Err(reason) => choice.obstacle = Some(reason),
    }
    choice.calls = Call::ALL.iter().any(|call| call.act() == way.act);
    if choice.calls
        && let Err(reason) = findings.calls()
    {
        choice.obstacle.get_or_insert(reason);
    }
    choice
}

impl Choice {
    const fn none() -> Self {
        Self {
            act: Act::Fork,
            hooks: Vec::new(),
            calls: false,
            by_trampoline: false,
            obstacle: None,
            fallback: None,
        }
    }
}

/// Hooks with their places on this kernel.
fn placed(
    findings: &Findings,
    hooks: &'static [&'static Hook],
) -> Result<Vec<(&'static Hook, &'static str)>, String> {
    let mut placed = Vec::new();
    for hook in hooks {
        match findings.place(hook) {
            Ok(place) => placed.push((*hook, place)),
            Err(_) if hook.optional => {}
            Err(reason) => return Err(reason),
        }
    }
    Ok(placed)
}

/// Whether a hook is a trampoline.
pub fn is_trampoline(hook: &Hook) -> bool {
    hook.how != How::Tracepoint
}
