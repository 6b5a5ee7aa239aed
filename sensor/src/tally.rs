//! What the pipeline counts and must not forget: how many records it took, what became of
//! each, and what it has told of losses.
//!
//! It lies on the heap, or in a map of the kernel's that outlives the process
//! (`hooks.pin`): whoever goes on after a kill knows from it, exactly, what was in this
//! process's hands. For that, a record is counted as taken before it leaves the ring
//! buffer, and as something else when it is that.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, Release},
};

use activity_proto::v1::{EventType, Lane};
use sensor_types::{act::Act, counters::Counters};

use crate::sequence::event_type_of;

/// One more than the last [`EventType`].
pub const TYPES: usize = EventType::SHORT_NAMES.len() + 1;
/// Acts.
const ACTS: usize = Act::ALL.len();

/// What there is a count of for each type.
const BY_TYPE: usize = 9;
/// Words before the first of them.
const HEAD: usize = 8;
/// All words.
pub const WORDS: usize = HEAD + BY_TYPE * TYPES + 2 * ACTS;

/// Says in the first word what the others are.
pub const LAYOUT: u64 = 1 << 48 | (TYPES as u64) << 32 | (ACTS as u64) << 16 | BY_TYPE as u64;

/// Where it lies.
pub type Words = [AtomicU64; WORDS];

/// A count for each event type. Only one thread adds to it; others read.
#[derive(Clone, Copy, Debug)]
pub struct ByType(&'static [AtomicU64]);

impl ByType {
    /// Counts one more.
    pub fn add(&self, event_type: EventType) {
        self.add_many(event_type, 1);
    }

    /// Counts so many more.
    pub fn add_many(&self, event_type: EventType, number: u64) {
        if let Some(count) = self.0.get(place(event_type)) {
            // Nobody else adds, so it need not be one step, which costs twenty times that.
            count.store(count.load(Relaxed).wrapping_add(number), Relaxed);
        }
    }

    /// Over all types.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|count| count.load(Relaxed)).fold(0, u64::wrapping_add)
    }

    /// Of the type that has this [`place`].
    pub fn at(&self, place: usize) -> u64 {
        self.0.get(place).map_or(0, |count| count.load(Relaxed))
    }
}

/// Where a type is counted: with the others that the same act becomes.
pub fn place(event_type: EventType) -> usize {
    let event_type = if event_type == EventType::Tamper { event_type_of(Act::Bpf) } else { event_type };
    usize::try_from(i32::from(event_type)).unwrap_or_default()
}

/// The counts.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    words: &'static Words,
    /// The last number in the process lane.
    pub process_sequence: &'static AtomicU64,
    /// The last number in the file lane.
    pub file_sequence: &'static AtomicU64,
    /// Repetitions that the kernel counted, as taken from its maps.
    pub repeats_taken: &'static AtomicU64,
    /// Of these, those of which something became.
    pub repeats_done: &'static AtomicU64,
    /// Records taken out of the ring buffers.
    pub taken: ByType,
    /// Records of the wrong form.
    pub rejected: ByType,
    /// Records for the process table only.
    pub internal: ByType,
    /// Events left out by policy.
    pub filtered: ByType,
    /// Records left unread for the sake of the limit of processor time.
    pub shed: ByType,
    /// Events given a number.
    pub published: ByType,
    /// Of the published, those that no record stands behind.
    pub own: ByType,
    /// Events that tell how often others were repeated.
    pub totals: ByType,
    /// Records that runs which were killed had taken, and of which nothing became.
    pub lost: ByType,
}

/// What a run that was killed had in its hands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Which run that was.
    pub epoch: u64,
    /// The last numbers it gave: process lane, file lane.
    pub last: (u64, u64),
    /// Records taken of which nothing became, by type.
    pub records: Vec<(EventType, u64)>,
    /// Repetitions of which nothing became.
    pub repeats: u64,
}

impl Left {
    /// The last number given in a lane.
    pub fn last(&self, lane: Lane) -> u64 {
        if lane == Lane::File { self.last.1 } else { self.last.0 }
    }

    /// One more, of this type.
    pub fn add(&mut self, event_type: EventType) {
        match self.records.iter_mut().find(|(known, _)| *known == event_type) {
            Some((_, count)) => *count += 1,
            None => self.records.push((event_type, 1)),
        }
    }
}

impl Default for Tally {
    fn default() -> Self {
        let words = Box::new(std::array::from_fn(|_| AtomicU64::new(0)));
        // A process has one of these, for as long as it runs.
        Self::over(Box::leak(words))
    }
}

impl Tally {
    /// The counts that lie there.
    pub fn over(words: &'static Words) -> Self {
        let by_type = |number: usize| {
            let first = HEAD + number * TYPES;
            ByType(words.get(first..first + TYPES).unwrap_or_default())
        };
        let [_, _, process_sequence, file_sequence, repeats_taken, repeats_done, ..] = words;
        Self {
            words,
            process_sequence,
            file_sequence,
            repeats_taken,
            repeats_done,
            taken: by_type(0),
            rejected: by_type(1),
            internal: by_type(2),
            filtered: by_type(3),
            shed: by_type(4),
            published: by_type(5),
            own: by_type(6),
            totals: by_type(7),
            lost: by_type(8),
        }
    }

    /// Begins a run. What the one before had in its hands; `None` where there was none,
    /// or it counted otherwise.
    pub fn begin(&self, epoch: u64) -> Option<Left> {
        let [layout, run, ..] = self.words;
        let left = self.current();
        if left.is_none() {
            self.words.iter().for_each(|word| word.store(0, Relaxed));
        }
        self.process_sequence.store(0, Relaxed);
        self.file_sequence.store(0, Relaxed);
        run.store(epoch, Relaxed);
        layout.store(LAYOUT, Release);
        left
    }

    /// What the run that counts here, or did, has in its hands; `None` where there was
    /// none, or it counted otherwise.
    pub fn current(&self) -> Option<Left> {
        let [layout, run, ..] = self.words;
        (layout.load(Relaxed) == LAYOUT).then(|| self.left(run.load(Relaxed)))
    }

    fn left(&self, epoch: u64) -> Left {
        let types = (0..).take(TYPES).filter_map(|number| EventType::try_from(number).ok());
        // That of the same act is counted in its place.
        let types = types.filter(|event_type| *event_type != EventType::Tamper);
        let records = types.map(|event_type| (event_type, self.under_way(place(event_type))));
        Left {
            epoch,
            last: (self.process_sequence.load(Relaxed), self.file_sequence.load(Relaxed)),
            records: records.filter(|(_, count)| *count > 0).collect(),
            repeats: self.repeats_taken.load(Relaxed).saturating_sub(self.repeats_done.load(Relaxed)),
        }
    }

    /// The last number given in a lane.
    pub fn numbered(&self, lane: Lane, last: u64) {
        let word = if lane == Lane::File { self.file_sequence } else { self.process_sequence };
        word.store(last, Relaxed);
    }

    /// The run ends in order: all its numbers are where they belong.
    pub fn end(&self) {
        self.process_sequence.store(0, Relaxed);
        self.file_sequence.store(0, Relaxed);
    }

    /// A gap has told it.
    pub fn settle(&self, left: &Left) {
        for (event_type, count) in &left.records {
            self.lost.add_many(*event_type, *count);
        }
        self.done_with(left.repeats);
    }

    /// Something became of so many repetitions.
    pub fn done_with(&self, repeats: u64) {
        self.repeats_done.store(self.repeats_done.load(Relaxed).wrapping_add(repeats), Relaxed);
    }

    /// Records taken that wait for their turn.
    pub fn in_flight(&self) -> u64 {
        // Taken is read first: what comes meanwhile is in the rings still.
        let taken = self.taken.total();
        taken.saturating_sub(self.done(ByType::total))
    }

    fn under_way(&self, place: usize) -> u64 {
        self.taken.at(place).saturating_sub(self.done(|counts| counts.at(place)))
    }

    /// Records of which something became.
    fn done(&self, count: impl Fn(&ByType) -> u64) -> u64 {
        let all = [&self.rejected, &self.internal, &self.filtered, &self.shed, &self.published, &self.lost];
        let all = all.into_iter().map(&count).fold(0, u64::wrapping_add);
        all.wrapping_sub(count(&self.own)).wrapping_sub(count(&self.totals))
    }

    /// The losses that gaps have told: of each act, what was lost in the kernel.
    pub fn told(&self) -> [Counters; ACTS] {
        let mut told = [Counters::default(); ACTS];
        for (told, words) in told.iter_mut().zip(self.told_words()) {
            (told.ring_full, told.unreadable) = (words.0.load(Relaxed), words.1.load(Relaxed));
        }
        told
    }

    /// Gaps have told these.
    pub fn have_told(&self, told: &[Counters; ACTS]) {
        for (told, words) in told.iter().zip(self.told_words()) {
            words.0.store(told.ring_full, Relaxed);
            words.1.store(told.unreadable, Relaxed);
        }
    }

    fn told_words(&self) -> impl Iterator<Item = (&AtomicU64, &AtomicU64)> {
        let words = self.words.get(HEAD + BY_TYPE * TYPES..).unwrap_or_default();
        words.chunks_exact(2).filter_map(|pair| Some((pair.first()?, pair.get(1)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_place_of_its_own_but_those_of_one_act() {
        let types = (0..64).filter_map(|number| EventType::try_from(number).ok());
        let places: Vec<usize> = types.map(place).collect();
        assert_eq!(places.len(), TYPES);
        assert!(places.iter().all(|&place| place < TYPES));
        assert_eq!(place(EventType::Tamper), place(EventType::BpfLoad));
        let mut others = places.clone();
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), TYPES - 1);
    }

    #[test]
    fn a_count_is_of_its_type_and_in_the_total() {
        let counts = Tally::default().filtered;
        for event_type in [EventType::Open, EventType::Exec, EventType::Open] {
            counts.add(event_type);
        }
        assert_eq!((counts.at(place(EventType::Open)), counts.total()), (2, 3));
        assert_eq!(counts.at(TYPES), 0);
    }

    #[test]
    fn no_two_counts_share_a_word() {
        let tally = Tally::default();
        tally.words.iter().zip(1..).for_each(|(word, number)| word.store(number, Relaxed));
        let last = tally.told()[ACTS - 1];
        assert_eq!((last.ring_full, last.unreadable), (WORDS as u64 - 1, WORDS as u64));
        assert_eq!(tally.lost.at(TYPES - 1) + 1, tally.told()[0].ring_full);
        assert_eq!(tally.taken.at(0), HEAD as u64 + 1);
    }

    #[test]
    fn whoever_goes_on_after_a_kill_knows_what_was_in_its_hands() {
        let tally = Tally::default();
        assert_eq!(tally.begin(7), None, "nobody was before");
        for event_type in [EventType::Open, EventType::Open, EventType::Open, EventType::Exec] {
            tally.taken.add(event_type);
        }
        tally.filtered.add(EventType::Open);
        tally.published.add(EventType::Open);
        tally.published.add(EventType::Status);
        tally.own.add(EventType::Status);
        tally.file_sequence.store(5, Relaxed);
        tally.repeats_taken.store(9, Relaxed);
        tally.done_with(6);
        assert_eq!(tally.in_flight(), 2);

        let left = tally.begin(8).unwrap();
        let expected = Left {
            epoch: 7,
            last: (0, 5),
            records: vec![(EventType::Exec, 1), (EventType::Open, 1)],
            repeats: 3,
        };
        assert_eq!(left, expected);
        tally.settle(&left);
        assert_eq!(tally.in_flight(), 0);
        let next = tally.begin(9).unwrap();
        assert_eq!(next, Left { epoch: 8, ..Left::default() }, "told once");
    }

    #[test]
    fn counts_of_another_form_are_not_believed() {
        let tally = Tally::default();
        tally.begin(7);
        tally.taken.add(EventType::Open);
        tally.words[0].store(LAYOUT + 1, Relaxed);
        assert_eq!(tally.begin(8), None);
        assert_eq!(tally.in_flight(), 0);
    }
}
