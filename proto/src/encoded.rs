//! A `SubscribeResponse` whose events are already encoded.

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, encode_key, encode_varint, skip_field},
};

use crate::v1::Event;

/// Field number of `SubscribeResponse.events`.
const EVENTS_FIELD: u32 = 1;

/// The body of a `SubscribeResponse`: a repeated field encodes as its elements
/// one after another, each with key and length, so bodies can be cut between
/// events and joined again without decoding. Cloning shares the memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncodedEvents(Bytes);

impl EncodedEvents {
    /// Appends one event to `buffer` in the form a body is made of. `common` is
    /// an encoded event as well: what all events of a sensor share (host, ids)
    /// and `event` leaves out. In this encoding, messages that follow one
    /// another under one key are one message, so nothing has to be copied
    /// into each event first.
    pub fn append(buffer: &mut Vec<u8>, common: &[u8], event: &Event) {
        encode_key(EVENTS_FIELD, WireType::LengthDelimited, buffer);
        encode_varint((common.len() + event.encoded_len()) as u64, buffer);
        buffer.extend_from_slice(common);
        event.encode_raw(buffer);
    }

    /// A body from events that were appended to one buffer.
    #[must_use]
    pub fn from_bytes(body: Bytes) -> Self {
        Self(body)
    }

    /// Length of the body in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no event in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Message for EncodedEvents {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.0);
    }

    // Only ever sent, never received: a server has no use for its own answers.
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        skip_field(wire_type, tag, buf, ctx)
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{EventId, SubscribeResponse};

    #[test]
    fn a_client_decodes_what_was_joined_with_what_is_common() {
        let id = |sensor_id: &str, sequence| {
            Some(EventId { sensor_id: sensor_id.to_owned(), sequence, ..Default::default() })
        };
        let common = Event { host: "web-1".to_owned(), id: id("s", 0), ..Default::default() }.encode_to_vec();
        let mut buffer = Vec::new();
        for sequence in 1..=2 {
            let event = Event { id: id("", sequence), ..Default::default() };
            EncodedEvents::append(&mut buffer, &common, &event);
        }
        let wire = EncodedEvents::from_bytes(buffer.into()).encode_to_vec();
        let decoded = SubscribeResponse::decode(wire.as_slice()).unwrap();
        let whole =
            |sequence| Event { host: "web-1".to_owned(), id: id("s", sequence), ..Default::default() };
        assert_eq!(decoded.events, [whole(1), whole(2)]);
    }
}
