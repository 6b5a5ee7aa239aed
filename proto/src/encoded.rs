//! A `SubscribeResponse` whose events are already encoded.

use bytes::{Buf, BufMut, Bytes, BytesMut};
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
    /// Appends one event to `buffer` in the form a body is made of.
    pub fn append(buffer: &mut BytesMut, event: &Event) {
        encode_key(EVENTS_FIELD, WireType::LengthDelimited, buffer);
        encode_varint(event.encoded_len() as u64, buffer);
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
    fn a_client_decodes_what_was_joined() {
        let event =
            |sequence| Event { id: Some(EventId { sequence, ..Default::default() }), ..Default::default() };
        let mut buffer = BytesMut::new();
        EncodedEvents::append(&mut buffer, &event(1));
        EncodedEvents::append(&mut buffer, &event(2));
        let wire = EncodedEvents::from_bytes(buffer.freeze()).encode_to_vec();
        let decoded = SubscribeResponse::decode(wire.as_slice()).unwrap();
        assert_eq!(decoded.events, [event(1), event(2)]);
    }
}
