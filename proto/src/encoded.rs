//! Messages of a sensor whose events are already encoded.

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message, Oneof,
    encoding::{
        DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, message, skip_field,
    },
};

use crate::v1::{DeliverHello, Event, Position};

/// Field number of `SubscribeResponse.events`, and of `ConsumeResponse.events`.
const EVENTS_FIELD: u32 = 1;
/// Field number of `ConsumeResponse.position`.
const POSITION_FIELD: u32 = 2;

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

    /// The body without its first events; empty when it has no more, or is no body.
    #[must_use]
    pub fn without_first(&self, events: u64) -> Self {
        let mut rest = self.0.clone();
        for _ in 0..events {
            let length = decode_key(&mut rest)
                .ok()
                .filter(|(tag, kind)| (*tag, *kind) == (EVENTS_FIELD, WireType::LengthDelimited))
                .and_then(|_| usize::try_from(decode_varint(&mut rest).ok()?).ok())
                .filter(|length| *length <= rest.len());
            let Some(length) = length else { return Self::default() };
            rest.advance(length);
        }
        Self(rest)
    }

    /// The bytes of the body.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0
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

/// A `ConsumeResponse` with such a body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncodedBatch {
    /// The events.
    pub events: EncodedEvents,
    /// Where they end.
    pub position: Position,
}

/// A `DeliverRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct EncodedDelivery {
    /// What it is.
    #[prost(oneof = "Delivered", tags = "1, 2")]
    pub request: Option<Delivered>,
}

/// What a sensor delivers.
#[derive(Clone, PartialEq, Oneof)]
pub enum Delivered {
    /// Who it is.
    #[prost(message, tag = "1")]
    Hello(DeliverHello),
    /// A batch.
    #[prost(message, tag = "2")]
    Batch(EncodedBatch),
}

impl From<Delivered> for EncodedDelivery {
    fn from(request: Delivered) -> Self {
        Self { request: Some(request) }
    }
}

impl Message for EncodedBatch {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        self.events.encode_raw(buf);
        message::encode(POSITION_FIELD, &self.position, buf);
    }

    // As below.
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
        self.events.encoded_len() + message::encoded_len(POSITION_FIELD, &self.position)
    }

    fn clear(&mut self) {
        *self = Self::default();
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
    use crate::{
        RawDelivered, RawDelivery,
        v1::{ConsumeResponse, DeliverRequest, EventId, SubscribeResponse},
    };

    fn body(sequences: std::ops::RangeInclusive<u64>) -> EncodedEvents {
        let mut buffer = Vec::new();
        for sequence in sequences {
            let id = Some(EventId { sequence, ..Default::default() });
            EncodedEvents::append(&mut buffer, &[], &Event { id, ..Default::default() });
        }
        EncodedEvents::from_bytes(buffer.into())
    }

    #[test]
    fn the_first_events_of_a_body_can_be_left_out() {
        assert_eq!(body(1..=9).without_first(0), body(1..=9));
        assert_eq!(body(1..=9).without_first(4), body(5..=9));
        assert!(body(1..=9).without_first(9).is_empty());
        assert!(body(1..=9).without_first(10).is_empty());
        assert!(EncodedEvents::from_bytes(Bytes::from_static(&[0xff; 20])).without_first(1).is_empty());
    }

    #[test]
    fn a_batch_says_where_it_ends() {
        let position = Position { lane: 2, epoch: 3, sequence: 9 };
        let batch = EncodedBatch { events: body(1..=9), position };
        let decoded = ConsumeResponse::decode(batch.encode_to_vec().as_slice()).unwrap();
        assert_eq!((decoded.events.len(), decoded.position), (9, Some(position)));
    }

    #[test]
    fn a_collector_receives_what_a_sensor_delivers_with_its_events_still_encoded() {
        let hello = DeliverHello { sensor_id: "s".into(), host: "web-1".into() };
        let position = Position { lane: 2, epoch: 3, sequence: 9 };
        let batch = EncodedBatch { events: body(1..=9), position };
        let received = |sent: Delivered| {
            let wire = EncodedDelivery::from(sent).encode_to_vec();
            DeliverRequest::decode(wire.as_slice()).unwrap();
            RawDelivery::decode(wire.as_slice()).unwrap().request
        };
        assert_eq!(received(Delivered::Hello(hello.clone())), Some(RawDelivered::Hello(hello)));
        let Some(RawDelivered::Batch(raw)) = received(Delivered::Batch(batch)) else { panic!("no batch") };
        assert_eq!((raw.events.len(), raw.position), (9, Some(position)));
        assert_eq!(Event::decode(raw.events[8].clone()).unwrap().id.unwrap().sequence, 9);
    }

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
