//! What could not be recorded, turned into gap events.

use activity_proto::v1::{EventType, Gap, GapReason, TypeCount};
use sensor_types::{
    counters::{Counters, Hook},
    header::{Header, Kind},
};
use zerocopy::FromBytes as _;

use crate::sequence::lane_of;

/// Remembers what was reported already.
#[derive(Debug, Default)]
pub struct Losses {
    seen: [Counters; Hook::ALL.len()],
    /// Rejected records by type, and those of unknown type.
    rejected: Vec<(EventType, u64)>,
}

impl Losses {
    /// A record had the wrong form.
    pub fn rejected(&mut self, record: &[u8]) {
        let kind =
            Header::read_from_prefix(record).ok().and_then(|(header, _)| Kind::from_number(header.kind));
        let event_type = kind.map_or(EventType::Unspecified, event_type_of);
        match self.rejected.iter_mut().find(|(known, _)| *known == event_type) {
            Some((_, count)) => *count += 1,
            None => self.rejected.push((event_type, 1)),
        }
    }

    /// Gaps for what was lost since the last call; their sequences are for the
    /// caller to fill in.
    pub fn since_last_time(&mut self, counters: &[Counters; Hook::ALL.len()]) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for ((hook, now), before) in Hook::ALL.into_iter().zip(counters).zip(&mut self.seen) {
            // The CPUs' counts are not read at one instant, but none ever falls.
            let lost = now.ring_full.saturating_sub(before.ring_full);
            let unreadable = now.unreadable.saturating_sub(before.unreadable);
            *before = *now;
            let event_type = event_type_of_hook(hook);
            add(&mut gaps, GapReason::RingFull, event_type, lost);
            add(&mut gaps, GapReason::Decode, event_type, unreadable);
        }
        for (event_type, count) in std::mem::take(&mut self.rejected) {
            add(&mut gaps, GapReason::Decode, event_type, count);
        }
        gaps
    }
}

/// One gap for each lane and reason.
fn add(gaps: &mut Vec<Gap>, reason: GapReason, event_type: EventType, count: u64) {
    if count == 0 {
        return;
    }
    let lane = lane_of(event_type);
    let counted = TypeCount { r#type: event_type.into(), count };
    match gaps.iter_mut().find(|gap| gap.lane() == lane && gap.reason() == reason) {
        Some(gap) => match gap.counts.iter_mut().find(|known| known.r#type == counted.r#type) {
            Some(known) => known.count += count,
            None => gap.counts.push(counted),
        },
        None => gaps.push(Gap {
            lane: lane.into(),
            reason: reason.into(),
            counts: vec![counted],
            ..Gap::default()
        }),
    }
}

fn event_type_of(kind: Kind) -> EventType {
    match kind {
        Kind::Fork => EventType::Unspecified,
        Kind::Exec => EventType::Exec,
        Kind::Exit => EventType::Exit,
        Kind::Open => EventType::Open,
        Kind::Connect => EventType::Connect,
    }
}

/// A lost fork costs no event of its own, but the program's name on events of
/// the child; it is told as a loss of unspecified type.
fn event_type_of_hook(hook: Hook) -> EventType {
    match hook {
        Hook::Fork => EventType::Unspecified,
        Hook::Exec => EventType::Exec,
        Hook::Exit => EventType::Exit,
        Hook::Open => EventType::Open,
        Hook::Connect => EventType::Connect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use activity_proto::v1::Lane;

    fn with_ring_full(hook: Hook, count: u64) -> [Counters; Hook::ALL.len()] {
        let mut counters = [Counters::default(); Hook::ALL.len()];
        counters[hook as usize].ring_full = count;
        counters
    }

    #[test]
    fn a_loss_is_told_once_with_its_exact_count() {
        let mut losses = Losses::default();
        let gaps = losses.since_last_time(&with_ring_full(Hook::Open, 7));
        assert_eq!(gaps.len(), 1);
        assert_eq!((gaps[0].lane(), gaps[0].reason()), (Lane::File, GapReason::RingFull));
        assert_eq!((gaps[0].counts[0].r#type(), gaps[0].counts[0].count), (EventType::Open, 7));
        assert!(losses.since_last_time(&with_ring_full(Hook::Open, 7)).is_empty());
        assert_eq!(losses.since_last_time(&with_ring_full(Hook::Open, 9))[0].counts[0].count, 2);
    }

    #[test]
    fn losses_of_one_lane_and_reason_share_a_gap() {
        let mut losses = Losses::default();
        let mut counters = with_ring_full(Hook::Exec, 1);
        counters[Hook::Connect as usize].ring_full = 2;
        counters[Hook::Open as usize].ring_full = 3;
        let gaps = losses.since_last_time(&counters);
        assert_eq!(
            gaps.iter().map(|gap| (gap.lane(), gap.counts.len())).collect::<Vec<_>>(),
            [(Lane::Process, 2), (Lane::File, 1)]
        );
    }

    #[test]
    fn records_of_the_wrong_form_are_told_as_a_gap() {
        let mut losses = Losses::default();
        losses.rejected(b"short");
        losses.rejected(b"short");
        let gaps = losses.since_last_time(&[Counters::default(); Hook::ALL.len()]);
        assert_eq!((gaps[0].reason(), gaps[0].counts[0].count), (GapReason::Decode, 2));
    }
}
