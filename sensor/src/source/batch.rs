//! Records on their way from the ring buffers to decoding.

use std::ops::Range;

use sensor_types::header::Header;
use zerocopy::FromBytes as _;

/// Records one after another in one piece of memory, in the order of their
/// time.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    records: Vec<(u64, Range<usize>)>,
    /// Where they come from.
    pub origin: BatchOrigin,
}

/// Where records come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchOrigin {
    /// The rings: the kernel counted each of them.
    #[default]
    Rings,
    /// Opens that were counted together.
    Folds,
    /// The rings of programs that were there before these.
    Before,
}

/// When the act of a record was, in nanoseconds since the boot; 0 of one too short to
/// say.
pub fn time_of(record: &[u8]) -> u64 {
    Header::read_from_prefix(record).map_or(0, |(header, _)| header.boottime_ns)
}

impl Batch {
    /// An empty one of records from there.
    pub fn from(origin: BatchOrigin) -> Self {
        Self { origin, ..Self::default() }
    }

    /// Copies a record in. One that is too short to have a time goes first; the
    /// decoder will reject and count it.
    pub fn push(&mut self, record: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record);
        self.records.push((time_of(record), start..self.bytes.len()));
    }

    /// Puts the records in the order of their time. Those of one thread keep
    /// their order: its times only rise.
    pub fn sort(&mut self) {
        self.records.sort_by_key(|&(time, _)| time);
    }

    /// Moves the records after `time` into another batch.
    pub fn split_after(&mut self, time: u64) -> Self {
        let mut later = Self::default();
        let first = self.records.partition_point(|&(at, _)| at <= time);
        for (_, range) in self.records.drain(first..) {
            later.push(self.bytes.get(range).unwrap_or_default());
        }
        later
    }

    /// The records in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.records.iter().filter_map(|(_, range)| self.bytes.get(range.clone()))
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The time of the last record, once sorted.
    pub fn last_time(&self) -> Option<u64> {
        self.records.last().map(|&(time, _)| time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(time: u64, mark: u8) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<Header>()];
        bytes[8..16].copy_from_slice(&time.to_ne_bytes());
        bytes.push(mark);
        bytes
    }

    fn marks(batch: &Batch) -> Vec<u8> {
        batch.iter().map(|record| *record.last().unwrap()).collect()
    }

    #[test]
    fn records_of_both_rings_come_out_in_the_order_of_their_time() {
        let mut batch = Batch::default();
        for (time, mark) in [(30, b'c'), (10, b'a'), (20, b'b')] {
            batch.push(&record(time, mark));
        }
        batch.sort();
        assert_eq!(marks(&batch), b"abc");
    }

    #[test]
    fn what_is_later_than_the_cut_waits_for_the_next_round() {
        let mut batch = Batch::default();
        for (time, mark) in [(10, b'a'), (20, b'b'), (30, b'c')] {
            batch.push(&record(time, mark));
        }
        let later = batch.split_after(20);
        assert_eq!((marks(&batch), marks(&later)), (b"ab".to_vec(), b"c".to_vec()));
    }
}
