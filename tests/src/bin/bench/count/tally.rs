//! Events by process and type.

use std::collections::{BTreeMap, HashMap};

use activity_proto::v1::{EventType, Gap, GapReason};
use prost::Message as _;
use serde_json::{Value, json};

use super::wire::Seen;

/// Field numbers of the payloads that are told apart, with their names.
const KINDS: [(u64, &str); 5] = [(20, "exec"), (21, "exit"), (22, "open"), (23, "connect"), (27, "accept")];
/// The field number of a gap.
const GAP: u64 = 24;

type Counts = [u64; KINDS.len()];

/// What has come since it was last taken.
#[derive(Default)]
pub struct Tally {
    /// The stream has ended.
    pub over: bool,
    with_delays: bool,
    total: u64,
    processes: HashMap<u32, Counts>,
    /// By the parent's process id.
    children: HashMap<u32, Counts>,
    /// When the first event of a process came.
    first: HashMap<u32, u64>,
    /// Nanoseconds from the act to here.
    delays: HashMap<u32, Vec<u64>>,
    lost: BTreeMap<String, u64>,
}

impl Tally {
    /// With the delay of each event, if it is asked for.
    pub fn new(with_delays: bool) -> Self {
        Self { with_delays, ..Self::default() }
    }

    /// Counts an encoded event.
    pub fn add(&mut self, event: &[u8], arrived: u64) {
        let seen = Seen::of(event);
        self.total += 1;
        let (kind, payload) = seen.payload;
        if kind == GAP {
            self.lose(payload);
        }
        let Some(index) = KINDS.iter().position(|(number, _)| *number == kind) else { return };
        for (counts, id) in [(&mut self.processes, seen.process), (&mut self.children, seen.parent)] {
            if let Some(count) = counts.entry(id).or_default().get_mut(index) {
                *count += 1;
            }
        }
        self.first.entry(seen.process).or_insert(arrived);
        if self.with_delays {
            self.delays.entry(seen.process).or_default().push(arrived.saturating_sub(seen.time));
        }
    }

    fn lose(&mut self, gap: &[u8]) {
        let Ok(gap) = Gap::decode(gap) else { return };
        let reason = GapReason::try_from(gap.reason).unwrap_or_default().short_name();
        for entry in &gap.counts {
            let kind = EventType::try_from(entry.r#type).unwrap_or_default().short_name();
            *self.lost.entry(format!("{kind} {reason}")).or_default() += entry.count;
        }
        if gap.counts.is_empty() {
            *self.lost.entry(format!("unknown {reason}")).or_default() += 1;
        }
    }

    /// Events of that type which a process or its children caused.
    pub fn count(&self, process: u32, kind: &str) -> u64 {
        let index = KINDS.iter().position(|(_, name)| *name == kind);
        let of = |counts: &HashMap<u32, Counts>| {
            index.and_then(|index| counts.get(&process)?.get(index).copied()).unwrap_or_default()
        };
        of(&self.processes) + of(&self.children)
    }

    /// Events of all those types.
    pub fn of(&self, process: u32) -> u64 {
        KINDS.iter().map(|(_, name)| self.count(process, name)).sum()
    }

    /// What came, for that process; and begins anew.
    pub fn take(&mut self, process: u32) -> Value {
        let own: BTreeMap<_, _> = KINDS.iter().map(|(_, name)| (*name, self.count(process, name))).collect();
        let taken = std::mem::replace(self, Self { over: self.over, ..Self::new(self.with_delays) });
        json!({
            "total": taken.total,
            "own": own,
            "lost": taken.lost,
            "first": taken.first.get(&process),
            "delays": taken.delays.get(&process).map_or(&[][..], Vec::as_slice),
        })
    }
}

#[cfg(test)]
mod tests {
    use activity_proto::v1::{Event, Exec, Process, TypeCount, event::Payload};

    use super::*;

    fn add(tally: &mut Tally, pid: u32, ppid: u32, payload: Payload) {
        let process = Some(Process { pid, ppid, ..Process::default() });
        let event = Event { process, payload: Some(payload), boottime_ns: 40, ..Event::default() };
        tally.add(&event.encode_to_vec(), 100);
    }

    #[test]
    fn what_children_do_is_counted_for_the_parent_until_it_is_taken() {
        let mut tally = Tally::new(true);
        add(&mut tally, 8, 7, Payload::Exec(Exec::default()));
        add(&mut tally, 7, 1, Payload::Exec(Exec::default()));
        assert_eq!((tally.count(7, "exec"), tally.count(8, "exec"), tally.count(9, "exec")), (2, 1, 0));
        let taken = tally.take(7);
        assert_eq!(taken["own"]["exec"], 2);
        assert_eq!(taken["delays"], json!([60]));
        assert_eq!(tally.take(7)["total"], 0);
    }

    #[test]
    fn a_gap_says_what_was_lost() {
        let mut tally = Tally::new(false);
        let counts = vec![TypeCount { r#type: EventType::Open.into(), count: 12 }];
        let gap = Gap { reason: GapReason::RingFull.into(), counts, ..Gap::default() };
        add(&mut tally, 0, 0, Payload::Gap(gap));
        assert_eq!(tally.take(1)["lost"], json!({"open ring_full": 12}));
    }
}
