//! Files with numbers for names, each opened once: what arrives of their opens, and how
//! often, says what was lost or doubled.

use std::{collections::BTreeMap, fs::File, ops::Range, path::Path};

use activity_proto::v1::{Event, GapReason, Lane, event::Payload};
use activity_tests::{EventExt as _, Person, eventually};
use serde_json::Value;
use tempfile::TempDir;

/// More events than there are in a batch.
const LATELY: usize = 10_000;

/// How many of a lane's numbers came, and of how many gaps tell, by reason; no number is
/// neither, and none is both.
pub fn accounted(events: &[Event], lane: Lane, epoch: u64) -> (u64, BTreeMap<GapReason, u64>) {
    let (mut times, mut told) = (BTreeMap::new(), BTreeMap::new());
    for event in events {
        let id = event.id.as_ref().unwrap();
        if id.epoch != epoch {
            continue;
        }
        if id.lane() == lane && id.sequence > 0 {
            *times.entry(id.sequence).or_insert(0) += 1;
        }
        let Some(Payload::Gap(gap)) = &event.payload else { continue };
        if gap.lane() != lane || gap.epoch.is_some_and(|of| of != epoch) {
            continue;
        }
        let missing = gap.to_sequence + 1 - gap.from_sequence;
        // What cannot be read any more, nobody knows the types of.
        if gap.reason() != GapReason::SpoolDamaged {
            assert_eq!(gap.counts.iter().map(|count| count.count).sum::<u64>(), missing, "{gap:?}");
        }
        *told.entry(gap.reason()).or_insert(0) += missing;
        for sequence in gap.from_sequence..=gap.to_sequence {
            *times.entry(sequence).or_insert(0) += 1;
        }
    }
    let last = times.keys().next_back().copied().unwrap_or(0);
    assert_eq!(times.len() as u64, last, "a number is missing that no gap tells of");
    assert!(times.values().all(|times| *times == 1), "a number came, or was told, twice");
    (last - told.values().sum::<u64>(), told)
}

/// A directory of them.
pub struct Files(TempDir);

impl Files {
    /// None yet.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        self.0.path()
    }

    /// Opens so many more.
    pub fn open(&self, person: Person, numbers: Range<u64>) {
        let paths: Vec<_> = numbers.map(|number| self.0.path().join(number.to_string())).collect();
        person.act(|| paths.iter().for_each(|path| drop(File::create(path).unwrap())));
    }

    /// The numbers of those that were told of, in order.
    pub fn of(&self, events: &[Event]) -> Vec<u64> {
        events
            .iter()
            .filter_map(|event| self.number(&String::from_utf8(event.path().to_vec()).ok()?))
            .collect()
    }

    /// Whether this one is among the events that came lately.
    pub fn has_come(&self, number: u64, events: &[Event]) -> bool {
        let lately = &events[events.len().saturating_sub(LATELY)..];
        self.of(lately).contains(&number)
    }

    /// How often each is in a store, which `query` asks.
    pub fn stored(&self, query: impl FnOnce(&str) -> Vec<Value>) -> BTreeMap<u64, u64> {
        let sql = format!(
            "SELECT path, count(*) AS n FROM events WHERE type = 'open' AND path LIKE '{}/%' GROUP BY path",
            self.0.path().display()
        );
        let row = |row: &Value| Some((self.number(row["path"].as_str()?)?, row["n"].as_u64()?));
        query(&sql).iter().filter_map(row).collect()
    }

    /// Waits until all of these are stored, each once.
    pub fn await_stored(&self, numbers: Range<u64>, query: impl Fn(&str) -> Vec<Value>) {
        let expected: BTreeMap<u64, u64> = numbers.map(|number| (number, 1)).collect();
        eventually("all files are stored", || {
            let stored = self.stored(&query);
            let doubled: Vec<_> = stored.iter().filter(|(_, times)| **times > 1).collect();
            assert!(doubled.is_empty(), "stored twice: {doubled:?}");
            (stored == expected).then_some(())
        });
    }

    fn number(&self, path: &str) -> Option<u64> {
        path.strip_prefix(self.0.path().to_str()?)?.strip_prefix('/')?.parse().ok()
    }
}
