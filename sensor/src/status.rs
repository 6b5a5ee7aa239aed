//! What the sensor says of itself: in the stream, to `GetStatus`, in `doctor`.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use activity_proto::v1::{self, HookCounters, LaneStatus, NotCovered, PipelineCounters, PolicyCount};
use prost_types::Timestamp;
use sensor_types::counters::{Counters, Hook};

use crate::{
    filter::{Filter, Reason},
    source::{
        counters::KernelCounters,
        load::{HookState, object_sha256},
        plan::NOT_COVERED,
    },
    state::State,
};

/// What the pipeline counts.
#[derive(Debug, Default)]
pub struct PipelineStats {
    /// Records of the wrong form.
    pub rejected: AtomicU64,
    /// Records for the process table only.
    pub internal: AtomicU64,
    /// Events left out by policy.
    pub filtered: AtomicU64,
    /// Events given a number.
    pub published: AtomicU64,
    /// Arguments replaced.
    pub redacted: AtomicU64,
    /// Processes in the table.
    pub processes: AtomicU64,
    /// Last number in the process lane.
    pub process_sequence: AtomicU64,
    /// Last number in the file lane.
    pub file_sequence: AtomicU64,
}

/// Everything that is needed to answer for the sensor.
pub struct SensorStatus {
    /// Host name.
    pub host: String,
    /// Id and epoch.
    pub state: Arc<State>,
    /// Wall clock of the start.
    pub started: Timestamp,
    /// The hooks.
    pub hooks: Vec<HookState>,
    /// Whether everything is recorded.
    pub record_all: bool,
    /// The programs' counts.
    pub kernel: KernelCounters,
    /// The policy, which counts what it leaves out.
    pub filter: Filter,
    /// The pipeline's counts.
    pub pipeline: PipelineStats,
    /// Sizes of the process ring and the file ring.
    pub ring_bytes: (u64, u64),
}

impl SensorStatus {
    /// What is seen and not seen, with the counts of this moment.
    pub fn status(&self) -> v1::Status {
        // A count that cannot be read is not shown rather than shown as zero.
        let counters = self.kernel.read().ok();
        v1::Status {
            plan: "tracepoint".to_owned(),
            hooks: self.hooks.iter().map(|hook| describe(hook, counters.as_ref())).collect(),
            not_covered: NOT_COVERED
                .iter()
                .map(|what| NotCovered { what: (*what).to_owned(), count: None })
                .collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            object_sha256: object_sha256(),
            records_all: self.record_all,
        }
    }

    /// The lanes: numbers given out, and what the kernel had no room for.
    pub fn lanes(&self) -> Vec<LaneStatus> {
        let full = |hooks: &[Hook]| {
            let counters = self.kernel.read().unwrap_or_default();
            hooks.iter().filter_map(|hook| counters.get(*hook as usize)).map(|counts| counts.ring_full).sum()
        };
        vec![
            LaneStatus {
                lane: v1::Lane::Process.into(),
                last_sequence: self.pipeline.process_sequence.load(Relaxed),
                ring_full: full(&[Hook::Fork, Hook::Exec, Hook::Exit, Hook::Connect]),
                ring_bytes: self.ring_bytes.0,
            },
            LaneStatus {
                lane: v1::Lane::File.into(),
                last_sequence: self.pipeline.file_sequence.load(Relaxed),
                ring_full: full(&[Hook::Open]),
                ring_bytes: self.ring_bytes.1,
            },
        ]
    }

    /// What became of the records.
    pub fn pipeline(&self) -> PipelineCounters {
        PipelineCounters {
            rejected: self.pipeline.rejected.load(Relaxed),
            internal: self.pipeline.internal.load(Relaxed),
            filtered: self.pipeline.filtered.load(Relaxed),
            published: self.pipeline.published.load(Relaxed),
            redacted: self.pipeline.redacted.load(Relaxed),
            processes: self.pipeline.processes.load(Relaxed),
            filtered_by: self.filtered_by(),
        }
    }
}

impl SensorStatus {
    fn filtered_by(&self) -> Vec<PolicyCount> {
        let counted = Reason::ALL.iter().zip(self.filter.counts());
        counted.map(|(reason, count)| PolicyCount { reason: reason.name().to_owned(), count }).collect()
    }
}

fn describe(hook: &HookState, counters: Option<&[Counters; Hook::ALL.len()]>) -> v1::Hook {
    let index = match hook.name {
        "fork" => Hook::Fork,
        "exec" => Hook::Exec,
        "exit" => Hook::Exit,
        "open" => Hook::Open,
        _ => Hook::Connect,
    };
    let counts = counters.and_then(|counters| counters.get(index as usize));
    // Of the two places of connect only the way out of the call counts acts.
    let counts = counts.filter(|_| hook.attached_to != "inet_sock_set_state");
    v1::Hook {
        name: hook.name.to_owned(),
        attached_to: hook.attached_to.to_owned(),
        live: hook.obstacle.is_none(),
        reason: hook.obstacle.clone().unwrap_or_default(),
        counters: counts.map(|counts| HookCounters {
            hits: counts.hits,
            filtered: counts.filtered,
            recorded: counts.recorded,
            ring_full: counts.ring_full,
            unreadable: counts.unreadable,
        }),
    }
}
