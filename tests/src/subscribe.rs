//! The stream as a subscriber of ours sees it.

use std::{
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, channel as queue},
    thread,
    time::Instant,
};

use activity_proto::{
    MAX_MESSAGE_BYTES,
    json::to_json,
    v1::{
        Event, EventType, Filter, Gap, SubscribeRequest, event::Payload,
        sensor_service_client::SensorServiceClient,
    },
};
use tokio::{runtime, sync::oneshot};
use tonic::transport::{Channel, Endpoint};

use crate::deadline;

/// A runtime for one thread.
pub fn runtime() -> runtime::Runtime {
    runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

/// A connection to a sensor's socket.
pub async fn channel(socket: &Path) -> Channel {
    let endpoint = Endpoint::from_shared(format!("unix:{}", socket.display())).expect("a path is an address");
    endpoint.connect().await.expect("the sensor takes connections")
}

/// A subscription and all it has received.
pub struct Subscription {
    events: Receiver<Event>,
    start: Option<oneshot::Sender<()>>,
    /// Every event so far, in the order of arrival.
    pub seen: Vec<Event>,
}

impl Subscription {
    /// Subscribes; what happens after the return is received.
    #[must_use]
    pub fn open(socket: &Path, filter: Filter) -> Self {
        let mut subscription = Self::open_unread(socket, filter);
        subscription.read();
        subscription
    }

    /// Subscribes, and does not read before [`Self::read`].
    ///
    /// # Panics
    /// When the sensor does not accept it.
    #[must_use]
    pub fn open_unread(socket: &Path, filter: Filter) -> Self {
        let (sender, events) = queue();
        let (start, started) = oneshot::channel();
        let (accept, accepted) = queue();
        let socket = socket.to_owned();
        thread::spawn(move || {
            runtime().block_on(async move {
                let mut client = SensorServiceClient::new(channel(&socket).await)
                    .max_decoding_message_size(MAX_MESSAGE_BYTES);
                let request = SubscribeRequest { filter: Some(filter) };
                let mut stream = client.subscribe(request).await.expect("the sensor accepts").into_inner();
                let _ = accept.send(());
                if started.await.is_err() {
                    return;
                }
                while let Ok(Some(response)) = stream.message().await {
                    for event in response.events {
                        if sender.send(event).is_err() {
                            return;
                        }
                    }
                }
            });
        });
        accepted.recv_timeout(deadline()).expect("the sensor accepts the subscription");
        Self { events, start: Some(start), seen: Vec::new() }
    }

    /// Begins to read.
    pub fn read(&mut self) {
        if let Some(start) = self.start.take() {
            let _ = start.send(());
        }
    }

    /// The first event that is wanted, whether it was seen already or is to
    /// come.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn find(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> bool) -> Event {
        if let Some(event) = self.seen.iter().find(|event| wanted(event)) {
            return event.clone();
        }
        self.read_until(what, |event| wanted(event));
        self.seen.last().cloned().expect("the last event was the wanted one")
    }

    /// Reads on until `enough` says so of an event.
    ///
    /// # Panics
    /// When that does not come in time.
    pub fn read_until(&mut self, what: &str, mut enough: impl FnMut(&Event) -> bool) {
        let begun = Instant::now();
        loop {
            match self.events.recv_timeout(deadline().saturating_sub(begun.elapsed())) {
                Ok(event) => {
                    let done = enough(&event);
                    self.seen.push(event);
                    if done {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("in vain for {:?}: {what}; {}", deadline(), self.last())
                }
                Err(RecvTimeoutError::Disconnected) => panic!("the stream ended: {what}; {}", self.last()),
            }
        }
    }

    /// Reads what has arrived by now.
    pub fn read_what_is_there(&mut self) {
        self.seen.extend(self.events.try_iter());
    }

    /// Reads to the end of the stream.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn read_to_end(&mut self) {
        let begun = Instant::now();
        loop {
            match self.events.recv_timeout(deadline().saturating_sub(begun.elapsed())) {
                Ok(event) => self.seen.push(event),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("the stream does not end; {}", self.last()),
            }
        }
    }

    /// Every gap so far.
    #[must_use]
    pub fn gaps(&self) -> Vec<&Gap> {
        self.seen
            .iter()
            .filter_map(|event| match &event.payload {
                Some(Payload::Gap(gap)) => Some(gap),
                _ => None,
            })
            .collect()
    }

    /// Events of a type so far.
    pub fn of_type(&self, event_type: EventType) -> impl Iterator<Item = &Event> {
        self.seen.iter().filter(move |event| event.event_type() == event_type)
    }

    fn last(&self) -> String {
        let last = self.seen.iter().rev().take(20).rev();
        let lines: Vec<_> = last.map(|event| to_json(event).to_string()).collect();
        format!("{:?}; of {} events the last are:\n{}", self.gaps(), self.seen.len(), lines.join("\n"))
    }
}
