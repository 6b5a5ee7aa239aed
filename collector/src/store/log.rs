//! The append log: where events are durable first.
//!
//! # Format
//!
//! A segment is a file `log/NUMBER-DAY-MARKER.log`: NUMBER rises by one with
//! every segment (12 decimal digits), DAY is the UTC day it was begun
//! (`YYYY-MM-DD`) and MARKER is random (16 hexadecimal digits). The file is a row of
//! frames, as `activity_segments` describes them; the payload of each is a protobuf
//! `Record`.
//!
//! A payload carries events as they came over the wire, so that fields this
//! build does not know survive. The first record of a segment carries the
//! cursors as they were when it was begun: the newest segment alone tells what
//! has been received.

use std::{fmt, fs::File, io, path::Path, str::FromStr};

use activity_segments::{Appender, Frames, Machine};
use bytes::Bytes;
use jiff::civil::Date;
use prost::Message as _;

/// Four times what one gRPC message may carry.
const MAX_PAYLOAD: u32 = 4 * activity_proto::MAX_MESSAGE_BYTES as u32;

/// What one append wrote.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Record {
    /// Encoded `activity.sensor.v1.Event` messages.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub events: Vec<Bytes>,
    /// The cursors at the time of writing; in the first record of a segment only.
    #[prost(message, repeated, tag = "2")]
    pub cursors: Vec<Cursor>,
}

/// The last sequence received of one lane of one run of a sensor.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Cursor {
    #[prost(string, tag = "1")]
    pub sensor_id: String,
    #[prost(string, tag = "2")]
    pub boot_id: String,
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
    #[prost(int32, tag = "4")]
    pub lane: i32,
    #[prost(uint64, tag = "5")]
    pub last: u64,
}

/// The name of a segment, which is all there is to know about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// Rises by one with every segment; the Parquet file carries it on.
    pub number: u64,
    /// The UTC day it was begun.
    pub day: Date,
    marker: u64,
}

impl Segment {
    /// A new segment with a marker of its own.
    pub fn new(number: u64, day: Date) -> io::Result<Self> {
        Ok(Self { number, day, marker: getrandom::u64()? })
    }

    /// Reads every record of a segment that can be read.
    pub fn scan(&self, bytes: Bytes) -> Scan {
        let found = self.frames().scan(bytes);
        let mut scan = Scan { records: Vec::new(), damaged: found.damaged, torn: found.torn };
        for payload in found.payloads {
            match Record::decode(payload) {
                Ok(record) => scan.records.push(record),
                Err(_) => scan.damaged += 1,
            }
        }
        scan
    }

    fn frames(&self) -> Frames {
        Frames::new(self.marker, MAX_PAYLOAD)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}-{}-{:016x}.log", self.number, self.day, self.marker)
    }
}

/// The name is not that of a segment.
#[derive(Debug, PartialEq, Eq)]
pub struct NotASegment;

impl FromStr for Segment {
    type Err = NotASegment;

    fn from_str(name: &str) -> Result<Self, NotASegment> {
        let stem = name.strip_suffix(".log").ok_or(NotASegment)?;
        let (number, rest) = stem.split_once('-').ok_or(NotASegment)?;
        let (day, marker) = rest.rsplit_once('-').ok_or(NotASegment)?;
        Ok(Self {
            number: number.parse().map_err(|_| NotASegment)?,
            day: day.parse().map_err(|_| NotASegment)?,
            marker: u64::from_str_radix(marker, 16).map_err(|_| NotASegment)?,
        })
    }
}

/// What a segment held.
#[derive(Debug, Default)]
pub struct Scan {
    /// The whole records, in order.
    pub records: Vec<Record>,
    /// Places where something that is not a record had to be skipped.
    pub damaged: u64,
    /// Bytes after the last record that make no record: a write that was cut.
    pub torn: usize,
}

/// The segment that is being written.
pub struct SegmentWriter {
    segment: Segment,
    appender: Appender<File>,
}

impl SegmentWriter {
    /// Creates the file in `directory`; it must not exist.
    pub fn create(directory: &Path, segment: Segment) -> io::Result<Self> {
        let path = directory.join(segment.to_string());
        Ok(Self { segment, appender: Appender::create(&Machine, &path, segment.frames())? })
    }

    /// Writes one record. On failure the segment is as it was before.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        self.appender.append(&[&record.encode_to_vec()])
    }

    /// Makes durable what was appended.
    pub fn sync(&self) -> io::Result<()> {
        self.appender.sync()
    }

    /// Bytes written.
    pub fn len(&self) -> u64 {
        self.appender.length()
    }

    /// The segment that is written.
    pub fn segment(&self) -> Segment {
        self.segment
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const DAY: Date = date(2026, 1, 31);

    fn record(text: &str) -> Record {
        Record { events: vec![Bytes::copy_from_slice(text.as_bytes())], cursors: vec![] }
    }

    fn written(records: &[Record]) -> (Segment, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let segment = Segment::new(7, DAY).unwrap();
        let mut writer = SegmentWriter::create(directory.path(), segment).unwrap();
        for record in records {
            writer.append(record).unwrap();
        }
        let bytes = fs::read(directory.path().join(segment.to_string())).unwrap();
        assert_eq!(bytes.len() as u64, writer.len());
        (segment, bytes)
    }

    #[test]
    fn a_name_says_what_is_needed_to_read_a_segment() {
        let segment = Segment::new(7, DAY).unwrap();
        assert_eq!(segment.to_string().parse(), Ok(segment));
        assert!(segment.to_string().starts_with("000000000007-2026-01-31-"));
        for wrong in ["", "x.log", "1-2026-01-31.log", "1-2026-13-31-00.log", "1-2026-01-31-00.parquet"] {
            assert_eq!(wrong.parse::<Segment>(), Err(NotASegment), "{wrong}");
        }
    }

    #[test]
    fn a_record_inside_an_event_is_not_taken_for_one() {
        let (segment, inner) = written(&[record("forged")]);
        let (other, mut outer) = written(&[Record { events: vec![inner.into()], cursors: vec![] }]);
        assert_ne!(segment.marker, other.marker);
        outer[0] ^= 1;
        assert!(other.scan(outer.into()).records.is_empty());
    }

    #[test]
    fn a_batch_that_is_too_large_is_refused_and_leaves_the_segment_whole() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = SegmentWriter::create(directory.path(), Segment::new(1, DAY).unwrap()).unwrap();
        let large = Record { events: vec![vec![0; MAX_PAYLOAD as usize].into()], cursors: vec![] };
        writer.append(&large).unwrap_err();
        assert_eq!(writer.len(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            Segment::new(1, DAY).unwrap().scan(Bytes::from(bytes));
        }

        #[test]
        fn what_is_appended_is_read(texts: Vec<Vec<u8>>, last: u64) {
            let records: Vec<Record> = texts
                .into_iter()
                .map(|text| Record {
                    events: vec![Bytes::from(text)],
                    cursors: vec![Cursor { last, ..Cursor::default() }],
                })
                .collect();
            let (segment, bytes) = written(&records);
            prop_assert_eq!(segment.scan(bytes.into()).records, records);
        }
    }
}
