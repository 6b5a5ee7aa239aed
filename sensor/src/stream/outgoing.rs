//! Events on their way to the subscribers, encoded one by one as they come.
//!
//! An event is made of some thirty pieces of memory. One that is let go before
//! the next is made leaves them to that one, still in the cache; hundreds that
//! are let go together make the allocator tidy up each time.

use std::{ops::Range, sync::Arc};

use activity_proto::{EncodedEvents, v1::Event};
use bytes::Bytes;
use prost_types::Timestamp;

use super::hub::{Hub, Subscriber};
use crate::spool::Spool;

/// What has to be known of an event that is encoded.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its bytes.
    pub range: Range<usize>,
    /// `EventId.lane`
    pub lane: i32,
    /// `EventId.sequence`
    pub sequence: u64,
    /// An `EventType`.
    pub event_type: i32,
}

/// Events that go out together.
pub struct Outgoing {
    hub: Arc<Hub>,
    spool: Option<Arc<Spool>>,
    /// Who subscribed when the first of them came, and for those who do not want
    /// all of them which they want, by index.
    subscribers: Vec<(Arc<Subscriber>, Option<Vec<usize>>)>,
    bytes: Vec<u8>,
    parts: Vec<Part>,
    count: usize,
    time_ns: i64,
    /// Bytes of the last ones: room for the next, so that it need not grow.
    usual: usize,
}

/// Those of an [`Outgoing`], for who takes them.
pub struct Encoded {
    /// One after another.
    pub bytes: Bytes,
    /// Where each is.
    pub parts: Vec<Part>,
    /// Wall clock of the first, nanoseconds since 1970.
    pub time_ns: i64,
}

impl Encoded {
    /// An event with its bytes.
    pub fn with_bytes<'a>(&'a self, part: &'a Part) -> (&'a Part, &'a [u8]) {
        (part, self.bytes.get(part.range.clone()).unwrap_or_default())
    }
}

impl Outgoing {
    /// None yet, for this hub, and for the spool where there is one.
    pub fn new(hub: Arc<Hub>, spool: Option<Arc<Spool>>) -> Self {
        Self {
            hub,
            spool,
            subscribers: Vec::new(),
            bytes: Vec::new(),
            parts: Vec::new(),
            count: 0,
            time_ns: 0,
            usual: 0,
        }
    }

    /// Adds a numbered event.
    pub fn push(&mut self, event: &Event) {
        if self.count == 0 {
            self.begin(event);
        }
        self.count += 1;
        if self.has_nobody() {
            return;
        }
        let start = self.bytes.len();
        EncodedEvents::append(&mut self.bytes, self.hub.common(), event);
        for (subscriber, chosen) in &mut self.subscribers {
            if let Some(chosen) = chosen
                && subscriber.wanted.matches(event)
            {
                chosen.push(self.parts.len());
            }
        }
        let (lane, sequence) = event.id.as_ref().map_or((0, 0), |id| (id.lane, id.sequence));
        let range = start..self.bytes.len();
        self.parts.push(Part { range, lane, sequence, event_type: event.event_type().into() });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    fn has_nobody(&self) -> bool {
        self.subscribers.is_empty() && self.spool.is_none()
    }

    /// Hands them to the spool, and to whoever subscribed when the first of them came.
    pub fn publish(&mut self) {
        self.count = 0;
        self.usual = self.bytes.len();
        let bytes = std::mem::take(&mut self.bytes).into();
        let encoded = Encoded { bytes, parts: std::mem::take(&mut self.parts), time_ns: self.time_ns };
        if let Some(spool) = &self.spool {
            spool.offer(&encoded);
        }
        for (subscriber, chosen) in self.subscribers.drain(..) {
            match chosen {
                None => self.hub.offer_all(&subscriber, &encoded),
                Some(chosen) => {
                    let chosen = chosen.into_iter().filter_map(|index| encoded.parts.get(index));
                    self.hub.offer_chosen(&subscriber, &encoded, chosen);
                }
            }
        }
    }

    fn begin(&mut self, event: &Event) {
        let in_ns =
            |time: &Timestamp| time.seconds.saturating_mul(1_000_000_000).saturating_add(time.nanos.into());
        self.time_ns = event.time.as_ref().map_or(0, in_ns);
        let wants = |subscriber: Arc<Subscriber>| {
            let chosen = (!subscriber.wanted.is_everything()).then(Vec::new);
            (subscriber, chosen)
        };
        self.subscribers = self.hub.current().into_iter().map(wants).collect();
        if !self.has_nobody() {
            self.bytes.reserve(self.usual);
        }
    }
}
