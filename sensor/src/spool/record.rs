//! What a frame of a spool carries, and how its segments are named.

use std::{fmt, io, str::FromStr};

use activity_proto::v1::TypeCount;
use activity_segments::Frames;
use bytes::Bytes;
use prost::{
    Message as _,
    encoding::{WireType, encode_key, encode_varint},
};

/// Largest payload: some hundred kilobytes of events at most, and one more that is
/// as large as an event can be.
const MAX_PAYLOAD: u32 = 4 << 20;
/// Field number of `Record.events`, the last one, which is written apart.
const EVENTS_FIELD: u32 = 15;

/// Events of a lane that follow one another, or the word that they were lost.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Record {
    /// Sequence of the first event.
    #[prost(uint64, tag = "1")]
    pub first: u64,
    /// Sequence of the last event.
    #[prost(uint64, tag = "2")]
    pub last: u64,
    /// Wall clock of the first event, nanoseconds since 1970.
    #[prost(int64, tag = "3")]
    pub time_ns: i64,
    /// How many there are of each type.
    #[prost(message, repeated, tag = "4")]
    pub counts: Vec<TypeCount>,
    /// Why there are no events, a `GapReason`; 0: they are there.
    #[prost(int32, tag = "5")]
    pub lost: i32,
    /// The run ended in order, and there is no event behind `last`.
    #[prost(bool, tag = "6")]
    pub ended: bool,
    /// The body of a `SubscribeResponse`.
    #[prost(bytes = "bytes", tag = "15")]
    pub events: Bytes,
}

impl Record {
    /// A frame's payload up to the `length` bytes of events, which are not in `self`.
    pub fn head(&self, length: usize) -> Vec<u8> {
        let mut head = self.encode_to_vec();
        if length > 0 {
            encode_key(EVENTS_FIELD, WireType::LengthDelimited, &mut head);
            encode_varint(length as u64, &mut head);
        }
        head
    }
}

/// The name of a segment, which has all there is to know to read it: of which run it
/// is, the sequence of its first event, the time of its beginning and the marker of
/// its frames. Sorted by where they are in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    pub epoch: u64,
    pub first: u64,
    /// Seconds since 1970.
    pub begun: u64,
    marker: u64,
}

impl Segment {
    /// A new one, with a marker of its own.
    pub fn new(epoch: u64, first: u64, begun: u64) -> io::Result<Self> {
        Ok(Self { epoch, first, begun, marker: getrandom::u64()? })
    }

    /// How its frames look.
    pub fn frames(&self) -> Frames {
        Frames::new(self.marker, MAX_PAYLOAD)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, first, begun, marker } = self;
        write!(f, "{epoch:08}-{first:012}-{begun:010}-{marker:016x}.log")
    }
}

/// The name is not that of a segment.
#[derive(Debug, PartialEq, Eq)]
pub struct NotASegment;

impl FromStr for Segment {
    type Err = NotASegment;

    fn from_str(name: &str) -> Result<Self, NotASegment> {
        let mut parts = name.strip_suffix(".log").ok_or(NotASegment)?.split('-');
        let mut part = |radix| {
            let digits = parts.next().filter(|part| part.bytes().all(|digit| digit.is_ascii_hexdigit()));
            u64::from_str_radix(digits.ok_or(NotASegment)?, radix).map_err(|_| NotASegment)
        };
        let segment = Self { epoch: part(10)?, first: part(10)?, begun: part(10)?, marker: part(16)? };
        if parts.next().is_some() { Err(NotASegment) } else { Ok(segment) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_its_events_apart_is_the_same_record() {
        let counts = vec![TypeCount { r#type: 3, count: 2 }];
        let record = Record { first: 5, last: 6, time_ns: -1, counts, ..Record::default() };
        let payload = [record.head(5).as_slice(), b"12345"].concat();
        let events = Bytes::from_static(b"12345");
        assert_eq!(Record::decode(payload.as_slice()).unwrap(), Record { events, ..record.clone() });
        assert_eq!(Record::decode(record.head(0).as_slice()).unwrap(), record);
    }

    #[test]
    fn a_name_says_what_is_needed_to_read_a_segment() {
        let segment = Segment::new(7, 1001, 1_800_000_000).unwrap();
        assert_eq!(segment.to_string().parse(), Ok(segment));
        for wrong in ["", "1-2-3-4", "1-2-3.log", "1-2-3-4-5.log", "1-+2-3-4.log", "consumers.json"] {
            assert_eq!(wrong.parse::<Segment>(), Err(NotASegment), "{wrong}");
        }
    }

    #[test]
    fn segments_are_sorted_by_their_place_in_the_stream() {
        let segment = |epoch, first| Segment::new(epoch, first, 5).unwrap();
        assert!(segment(1, 100) < segment(2, 1) && segment(2, 1) < segment(2, 9));
    }
}
