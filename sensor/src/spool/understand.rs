//! Reads any bytes as if they were a segment: for fuzzers, and the test of their corpora.

use activity_proto::{EncodedEvents, v1::SubscribeResponse};
use bytes::Bytes;
use prost::Message as _;

use super::record::{Record, Segment};

/// A segment's name, the end of a line, and what is in it. The marker is always the same,
/// as nobody could guess one.
pub fn understand(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let name = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let segment: Result<Segment, _> = name.parse();
    if let Ok(segment) = segment {
        assert_eq!(segment.to_string().parse(), Ok(segment));
    }
    let Ok(segment) = "00000001-000000000001-0000000001-6d61726b6572210a.log".parse::<Segment>() else {
        return;
    };
    let scan = segment.frames().scan(Bytes::copy_from_slice(parts.next().unwrap_or_default()));
    for record in scan.payloads.into_iter().filter_map(|payload| Record::decode(payload).ok()) {
        let events = EncodedEvents::from_bytes(record.events.clone());
        let skipped = record.last.saturating_sub(record.first).min(1000);
        let rest = events.without_first(skipped);
        assert!(rest.len() <= events.len());
        let _ = SubscribeResponse::decode(rest.bytes().clone());
    }
}
