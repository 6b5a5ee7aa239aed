//! What could not be recorded, turned into gap events.

use activity_proto::v1::{EventType, Gap, GapReason, Lane, TypeCount};
use sensor_types::{act::Act, counters::Counters, file::Open, header::Header};
use zerocopy::FromBytes as _;

use crate::sequence::{event_type_of, lane_of};

/// Remembers what was reported already.
#[derive(Debug, Default)]
pub struct Losses {
    seen: [Counters; Act::ALL.len()],
    /// Rejected records by type, and those of unknown type.
    rejected: Vec<(EventType, u64)>,
    /// Records left unread, by type.
    shed: Vec<(EventType, u64)>,
}

/// What was left unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// An act.
    Act,
    /// How often one was repeated.
    Total,
}

impl Losses {
    /// A record had the wrong form.
    pub fn rejected(&mut self, record: &[u8]) {
        count(&mut self.rejected, type_of(record), 1);
    }

    /// A record of the file lane is left unread for want of processor time. Tells
    /// what it was; `None` of any other, and nothing is counted.
    pub fn shed(&mut self, record: &[u8]) -> Option<Shed> {
        let act = act_of(record)?;
        let event_type = event_type_of(act);
        if lane_of(event_type) != Lane::File {
            return None;
        }
        let open = Open::read_from_prefix(record).ok().filter(|_| act == Act::Open);
        let repeated = open.map_or(0, |(open, _)| open.repeated);
        count(&mut self.shed, event_type, repeated.max(1).into());
        Some(if repeated == 0 { Shed::Act } else { Shed::Total })
    }

    /// Gaps for what was lost since the last call; their sequences are for the
    /// caller to fill in.
    pub fn since_last_time(&mut self, counters: &[Counters; Act::ALL.len()]) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for ((&act, now), before) in Act::ALL.iter().zip(counters).zip(&mut self.seen) {
            // The CPUs' counts are not read at one instant, but none ever falls.
            let lost = now.ring_full.saturating_sub(before.ring_full);
            let unreadable = now.unreadable.saturating_sub(before.unreadable);
            *before = *now;
            let event_type = event_type_of(act);
            add(&mut gaps, GapReason::RingFull, event_type, lost);
            add(&mut gaps, GapReason::Decode, event_type, unreadable);
        }
        for (event_type, count) in std::mem::take(&mut self.rejected) {
            add(&mut gaps, GapReason::Decode, event_type, count);
        }
        for (event_type, count) in std::mem::take(&mut self.shed) {
            add(&mut gaps, GapReason::CpuLimit, event_type, count);
        }
        gaps
    }
}

/// The type of the event that a record would have become, as far as that is known.
pub fn type_of(record: &[u8]) -> EventType {
    act_of(record).map_or(EventType::Unspecified, event_type_of)
}

fn act_of(record: &[u8]) -> Option<Act> {
    Header::read_from_prefix(record).ok().and_then(|(header, _)| Act::from_number(header.kind))
}

fn count(counts: &mut Vec<(EventType, u64)>, event_type: EventType, number: u64) {
    match counts.iter_mut().find(|(known, _)| *known == event_type) {
        Some((_, count)) => *count += number,
        None => counts.push((event_type, number)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromZeros as _, IntoBytes as _};

    fn with_ring_full(act: Act, count: u64) -> [Counters; Act::ALL.len()] {
        let mut counters = [Counters::default(); Act::ALL.len()];
        counters[act as usize].ring_full = count;
        counters
    }

    #[test]
    fn a_loss_is_told_once_with_its_exact_count() {
        let mut losses = Losses::default();
        let gaps = losses.since_last_time(&with_ring_full(Act::Open, 7));
        assert_eq!(gaps.len(), 1);
        assert_eq!((gaps[0].lane(), gaps[0].reason()), (Lane::File, GapReason::RingFull));
        assert_eq!((gaps[0].counts[0].r#type(), gaps[0].counts[0].count), (EventType::Open, 7));
        assert!(losses.since_last_time(&with_ring_full(Act::Open, 7)).is_empty());
        assert_eq!(losses.since_last_time(&with_ring_full(Act::Open, 9))[0].counts[0].count, 2);
    }

    #[test]
    fn losses_of_one_lane_and_reason_share_a_gap() {
        let mut losses = Losses::default();
        let mut counters = with_ring_full(Act::Exec, 1);
        counters[Act::Connect as usize].ring_full = 2;
        counters[Act::Open as usize].ring_full = 3;
        let gaps = losses.since_last_time(&counters);
        assert_eq!(
            gaps.iter().map(|gap| (gap.lane(), gap.counts.len())).collect::<Vec<_>>(),
            [(Lane::Process, 2), (Lane::File, 1)]
        );
    }

    #[test]
    fn only_files_are_left_unread_and_each_of_them_is_counted() {
        let mut losses = Losses::default();
        let mut open = Open::new_zeroed();
        open.header.kind = Act::Open as u32;
        assert_eq!(losses.shed(open.as_bytes()), Some(Shed::Act));
        open.repeated = 9;
        assert_eq!(losses.shed(open.as_bytes()), Some(Shed::Total), "it stands for nine");
        for act in [Act::Exec, Act::Fork, Act::Connect, Act::Interpreter] {
            open.header.kind = act as u32;
            assert_eq!(losses.shed(open.as_bytes()), None, "{act:?}");
        }
        let gaps = losses.since_last_time(&[Counters::default(); Act::ALL.len()]);
        assert_eq!((gaps.len(), gaps[0].reason(), gaps[0].counts[0].count), (1, GapReason::CpuLimit, 10));
    }

    #[test]
    fn records_of_the_wrong_form_are_told_as_a_gap() {
        let mut losses = Losses::default();
        losses.rejected(b"short");
        losses.rejected(b"short");
        let gaps = losses.since_last_time(&[Counters::default(); Act::ALL.len()]);
        assert_eq!((gaps[0].reason(), gaps[0].counts[0].count), (GapReason::Decode, 2));
    }
}
