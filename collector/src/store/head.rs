//! What a partition and the order in it need of an event: all of it is decoded where its
//! columns are made, and for this much only once more would be too dear.

use activity_proto::v1::EventType;
use bytes::{Buf as _, Bytes};
use prost::{
    Message,
    encoding::{DecodeContext, decode_key, skip_field},
};

use super::{class::Class, schema::nanoseconds};

/// Between the number of a payload's field in `Event` and that of its type.
const PAYLOADS: u32 = 19;

/// The fields of `Event` that are needed, with its numbers; texts are not copied.
#[derive(Clone, PartialEq, Message)]
struct Fields {
    #[prost(message, optional, tag = "1")]
    id: Option<Id>,
    #[prost(message, optional, tag = "3")]
    time: Option<prost_types::Timestamp>,
    #[prost(message, optional, tag = "5")]
    process: Option<Start>,
}

/// Of `EventId`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Message)]
struct Id {
    #[prost(bytes = "bytes", tag = "1")]
    sensor_id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    boot_id: Bytes,
    #[prost(uint64, tag = "3")]
    epoch: u64,
    #[prost(int32, tag = "4")]
    lane: i32,
    #[prost(uint64, tag = "5")]
    sequence: u64,
}

/// Of `Process`.
#[derive(Clone, PartialEq, Message)]
struct Start {
    #[prost(uint32, tag = "1")]
    pid: u32,
    #[prost(uint64, tag = "6")]
    start_boottime_ns: u64,
}

/// The order within a file: what one process did stands together, so that what is the same
/// for all of it takes room once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    sensor_id: Bytes,
    boot_id: Bytes,
    /// When the process began.
    start: u64,
    pid: u32,
    epoch: u64,
    lane: i32,
    sequence: u64,
    time: Option<i64>,
}

/// What is known of an event.
pub struct Head {
    pub order: Order,
    /// Nanoseconds since 1970.
    pub time: Option<i64>,
    pub class: Class,
}

impl Head {
    /// That of an encoded event; of what is none that of an empty one.
    pub fn of(event: &Bytes) -> Self {
        let Fields { id, time, process } = Fields::decode(event.clone()).unwrap_or_default();
        let Id { sensor_id, boot_id, epoch, lane, sequence } = id.unwrap_or_default();
        let Start { pid, start_boottime_ns: start } = process.unwrap_or_default();
        let time = nanoseconds(time.as_ref());
        let order = Order { sensor_id, boot_id, start, pid, epoch, lane, sequence, time };
        Self { order, time, class: Class::of_type(kind(event.clone()).unwrap_or(EventType::Unspecified)) }
    }
}

/// The type of the last payload there is, which is the one that counts.
fn kind(mut event: Bytes) -> Option<EventType> {
    let mut kind = None;
    while event.has_remaining() {
        let (field, wire) = decode_key(&mut event).ok()?;
        let number = field.checked_sub(PAYLOADS).and_then(|number| i32::try_from(number).ok());
        let of_field =
            number.filter(|number| *number > 0).and_then(|number| EventType::try_from(number).ok());
        kind = of_field.or(kind);
        skip_field(wire, field, &mut event, DecodeContext::default()).ok()?;
    }
    kind
}

#[cfg(test)]
mod tests {
    use activity_proto::v1::{Event, EventId, Process};

    use super::*;

    #[test]
    fn every_payload_has_the_class_of_its_type() {
        let types = (1..).map_while(|number| EventType::try_from(number).ok());
        let mut seen = 0;
        for kind in types {
            let field = u32::try_from(kind as i32).unwrap() + PAYLOADS;
            let mut bytes = Vec::new();
            prost::encoding::encode_key(field, prost::encoding::WireType::LengthDelimited, &mut bytes);
            bytes.push(0);
            let bytes = Bytes::from(bytes);
            assert_eq!(Event::decode(bytes.clone()).unwrap().event_type(), kind);
            assert_eq!(Head::of(&bytes).class, Class::of_type(kind), "{kind:?}");
            seen += 1;
        }
        assert!(seen >= 30, "{seen}");
    }

    #[test]
    fn what_is_split_in_parts_is_read_as_a_decoder_does() {
        let id = EventId { sensor_id: "s".into(), boot_id: "b".into(), ..EventId::default() };
        let common = Event { id: Some(id), ..Event::default() }.encode_to_vec();
        let id = EventId { epoch: 3, lane: 2, sequence: 7, ..EventId::default() };
        let process = Process { pid: 5, start_boottime_ns: 9, ..Process::default() };
        let time = prost_types::Timestamp { seconds: 1, nanos: 2 };
        let own = Event { id: Some(id), process: Some(process), time: Some(time), ..Event::default() };
        let bytes = Bytes::from([common, own.encode_to_vec()].concat());
        let head = Head::of(&bytes);
        let expected = Order {
            sensor_id: "s".into(),
            boot_id: "b".into(),
            start: 9,
            pid: 5,
            epoch: 3,
            lane: 2,
            sequence: 7,
            time: Some(1_000_000_002),
        };
        assert_eq!((head.order, head.time), (expected, Some(1_000_000_002)));
    }

    #[test]
    fn what_is_no_event_has_a_place_too() {
        let head = Head::of(&Bytes::from_static(b"\xff\xff\xff"));
        assert_eq!((head.time, head.class), (None, Class::Sensor));
    }
}
