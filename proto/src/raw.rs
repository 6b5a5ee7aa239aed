//! What a collector receives: events stay encoded, so that what a newer sensor says and
//! this build does not know is stored all the same.

use bytes::Bytes;
use prost::{Message, Oneof};

use crate::v1::{DeliverHello, Position};

/// A `SubscribeResponse` or `ConsumeResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct RawEvents {
    /// The events, encoded.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub events: Vec<Bytes>,
    /// Of a `ConsumeResponse`: where they end.
    #[prost(message, optional, tag = "2")]
    pub position: Option<Position>,
}

/// A `DeliverRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct RawDelivery {
    /// What it is.
    #[prost(oneof = "RawDelivered", tags = "1, 2")]
    pub request: Option<RawDelivered>,
}

/// What a sensor delivers.
#[derive(Clone, PartialEq, Oneof)]
pub enum RawDelivered {
    /// Who it is.
    #[prost(message, tag = "1")]
    Hello(DeliverHello),
    /// A batch.
    #[prost(message, tag = "2")]
    Batch(RawEvents),
}
