//! Everything that is stored, for those who pass it on: first what is in files, then the log
//! as it grows.
//!
//! This is the only place that knows how segments and files hold events for them. The log is
//! read segment by segment, in the order in which events came. What became of segments lies
//! in many partitions, merged and sorted in other ways, and may be merged again meanwhile; so
//! all files that there are behind a position are read as one stretch, in any order, and what
//! was read before that is known by its sequence (`position.rs`).

mod lanes;
mod position;
mod source;
#[cfg(test)]
mod tests;

use activity_proto::v1::Event;
use prost::Message as _;

pub use position::Position;
use position::Verdict;
use source::{Found, Source};

use super::{Layout, StoreError};

/// Bytes after which a batch is full.
const BATCH_BYTES: usize = 4 << 20;

/// Which events are wanted, by their time in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Not those before.
    pub since: Option<i64>,
    /// Not those from then on.
    pub until: Option<i64>,
}

impl Span {
    /// Whether an event of that time is wanted; one that has no time is.
    pub fn has(self, time: Option<i64>) -> bool {
        time.is_none_or(|time| self.overlaps(time, time))
    }

    /// Whether any event may be wanted whose time is from one to another.
    pub fn overlaps(self, from: i64, to: i64) -> bool {
        self.since.is_none_or(|since| to >= since) && self.until.is_none_or(|until| from < until)
    }
}

/// Reads on from a position. Changes nothing in the store.
pub struct Feed {
    layout: Layout,
    position: Position,
    /// Files without any event of this span are passed over.
    span: Span,
    source: Option<Source>,
    /// Events that were removed from the store before they were read.
    pub missed: u64,
    /// What is stored and is no event, or could not be read in the log.
    pub unreadable: u64,
}

impl Feed {
    /// What is stored behind a position.
    pub fn new(layout: Layout, position: Position, span: Span) -> Self {
        Self { layout, position, span, source: None, missed: 0, unreadable: 0 }
    }

    /// Where it is: behind all that [`Feed::next`] has given.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Goes back, to give again what came behind a position.
    pub fn rewind(&mut self, position: Position) {
        self.position = position;
        self.source = None;
    }

    /// Up to so many of the next events; none when there are no more at present. Blocks for
    /// the disk.
    ///
    /// # Errors
    /// As the system says.
    pub fn next(&mut self, limit: usize) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        let mut bytes = 0;
        while events.len() < limit && bytes < BATCH_BYTES {
            let Some(mut source) = self.open()? else { break };
            match source.next(&mut self.position)? {
                Found::Event(event) => {
                    self.source = Some(source);
                    // What is known already fills no batch: an empty one is the end.
                    if let Some(taken) = self.take(&event) {
                        bytes += event.len();
                        events.push(taken);
                    }
                }
                Found::Nothing => {
                    self.source = Some(source);
                    break;
                }
                Found::End { unreadable } => {
                    self.unreadable += unreadable;
                    self.missed += source.finish(&mut self.position);
                }
                // What there is has to be looked for anew.
                Found::Gone => {}
            }
        }
        Ok(events)
    }

    fn take(&mut self, bytes: &[u8]) -> Option<Event> {
        let Ok(event) = Event::decode(bytes) else {
            self.unreadable += 1;
            return None;
        };
        match self.position.pass(&event) {
            Verdict::Known => None,
            Verdict::New { missed } => {
                self.missed += missed;
                Some(event)
            }
        }
    }

    /// The source that is read, or the next one.
    fn open(&mut self) -> Result<Option<Source>, StoreError> {
        match self.source.take() {
            Some(source) => Ok(Some(source)),
            None => Source::after(&self.layout, &mut self.position, self.span),
        }
    }
}
