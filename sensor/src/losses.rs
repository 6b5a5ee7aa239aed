//! What could not be recorded, turned into gap events.

use activity_proto::v1::{EventType, Gap, GapReason, Lane, Position, TypeCount};
use sensor_types::{act::Act, counters::Counters, file::Open, header::Header};
use zerocopy::FromBytes as _;

use crate::{
    sequence::{event_type_of, lane_of},
    tally::Left,
};

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
    /// Of the kernel's counts, these have been told.
    pub fn after(seen: [Counters; Act::ALL.len()]) -> Self {
        Self { seen, ..Self::default() }
    }

    /// The kernel's counts of which gaps were made.
    pub fn seen(&self) -> &[Counters; Act::ALL.len()] {
        &self.seen
    }

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
        let repeated = repeated_in(record);
        count(&mut self.shed, event_type, repeated.max(1));
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

/// How many repetitions a record stands for, beside the act that another one tells.
pub fn repeated_in(record: &[u8]) -> u64 {
    let open = Open::read_from_prefix(record).ok().filter(|_| act_of(record) == Some(Act::Open));
    open.map_or(0, |(open, _)| open.repeated.into())
}

/// Gaps for what a run that was killed had in its hands: the sequences that it gave and
/// that are not in the spool, and what had no number yet. `unclean`: what the spool knows
/// of runs that did not end in order; `spooled`: the last of each lane that is in it.
pub fn left_behind(mut unclean: Vec<Gap>, left: &Left, spooled: &[Position]) -> Vec<Gap> {
    for lane in spooled {
        let last = left.last(lane.lane());
        if lane.epoch != left.epoch && last > 0 {
            // Nothing of that run was written.
            unclean.push(Gap { from_sequence: 1, to_sequence: last, ..unclean_end(lane.lane(), left) });
        } else if let Some(gap) = unclean.iter_mut().find(|gap| gap.lane() == lane.lane()) {
            gap.to_sequence = gap.to_sequence.max(last);
        }
    }
    let mut gaps = Vec::new();
    for (event_type, count) in &left.records {
        add(&mut gaps, GapReason::UncleanEnd, *event_type, *count);
    }
    add(&mut gaps, GapReason::UncleanEnd, EventType::Open, left.repeats);
    let numberless = |gap: Gap| Gap { counts: gap.counts.clone(), ..unclean_end(gap.lane(), left) };
    unclean.extend(gaps.into_iter().map(numberless));
    unclean
}

/// The end of that run, without any sequences.
fn unclean_end(lane: Lane, left: &Left) -> Gap {
    let last = left.last(lane);
    Gap {
        lane: lane.into(),
        from_sequence: last + 1,
        to_sequence: last,
        reason: GapReason::UncleanEnd.into(),
        counts: Vec::new(),
        epoch: Some(left.epoch),
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
    fn what_a_killed_run_had_in_its_hands_is_told_by_sequence_and_by_type() {
        let unclean = |lane: Lane, last, epoch| Gap {
            lane: lane.into(),
            from_sequence: last + 1,
            to_sequence: last,
            reason: GapReason::UncleanEnd.into(),
            epoch: Some(epoch),
            ..Gap::default()
        };
        let left = Left {
            epoch: 7,
            last: (40, 90),
            records: vec![(EventType::Exec, 1), (EventType::Open, 3)],
            repeats: 5,
        };
        let spooled = |epoch| {
            [Lane::Process, Lane::File].map(|lane| Position { lane: lane.into(), epoch, sequence: 0 })
        };
        let known = vec![unclean(Lane::Process, 40, 7), unclean(Lane::File, 80, 7)];
        let gaps = left_behind(known, &left, &spooled(7));
        let told = |gap: &Gap| (gap.lane(), gap.from_sequence, gap.to_sequence, gap.counts.clone());
        let counted = |event_type: EventType, count| vec![TypeCount { r#type: event_type.into(), count }];
        let numberless = [
            (Lane::Process, 41, 40, counted(EventType::Exec, 1)),
            (Lane::File, 91, 90, counted(EventType::Open, 8)),
        ];
        let expected = [(Lane::Process, 41, 40, vec![]), (Lane::File, 81, 90, vec![])];
        assert_eq!(gaps.iter().map(told).collect::<Vec<_>>(), [expected, numberless.clone()].concat());
        // Nothing of it was written: an earlier run is the last in the spool.
        let gaps = left_behind(vec![unclean(Lane::File, 80, 6)], &left, &spooled(6));
        let expected =
            [(Lane::File, 81, 80, vec![]), (Lane::Process, 1, 40, vec![]), (Lane::File, 1, 90, vec![])];
        assert_eq!(gaps.iter().map(told).collect::<Vec<_>>(), [&expected[..], &numberless].concat());
        assert_eq!(gaps[2].epoch, Some(7));
        let in_order = Left { records: vec![], repeats: 0, ..left };
        assert!(left_behind(vec![], &in_order, &spooled(7)).is_empty());
        assert!(left_behind(vec![], &Left::default(), &spooled(7)).is_empty());
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
