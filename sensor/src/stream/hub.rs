//! Hands each event to every subscriber that wants it, and waits for none.
//!
//! An event is encoded once for all (`outgoing`). Each subscriber has a queue of its own
//! with a bound in bytes; what does not fit is counted by type and told as a
//! gap before the next event.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use activity_proto::{
    EncodedEvents,
    v1::{Event, EventId, Gap, Lane, SubscriberStatus, event::Payload},
};
use bytes::BytesMut;
use prost::Message as _;
use tokio::sync::Notify;

use super::{
    filter::Wanted,
    outgoing::{Encoded, Part},
    queue::{Body, Queue},
};
use crate::{clock, decode::timestamp};

/// A body is closed when it has this many bytes: far under what gRPC clients
/// accept by default (4 MiB), also with one more event of the largest kind.
const BODY_BYTES: usize = 256 * 1024;

/// Where events meet subscribers.
pub struct Hub {
    subscribers: Mutex<Vec<Arc<Subscriber>>>,
    /// How many came so far.
    joined: AtomicU64,
    queue_bytes: usize,
    max_subscribers: usize,
    /// What all events share, encoded.
    common: Vec<u8>,
}

/// Where all events of this hub come from; they leave it out themselves.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Host name.
    pub host: String,
    /// Sensor, boot and epoch.
    pub id: EventId,
}

impl Origin {
    /// As an event that has nothing else, encoded.
    pub fn common(&self) -> Vec<u8> {
        let (host, id) = (self.host.clone(), Some(self.id.clone()));
        Event { host, id, ..Event::default() }.encode_to_vec()
    }
}

/// Why nobody can be added.
#[derive(Debug)]
pub struct Full;

/// One subscriber.
pub struct Subscriber {
    peer: String,
    /// Which events it wants.
    pub wanted: Wanted,
    queue: Mutex<Queue>,
    wake: Notify,
    sent: AtomicU64,
    missed: AtomicU64,
}

impl Hub {
    /// A hub whose subscribers each may have `queue_bytes` waiting.
    pub fn new(queue_bytes: usize, max_subscribers: usize, origin: &Origin) -> Self {
        Self {
            subscribers: Mutex::default(),
            joined: AtomicU64::new(0),
            queue_bytes,
            max_subscribers,
            common: origin.common(),
        }
    }

    /// Adds a subscriber; it is removed when the subscription is dropped.
    pub fn subscribe(self: &Arc<Self>, peer: String, wanted: Wanted) -> Result<Subscription, Full> {
        let mut subscribers = locked(&self.subscribers);
        if subscribers.len() >= self.max_subscribers {
            return Err(Full);
        }
        let subscriber = Arc::new(Subscriber {
            peer,
            wanted,
            queue: Mutex::default(),
            wake: Notify::new(),
            sent: AtomicU64::new(0),
            missed: AtomicU64::new(0),
        });
        subscribers.push(Arc::clone(&subscriber));
        self.joined.fetch_add(1, Relaxed);
        Ok(Subscription { hub: Arc::clone(self), subscriber })
    }

    /// How many have subscribed so far.
    pub fn joined(&self) -> u64 {
        self.joined.load(Relaxed)
    }

    /// What all events share, encoded.
    pub fn common(&self) -> &[u8] {
        &self.common
    }

    /// Who subscribes now.
    pub fn current(&self) -> Vec<Arc<Subscriber>> {
        locked(&self.subscribers).clone()
    }

    /// Ends every subscription once its queue is empty.
    pub fn close(&self) {
        for subscriber in locked(&self.subscribers).iter() {
            locked(&subscriber.queue).closed = true;
            subscriber.wake.notify_one();
        }
    }

    /// Who subscribes.
    pub fn subscribers(&self) -> Vec<SubscriberStatus> {
        locked(&self.subscribers)
            .iter()
            .map(|subscriber| SubscriberStatus {
                peer: subscriber.peer.clone(),
                sent: subscriber.sent.load(Relaxed),
                missed: subscriber.missed.load(Relaxed),
            })
            .collect()
    }

    /// Bodies that share the memory of the encoded events.
    pub fn offer_all(&self, subscriber: &Subscriber, encoded: &Encoded) {
        let mut rest = encoded.parts.as_slice();
        while let Some(start) = rest.first().map(|part| part.range.start) {
            let fitting = rest.iter().take_while(|part| part.range.end - start <= BODY_BYTES).count();
            let (body, after) = rest.split_at(fitting.max(1));
            let end = body.last().map_or(start, |part| part.range.end);
            let events = EncodedEvents::from_bytes(encoded.bytes.slice(start..end));
            let parts = body.iter().map(|part| encoded.with_bytes(part));
            self.offer(subscriber, (events, body.len() as u64), parts);
            rest = after;
        }
        subscriber.wake.notify_one();
    }

    /// Bodies of those events that the subscriber's filter lets through.
    pub fn offer_chosen<'a>(
        &self,
        subscriber: &Subscriber,
        encoded: &'a Encoded,
        chosen: impl Iterator<Item = &'a Part>,
    ) {
        let mut body = BytesMut::new();
        let mut parts = Vec::new();
        for (part, bytes) in chosen.map(|part| encoded.with_bytes(part)) {
            body.extend_from_slice(bytes);
            parts.push((part, bytes));
            if body.len() >= BODY_BYTES {
                let full = EncodedEvents::from_bytes(body.split().freeze());
                self.offer(subscriber, (full, parts.len() as u64), parts.drain(..));
            }
        }
        if !parts.is_empty() {
            let rest = EncodedEvents::from_bytes(body.freeze());
            self.offer(subscriber, (rest, parts.len() as u64), parts.drain(..));
        }
        subscriber.wake.notify_one();
    }

    /// Queues a body made of `parts`, or what is possible of it. A part of the
    /// room is for the process lane alone: a flood of opens must not push
    /// those events out here either. While something was missed that the
    /// subscriber has not been told, bodies wait until the queue is half
    /// empty: rather one long gap than a rain of short ones.
    fn offer<'a>(
        &self,
        subscriber: &Subscriber,
        body: Body,
        parts: impl Iterator<Item = (&'a Part, &'a [u8])>,
    ) {
        let shared = self.queue_bytes / 4 * 3;
        let mut queue = locked(&subscriber.queue);
        if queue.has_missed() && queue.bytes() + body.0.len() <= shared / 2 {
            self.tell(&mut queue, Queue::take_gaps);
        }
        if !queue.has_missed() && queue.offer(&body, shared) {
            return;
        }
        let mut process = BytesMut::new();
        let mut of_process = Vec::new();
        for (part, bytes) in parts {
            if part.lane == i32::from(Lane::File) {
                queue.miss(part);
                subscriber.missed.fetch_add(1, Relaxed);
            } else {
                process.extend_from_slice(bytes);
                of_process.push(part);
            }
        }
        let count = of_process.len() as u64;
        if count == 0 {
            return;
        }
        if queue.bytes() + process.len() <= self.queue_bytes {
            self.tell(&mut queue, |queue| queue.take_gap(Lane::Process));
        }
        let body = (EncodedEvents::from_bytes(process.freeze()), count);
        if !queue.offer(&body, self.queue_bytes) {
            of_process.into_iter().for_each(|part| queue.miss(part));
            subscriber.missed.fetch_add(count, Relaxed);
        }
    }

    /// Puts gaps into the queue.
    fn tell<G: IntoIterator<Item = Gap>>(&self, queue: &mut Queue, take: impl FnOnce(&mut Queue) -> G) {
        for gap in take(queue) {
            queue.push((encoded_gap(&self.common, gap), 1));
        }
    }
}

/// A gap in one subscriber's or consumer's stream, as a body. It has no number: the
/// sensor's sequence is whole.
pub fn encoded_gap(common: &[u8], gap: Gap) -> EncodedEvents {
    let boottime_ns = clock::boottime_ns();
    let event = Event {
        id: Some(EventId { lane: gap.lane, ..EventId::default() }),
        time: Some(timestamp(boottime_ns.saturating_add(clock::wall_offset_ns()))),
        boottime_ns,
        payload: Some(Payload::Gap(gap)),
        ..Event::default()
    };
    let mut buffer = Vec::new();
    EncodedEvents::append(&mut buffer, common, &event);
    EncodedEvents::from_bytes(buffer.into())
}

/// A subscriber's end of the hub.
pub struct Subscription {
    hub: Arc<Hub>,
    subscriber: Arc<Subscriber>,
}

impl Subscription {
    /// Waits for the next body; `None` when the sensor ends.
    pub async fn next(&mut self) -> Option<EncodedEvents> {
        loop {
            {
                let mut queue = locked(&self.subscriber.queue);
                if queue.bytes() == 0 {
                    self.hub.tell(&mut queue, Queue::take_gaps);
                }
                if let Some((body, count)) = queue.pop() {
                    self.subscriber.sent.fetch_add(count, Relaxed);
                    return Some(body);
                }
                if queue.closed {
                    return None;
                }
            }
            self.subscriber.wake.notified().await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        locked(&self.hub.subscribers).retain(|known| !Arc::ptr_eq(known, &self.subscriber));
    }
}

/// The guarded value, also when a thread panicked while it held the lock:
/// nothing here is left half changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
