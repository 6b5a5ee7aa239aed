//! What the sensor says of itself: in the stream, to `GetStatus`, in `doctor`.

use std::sync::{
    Arc, Mutex, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use activity_peers::Refusals;
use activity_proto::v1::{
    self, HookCounters, LaneStatus, NotCovered, PeerCounters, PipelineCounters, PolicyCount, RefusalCount,
};
use prost_types::Timestamp;
use sensor_types::{act::Act, counters::Counters};

use crate::{
    conservation::Alive,
    policy::InForce,
    sequence::{event_type_of, lane_of},
    source::{
        counters::KernelCounters,
        kernel::HookState,
        load::object_sha256,
        skipped::{self, Skipped},
    },
    spool::Spool,
    state::State,
    tally::Tally,
};

/// Ways around a plan that are at least counted.
const COUNTED: [(Act, &str); 2] = [
    (Act::IoUringOpen, "files opened through io_uring"),
    (Act::IoUringConnect, "sockets connected through io_uring"),
];

/// One more than the last [`v1::Reason`].
const REASONS: usize = v1::Reason::UnknownOrigin as usize + 1;

/// The counts of all acts, by their numbers.
type AllCounters = [Counters; Act::ALL.len()];

/// What the pipeline counts.
#[derive(Debug)]
pub struct PipelineStats {
    /// What has to add up, and may outlive the process.
    pub tally: Tally,
    /// Arguments replaced.
    pub redacted: AtomicU64,
    /// Processes in the table.
    pub processes: AtomicU64,
    /// Published events that name nobody, by [`v1::Reason`].
    pub unattributed: [AtomicU64; REASONS],
}

impl PipelineStats {
    /// Counts there; the rest begins at nothing.
    pub fn new(tally: Tally) -> Self {
        let unattributed = std::array::from_fn(|_| AtomicU64::new(0));
        Self { tally, redacted: AtomicU64::new(0), processes: AtomicU64::new(0), unattributed }
    }
}

/// Everything that is needed to answer for the sensor.
pub struct SensorStatus {
    /// Host name.
    pub host: String,
    /// Id and epoch.
    pub state: Arc<State>,
    /// Wall clock of the start.
    pub started: Timestamp,
    /// How the kernel is hooked.
    pub plan: String,
    /// Ways around this plan that its hooks cannot see.
    pub not_covered: Vec<String>,
    /// The hooks.
    pub hooks: Vec<HookState>,
    /// Whether everything is recorded.
    pub record_all: bool,
    /// The programs' counts.
    pub kernel: KernelCounters,
    /// How often the kernel passed the programs over.
    pub skipped: Skipped,
    /// The policy, which counts what it decides.
    pub policy: InForce,
    /// The pipeline's counts.
    pub pipeline: PipelineStats,
    /// Who is on, as of a moment ago.
    pub sessions: Mutex<Vec<v1::SessionState>>,
    /// What is kept on disk.
    pub spool: Option<Arc<Spool>>,
    /// Who was let in over TCP and who was not, once there is a door.
    pub refusals: OnceLock<Arc<Refusals>>,
    /// That it is at work.
    pub alive: Alive,
    /// Sizes of the process ring and the file ring.
    pub ring_bytes: (u64, u64),
}

impl SensorStatus {
    /// What is seen and not seen, with the counts of this moment.
    pub fn status(&self) -> v1::Status {
        // A count that cannot be read is not shown rather than shown as zero.
        let counters = self.kernel.read().ok();
        let mut ways = not_covered(&self.not_covered, &self.hooks, counters.as_ref());
        if let Some(count) = self.skipped.count() {
            ways.push(NotCovered { what: skipped::WHAT.to_owned(), count: Some(count) });
        }
        let policy = self.policy.standing();
        v1::Status {
            plan: self.plan.clone(),
            hooks: describe(&self.hooks, counters.as_ref()),
            not_covered: ways,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            object_sha256: object_sha256().to_owned(),
            records_all: self.record_all,
            policy_version: policy.policy.version().to_owned(),
            policy_since: Some(policy.since),
            policy_error: policy.error,
        }
    }

    /// The lanes: numbers given out, and what the kernel had no room for.
    pub fn lanes(&self) -> Vec<LaneStatus> {
        let counters = self.kernel.read().unwrap_or_default();
        let full = |lane: v1::Lane| {
            let of_lane = |act: &Act| lane_of(event_type_of(*act)) == lane;
            let counts = Act::ALL.iter().filter(|act| of_lane(act)).filter_map(|act| counts(&counters, *act));
            counts.map(|counts| counts.ring_full).sum()
        };
        vec![
            LaneStatus {
                lane: v1::Lane::Process.into(),
                last_sequence: self.pipeline.tally.process_sequence.load(Relaxed),
                ring_full: full(v1::Lane::Process),
                ring_bytes: self.ring_bytes.0,
            },
            LaneStatus {
                lane: v1::Lane::File.into(),
                last_sequence: self.pipeline.tally.file_sequence.load(Relaxed),
                ring_full: full(v1::Lane::File),
                ring_bytes: self.ring_bytes.1,
            },
        ]
    }

    /// What became of the records.
    pub fn pipeline(&self) -> PipelineCounters {
        let policy = self.policy.standing().policy;
        PipelineCounters {
            rejected: self.pipeline.tally.rejected.total(),
            internal: self.pipeline.tally.internal.total(),
            filtered: self.pipeline.tally.filtered.total(),
            published: self.pipeline.tally.published.total(),
            redacted: self.pipeline.redacted.load(Relaxed),
            processes: self.pipeline.processes.load(Relaxed),
            filtered_by: policy.filtered_by(),
            unattributed: self.unattributed(),
            own: self.pipeline.tally.own.total(),
            totals: self.pipeline.tally.totals.total(),
            shed: self.pipeline.tally.shed.total(),
            rules: policy.rule_counts(),
            unmatched: policy.unmatched(),
        }
    }
}

impl SensorStatus {
    /// Who was let in over TCP and who was not.
    pub fn peers(&self) -> Option<PeerCounters> {
        self.refusals.get().map(|refusals| peers(refusals))
    }

    fn unattributed(&self) -> Vec<PolicyCount> {
        let counts = self.pipeline.unattributed.iter().map(|count| count.load(Relaxed)).enumerate();
        let named = counts.filter_map(|(reason, count)| {
            let reason = v1::Reason::try_from(i32::try_from(reason).ok()?).ok()?;
            Some(PolicyCount { reason: reason.short_name().to_owned(), count })
        });
        named.filter(|counted| counted.count > 0 && !counted.reason.is_empty()).collect()
    }
}

/// What a door has counted.
pub fn peers(refusals: &Refusals) -> PeerCounters {
    let count = |(reason, count): (activity_peers::Reason, u64)| RefusalCount {
        reason: reason.as_str().to_owned(),
        count,
    };
    PeerCounters {
        accepted: refusals.accepted(),
        retired: refusals.retired(),
        refused: refusals.by_reason().map(count).collect(),
    }
}

fn counts(counters: &AllCounters, act: Act) -> Option<&Counters> {
    counters.get(act as usize)
}

/// The hooks; the counts are those of an act and stand at its first hook only.
fn describe(hooks: &[HookState], counters: Option<&AllCounters>) -> Vec<v1::Hook> {
    let mut seen = 0;
    let mut described = Vec::with_capacity(hooks.len());
    for hook in hooks {
        let first = seen & hook.act.bit() == 0;
        seen |= hook.act.bit();
        let counts = counters.filter(|_| first).and_then(|counters| counts(counters, hook.act));
        described.push(v1::Hook {
            name: hook.act.name().to_owned(),
            attached_to: hook.attached_to.clone(),
            live: hook.obstacle.is_none(),
            reason: hook.obstacle.clone().unwrap_or_default(),
            counters: counts.map(|counts| HookCounters {
                hits: counts.hits,
                filtered: counts.filtered,
                recorded: counts.recorded,
                ring_full: counts.ring_full,
                unreadable: counts.unreadable,
                not_covered: counts.not_covered,
                folded: counts.folded,
            }),
            how: hook.how.clone(),
        });
    }
    described
}

/// The ways around the plan, with their counts where there are any: those that
/// it names, and those that a hook of it counts.
fn not_covered(ways: &[String], hooks: &[HookState], counters: Option<&AllCounters>) -> Vec<NotCovered> {
    let count = |act| counters.and_then(|counters| counts(counters, act)).map(|counts| counts.not_covered);
    let mut told: Vec<NotCovered> = Vec::new();
    for what in ways {
        let count = COUNTED.iter().find(|(_, name)| *name == what.as_str()).and_then(|(act, _)| count(*act));
        told.push(NotCovered { what: what.clone(), count });
    }
    for (act, what) in COUNTED.into_iter().filter(|(_, what)| !ways.iter().any(|way| way == what)) {
        let is_counted = hooks.iter().any(|hook| hook.act == act && hook.obstacle.is_none());
        if is_counted || count(act).is_some_and(|count| count > 0) {
            told.push(NotCovered { what: what.to_owned(), count: count(act) });
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(act: Act, attached_to: &str) -> HookState {
        HookState { act, attached_to: attached_to.to_owned(), how: "tracepoint".to_owned(), obstacle: None }
    }

    fn counters(act: Act, counts: Counters) -> AllCounters {
        let mut all = AllCounters::default();
        all[act as usize] = counts;
        all
    }

    #[test]
    fn the_counts_of_an_act_stand_at_its_first_hook() {
        let counters = counters(Act::Connect, Counters { hits: 7, ..Counters::default() });
        let hooks = [hook(Act::Connect, "sys_exit"), hook(Act::Connect, "inet_sock_set_state")];
        let described = describe(&hooks, Some(&counters));
        assert_eq!(described[0].counters.map(|counts| counts.hits), Some(7));
        assert_eq!((described[1].counters, described[1].name.as_str()), (None, "connect"));
    }

    #[test]
    fn what_is_not_covered_is_told_with_its_count() {
        let counters =
            counters(Act::IoUringOpen, Counters { hits: 3, not_covered: 3, ..Counters::default() });
        let counts = |ways: &[&str]| -> Vec<(String, Option<u64>)> {
            let ways: Vec<String> = ways.iter().map(|way| (*way).to_owned()).collect();
            not_covered(&ways, &[], Some(&counters)).into_iter().map(|way| (way.what, way.count)).collect()
        };
        let (open, connect) = (COUNTED[0].1, COUNTED[1].1);
        assert_eq!(
            counts(&["argv of failures", open, connect]),
            [
                ("argv of failures".to_owned(), None),
                (open.to_owned(), Some(3)),
                (connect.to_owned(), Some(0))
            ]
        );
        assert_eq!(counts(&[]), [(open.to_owned(), Some(3))]);
        assert_eq!(not_covered(&[open.to_owned()], &[], None)[0].count, None);
        let counting = [hook(Act::IoUringConnect, "io_uring_submit_req")];
        let told = not_covered(&[], &counting, Some(&AllCounters::default()));
        assert_eq!(told, [NotCovered { what: connect.to_owned(), count: Some(0) }]);
    }
}
