//! Which segments a lane has.

use std::{collections::VecDeque, io, path::Path};

use activity_proto::json::escape_bytes;
use activity_segments::{Disk, DiskFile as _};
use bytes::Bytes;
use prost::Message as _;

use super::{
    lanes::Place,
    record::{Record, Segment},
};

/// The segments of a lane, oldest first.
#[derive(Debug, Default)]
pub struct Index {
    segments: VecDeque<Stored>,
    bytes: u64,
    /// The last event.
    pub last: Place,
}

/// A segment on disk.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    pub segment: Segment,
    /// How much of it was written.
    pub bytes: u64,
}

/// What is found of the runs before.
#[derive(Debug)]
pub struct Before {
    /// The segments.
    pub index: Index,
    /// The last run ended in order, or there was none.
    pub ended: bool,
    /// Files that are no segments, as far as this version knows.
    pub unknown: Vec<String>,
}

impl Before {
    /// Files that a later version may have left, or somebody.
    pub fn tell_unknown(&self, directory: &Path) {
        let Some(first) = self.unknown.first() else { return };
        tracing::warn!(
            "the spool in {} has files that this version does not know ({}, of which one is {}); they are left \
             alone and not delivered: start the version that wrote them, or remove them",
            directory.display(),
            self.unknown.len(),
            escape_bytes(first.as_bytes())
        );
    }
}

impl Index {
    /// Looks what there is. Reads the last segment only: all others are behind it.
    pub fn recover(disk: &impl Disk, directory: &Path) -> io::Result<Before> {
        let names = disk.list(directory)?;
        let (mut segments, mut unknown) = (Vec::<Segment>::new(), Vec::new());
        for name in &names {
            let name = name.to_string_lossy();
            match name.parse() {
                Ok(segment) => segments.push(segment),
                Err(_) => unknown.push(name.into_owned()),
            }
        }
        segments.sort_unstable();
        let mut index = Self::default();
        for segment in segments {
            let bytes = disk.open(&directory.join(segment.to_string()))?.length()?;
            index.add(segment);
            index.grow(bytes, Place { epoch: segment.epoch, sequence: segment.first.saturating_sub(1) });
        }
        // The run before may have been killed before it made the last one durable.
        if let Some(last) = index.segments.back() {
            disk.open(&directory.join(last.segment.to_string()))?.sync()?;
            disk.sync_directory(directory)?;
        }
        let mut ended = true;
        // What a cut left may be empty; the last event is before it then.
        for stored in
            index.segments.iter().rev().take_while(|stored| stored.segment.epoch == index.last.epoch)
        {
            if let Some(record) = records(disk, directory, stored.segment)?.last() {
                index.last.sequence = index.last.sequence.max(record.last);
                ended = record.ended;
                break;
            }
            ended = false;
        }
        Ok(Before { index, ended, unknown })
    }

    /// A segment is begun.
    pub fn add(&mut self, segment: Segment) {
        self.segments.push_back(Stored { segment, bytes: 0 });
    }

    /// The last segment has so many bytes now, and ends with this event.
    pub fn grow(&mut self, bytes: u64, last: Place) {
        if let Some(stored) = self.segments.back_mut() {
            self.bytes += bytes.saturating_sub(stored.bytes);
            stored.bytes = bytes;
            self.last = last;
        }
    }

    /// The oldest is gone.
    pub fn drop_first(&mut self) {
        if let Some(stored) = self.segments.pop_front() {
            self.bytes -= stored.bytes;
        }
    }

    /// The last one was begun in vain.
    pub fn drop_last(&mut self) {
        self.segments.pop_back();
    }

    /// Bytes of all.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The oldest.
    pub fn first(&self) -> Option<Stored> {
        self.segments.front().copied()
    }

    /// The one behind the oldest.
    pub fn second(&self) -> Option<Stored> {
        self.segments.get(1).copied()
    }

    /// Whether this is the oldest.
    pub fn is_first(&self, segment: Segment) -> bool {
        self.first().is_some_and(|first| first.segment == segment)
    }

    /// Whether there is a segment of this run.
    pub fn has_run(&self, epoch: u64) -> bool {
        self.segments.iter().any(|stored| stored.segment.epoch == epoch)
    }

    /// How much of a segment was written; `None` when it is gone.
    pub fn written(&self, segment: Segment) -> Option<u64> {
        let at = self.segments.binary_search_by_key(&segment, |stored| stored.segment).ok()?;
        self.segments.get(at).map(|stored| stored.bytes)
    }

    /// The segment behind this one.
    pub fn after(&self, segment: Segment) -> Option<Segment> {
        let at = self.segments.partition_point(|stored| stored.segment <= segment);
        self.segments.get(at).map(|stored| stored.segment)
    }

    /// The segment that has the first event behind a place, or would have it.
    pub fn behind(&self, place: Place) -> Option<Segment> {
        let key = |stored: &Stored| (stored.segment.epoch, stored.segment.first);
        let next = (place.epoch, place.sequence.saturating_add(1));
        let at = self.segments.partition_point(|stored| key(stored) <= next);
        // Of runs before this one everything was read, whatever is left of this one.
        let before = at.checked_sub(1).and_then(|at| self.segments.get(at));
        let same = before.filter(|stored| stored.segment.epoch == place.epoch);
        same.or(self.segments.get(at)).map(|stored| stored.segment)
    }

    /// The segment that was being written at a time, in seconds since 1970.
    pub fn at(&self, seconds: u64) -> Option<Segment> {
        let before = self.segments.iter().rev().find(|stored| stored.segment.begun <= seconds);
        before.or(self.segments.front()).map(|stored| stored.segment)
    }

    /// Before the oldest event.
    pub fn beginning(&self) -> Place {
        self.first().map_or(self.last, |stored| Place {
            epoch: stored.segment.epoch,
            sequence: stored.segment.first.saturating_sub(1),
        })
    }
}

/// What can be read of a segment.
pub fn records(disk: &impl Disk, directory: &Path, segment: Segment) -> io::Result<Vec<Record>> {
    let bytes = read(&disk.open(&directory.join(segment.to_string()))?)?;
    let payloads = segment.frames().scan(bytes).payloads;
    Ok(payloads.into_iter().filter_map(|payload| Record::decode(payload).ok()).collect())
}

fn read(file: &impl activity_segments::DiskFile) -> io::Result<Bytes> {
    let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(epoch: u64, first: u64) -> Segment {
        Segment::new(epoch, first, epoch * 100 + first).unwrap()
    }

    fn index(segments: &[Segment]) -> Index {
        let mut index = Index::default();
        for segment in segments {
            index.add(*segment);
            index.grow(10, Place { epoch: segment.epoch, sequence: segment.first + 9 });
        }
        index
    }

    #[test]
    fn the_segment_with_the_next_event_is_found() {
        let all = [segment(1, 1), segment(1, 11), segment(2, 1)];
        let index = index(&all);
        for (place, found) in [((0, 0), 0), ((1, 0), 0), ((1, 9), 0), ((1, 10), 1), ((1, 99), 1), ((2, 0), 2)]
        {
            let place = Place { epoch: place.0, sequence: place.1 };
            assert_eq!(index.behind(place), Some(all[found]), "{place:?}");
        }
        assert_eq!(index.behind(Place { epoch: 3, sequence: 5 }), None, "that run's segments are gone");
        assert_eq!(index.after(all[0]), Some(all[1]));
        assert_eq!(index.after(all[2]), None);
        assert_eq!(index.at(111), Some(all[1]));
        assert_eq!(index.at(5), Some(all[0]));
    }

    #[test]
    fn bytes_are_those_of_what_is_there() {
        let mut index = index(&[segment(1, 1), segment(1, 11)]);
        index.drop_first();
        assert_eq!((index.bytes(), index.beginning()), (10, Place { epoch: 1, sequence: 10 }));
        index.drop_first();
        assert_eq!((index.bytes(), index.beginning()), (0, Place { epoch: 1, sequence: 20 }));
    }
}
