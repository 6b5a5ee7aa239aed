//! How far somebody has read what is stored.
//!
//! A place in a file would be gone when files are merged or sorted otherwise. So a position
//! consists of what stays true whatever becomes of the files: the number of the segment up to
//! which all has been read, and the last sequence of each lane of each run of a sensor, whose
//! events come into the store in the order of their sequences. What has no sequence (gaps and
//! silences that the collector found) is known by its identity.
//!
//! While a stretch of files is read, whose events are in another order, the sequences from
//! before it say what is new, and rows of files how far the stretch is read. Files that are
//! merged while nobody reads are read again: twice rather than not at all.

use std::collections::{BTreeMap, VecDeque};

use activity_proto::v1::Event;
use serde::{Deserialize, Serialize};

use super::lanes::{Lanes, Stretch};

/// Identities that are remembered of what has no sequence.
const MAX_LOOSE: usize = 4096;

/// How far somebody has read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// All of the segments up to this number.
    segment: u64,
    lanes: Lanes,
    /// The latest of what has no sequence.
    loose: VecDeque<String>,
    /// What has been read of the files behind those segments.
    files: Option<Files>,
}

/// A stretch of files that is being read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    /// The last segment that became part of them.
    through: u64,
    /// Rows that were read, by paths within the store.
    rows: BTreeMap<String, u64>,
    lanes: Lanes,
    /// Some were passed over: nobody can say what was missed.
    passed_over: bool,
}

/// What a position says to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has been read before.
    Known,
    /// It has not. So many before it were never seen and no gap tells of them: they were
    /// removed from the store too early.
    New { missed: u64 },
}

impl Position {
    /// All of the segments up to this number have been read.
    pub fn segment(&self) -> u64 {
        self.segment
    }

    /// The last segment that became part of the files that are being read.
    pub fn through(&self) -> Option<u64> {
        self.files.as_ref().map(|files| files.through)
    }

    /// Reads files up to those of a segment, from now on or going on with it.
    pub fn reach_for(&mut self, segment: u64) {
        let files = self.files.get_or_insert_default();
        files.through = files.through.max(segment);
    }

    /// A file that is read has nothing that is wanted.
    pub fn pass_over(&mut self) {
        if let Some(files) = &mut self.files {
            files.passed_over = true;
        }
    }

    /// How many rows of a file have been read.
    pub fn rows(&self, file: &str) -> u64 {
        self.files.as_ref().and_then(|files| files.rows.get(file)).copied().unwrap_or_default()
    }

    /// One more row of a file has been read.
    pub fn row(&mut self, file: &str) {
        let Some(files) = &mut self.files else { return };
        match files.rows.get_mut(file) {
            Some(rows) => *rows += 1,
            None => _ = files.rows.insert(file.to_owned(), 1),
        }
    }

    /// All of a stretch of files has been read: gives how many events between them were not
    /// there.
    pub fn finish_files(&mut self) -> u64 {
        let Some(files) = self.files.take() else { return 0 };
        let mut missed = 0;
        for (lane, read) in files.lanes.iter() {
            missed += self.lanes.join(lane.clone(), *read).missed();
            self.lanes.settle(lane, !files.passed_over);
        }
        self.segment = self.segment.max(files.through);
        if files.passed_over { 0 } else { missed }
    }

    /// All of a segment has been read.
    pub fn finish_segment(&mut self, segment: u64) {
        self.segment = self.segment.max(segment);
    }

    /// Moves behind an event.
    pub fn pass(&mut self, event: &Event) -> Verdict {
        let (own, lost) = (Stretch::of(event), Stretch::lost(event));
        match &own {
            Some(own) if self.lanes.last(&own.lane).is_some_and(|last| own.to <= last) => {
                return Verdict::Known;
            }
            None if !self.remember(activity_formats::identity(event)) => return Verdict::Known,
            _ => {}
        }
        let missed = [lost, own].into_iter().flatten().map(|stretch| self.advance(stretch)).sum();
        Verdict::New { missed }
    }

    /// Moves behind a stretch; of one that begins before what was read, behind its rest.
    fn advance(&mut self, stretch: Stretch) -> u64 {
        let last = self.lanes.last(&stretch.lane).unwrap_or_default();
        let stretch = Stretch { from: stretch.from.max(last + 1), ..stretch };
        if stretch.from > stretch.to {
            return 0;
        }
        if let Some(files) = &mut self.files {
            files.lanes.note(stretch);
            return 0;
        }
        let lane = stretch.lane.clone();
        let missed = self.lanes.note(stretch).missed();
        self.lanes.settle(&lane, true);
        missed
    }

    /// Whether it is the first time.
    fn remember(&mut self, identity: String) -> bool {
        if self.loose.contains(&identity) {
            return false;
        }
        if self.loose.len() >= MAX_LOOSE {
            self.loose.pop_front();
        }
        self.loose.push_back(identity);
        true
    }
}
