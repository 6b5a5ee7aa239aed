//! The append log: where events are durable first.
//!
//! # Format
//!
//! A segment is a file `log/NUMBER-DAY-MARKER.log`: NUMBER rises by one with
//! every segment (12 decimal digits), DAY is the UTC day it was begun
//! (`YYYY-MM-DD`) and MARKER is random (16 hexadecimal digits). There is no
//! header: the name says what is needed to read the file, so no damage inside
//! it makes all of it unreadable. The file is a row of records:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | MARKER, little endian |
//! | 4 | length of the payload, little endian, at most 16 MiB |
//! | 4 | CRC-32 (IEEE) of the length field and the payload, little endian |
//! | length | payload: a protobuf `Record` |
//!
//! A payload carries events as they came over the wire, so that fields this
//! build does not know survive. The first record of a segment carries the
//! cursors as they were when it was begun: the newest segment alone tells what
//! has been received.
//!
//! # Constraints
//!
//! - A record is appended with one write and never changed. What a kill leaves
//!   of an unfinished one is the torn tail.
//! - A reader that meets bytes which are no whole record looks for the next
//!   MARKER from which a record checks out. MARKER is not known to those who
//!   are watched, so no argument or file name can pass for a record.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    str::FromStr,
};

use bytes::{Buf as _, Bytes};
use jiff::civil::Date;
use prost::Message as _;

/// Bytes before a record's payload.
const HEADER: usize = 16;
/// Four times what one gRPC message may carry.
const MAX_PAYLOAD: usize = 4 * activity_proto::MAX_MESSAGE_BYTES;

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
    pub fn scan(&self, mut bytes: Bytes) -> Scan {
        let mut scan = Scan::default();
        while !bytes.is_empty() {
            if let Some(record) = self.next_record(&mut bytes) {
                scan.records.push(record);
            } else if let Some(skip) = self.find_record(&bytes) {
                scan.damaged += 1;
                bytes.advance(skip);
            } else {
                scan.torn = bytes.len();
                break;
            }
        }
        scan
    }

    /// Takes the record `bytes` begins with; leaves them alone when there is none.
    fn next_record(&self, bytes: &mut Bytes) -> Option<Record> {
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        let (marker, header) = header.split_first_chunk::<8>()?;
        let (length, crc) = header.split_first_chunk::<4>()?;
        let payload_length = u32::from_le_bytes(*length) as usize;
        if *marker != self.marker.to_le_bytes() || payload_length > MAX_PAYLOAD {
            return None;
        }
        let payload = rest.get(..payload_length)?;
        if checksum(*length, payload).to_le_bytes() != *crc {
            return None;
        }
        // Slices of `Bytes` share its memory: events are not copied.
        let record = Record::decode(bytes.slice(HEADER..HEADER + payload_length)).ok()?;
        bytes.advance(HEADER + payload_length);
        Some(record)
    }

    /// How far into `bytes` the next whole record begins.
    fn find_record(&self, bytes: &Bytes) -> Option<usize> {
        let marker = self.marker.to_le_bytes();
        let candidates = bytes.windows(marker.len()).enumerate().skip(1).filter(|(_, at)| *at == marker);
        candidates.map(|(at, _)| at).find(|&at| self.next_record(&mut bytes.slice(at..)).is_some())
    }
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
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
    file: File,
    length: u64,
    buffer: Vec<u8>,
}

impl SegmentWriter {
    /// Creates the file in `directory`; it must not exist.
    pub fn create(directory: &Path, segment: Segment) -> io::Result<Self> {
        let path = directory.join(segment.to_string());
        let file = OpenOptions::new().append(true).create_new(true).mode(0o640).open(path)?;
        Ok(Self { segment, file, length: 0, buffer: Vec::new() })
    }

    /// Writes one record. On failure the segment is as it was before.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        let payload_length = record.encoded_len();
        if payload_length > MAX_PAYLOAD {
            return Err(io::Error::other(format!("a batch of {payload_length} bytes is too large to store")));
        }
        let length = (payload_length as u32).to_le_bytes();
        self.buffer.clear();
        self.buffer.extend(self.segment.marker.to_le_bytes());
        self.buffer.extend(length);
        self.buffer.extend([0; 4]);
        record.encode_raw(&mut self.buffer);
        let crc = checksum(length, self.buffer.get(HEADER..).unwrap_or_default());
        if let Some(field) = self.buffer.get_mut(HEADER - 4..HEADER) {
            field.copy_from_slice(&crc.to_le_bytes());
        }
        if let Err(error) = self.file.write_all(&self.buffer) {
            // Without this a part of the record would stay in the middle of the file.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += self.buffer.len() as u64;
        Ok(())
    }

    /// Makes durable what was appended.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Bytes written.
    pub fn len(&self) -> u64 {
        self.length
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

    fn three() -> Vec<Record> {
        vec![record("first"), record("the second one"), record("third")]
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
    fn a_cut_at_any_byte_costs_only_the_record_that_was_cut() {
        let records = three();
        let (segment, bytes) = written(&records);
        let ends: Vec<usize> = (1..=3).map(|n| written(&records[..n]).1.len()).collect();
        for cut in 0..=bytes.len() {
            let scan = segment.scan(Bytes::copy_from_slice(&bytes[..cut]));
            let whole = ends.iter().filter(|&&end| end <= cut).count();
            assert_eq!(scan.records, records[..whole], "cut at {cut}");
            assert_eq!(scan.damaged, 0, "cut at {cut}");
            let expected = cut - if whole == 0 { 0 } else { ends[whole - 1] };
            assert_eq!(scan.torn, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_flip_of_any_bit_costs_only_the_record_it_is_in() {
        let records = three();
        let (segment, bytes) = written(&records);
        let ends: Vec<usize> = (1..=3).map(|n| written(&records[..n]).1.len()).collect();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let scan = segment.scan(Bytes::from(bytes));
            let hit = ends.iter().filter(|&&end| end <= bit / 8).count();
            let mut left = records.clone();
            left.remove(hit);
            assert_eq!(scan.records, left, "bit {bit}");
            let counted = (scan.damaged, scan.torn > 0);
            // Nothing follows the last record, so it looks like a cut write.
            assert_eq!(counted, if hit == 2 { (0, true) } else { (1, false) }, "bit {bit}");
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
        let large = Record { events: vec![vec![0; MAX_PAYLOAD].into()], cursors: vec![] };
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
