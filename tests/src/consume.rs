//! The stream from the sensor's disk, as a consumer of ours sees it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use activity_proto::{
    MAX_MESSAGE_BYTES,
    v1::{
        ConsumeRequest, ConsumeResponse, ConsumeStart, Cursor, Event, Position, consume_request::Request,
        consume_start::From, sensor_service_client::SensorServiceClient,
    },
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::{deadline, subscribe};

/// A consumer, connected.
pub struct Consumer {
    runtime: Runtime,
    stream: Streaming<ConsumeResponse>,
    asks: mpsc::Sender<ConsumeRequest>,
    /// Every event so far, in the order of arrival.
    pub seen: Vec<Event>,
    /// How far each lane was received.
    received: BTreeMap<i32, Position>,
}

impl Consumer {
    /// Behind what was acknowledged under this name, or from the earliest on.
    ///
    /// # Panics
    /// When the sensor does not take it.
    #[must_use]
    pub fn open(socket: &Path, name: &str) -> Self {
        Self::start(socket, ConsumeStart { consumer: name.to_owned(), ..ConsumeStart::default() })
    }

    /// From here on.
    ///
    /// # Panics
    /// When the sensor does not take it.
    #[must_use]
    pub fn from(socket: &Path, name: &str, from: From) -> Self {
        let consumer = name.to_owned();
        Self::start(socket, ConsumeStart { consumer, from: Some(from), ..ConsumeStart::default() })
    }

    /// As it is said.
    ///
    /// # Panics
    /// When the sensor does not take it.
    #[must_use]
    pub fn start(socket: &Path, start: ConsumeStart) -> Self {
        Self::try_to_start(socket, start).expect("the sensor takes the consumer")
    }

    /// As it is said; or why not.
    ///
    /// # Errors
    /// As the sensor says.
    pub fn try_to_start(socket: &Path, start: ConsumeStart) -> Result<Self, Status> {
        // With a thread of its own, so that acknowledgements go out while a test does
        // something else.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let (asks, requests) = mpsc::channel(64);
        let stream = runtime.block_on(async {
            let mut client = SensorServiceClient::new(subscribe::channel(socket).await)
                .max_decoding_message_size(MAX_MESSAGE_BYTES);
            let request = ConsumeRequest { request: Some(Request::Start(start)) };
            asks.send(request).await.expect("there is room");
            client.consume(ReceiverStream::new(requests)).await
        })?;
        let (stream, seen, received) = (stream.into_inner(), Vec::new(), BTreeMap::new());
        Ok(Self { runtime, stream, asks, seen, received })
    }

    /// The next batch; `None` when none comes for so long.
    ///
    /// # Errors
    /// As the sensor says, when the stream ends.
    pub fn next(&mut self, patience: Duration) -> Result<Option<ConsumeResponse>, Status> {
        let stream = &mut self.stream;
        let next = self.runtime.block_on(async { tokio::time::timeout(patience, stream.message()).await });
        let Ok(next) = next else { return Ok(None) };
        let batch = next?.ok_or_else(|| Status::unavailable("the stream has ended"))?;
        let position = batch.position.expect("every batch says where it ends");
        self.received.insert(position.lane, position);
        self.seen.extend(batch.events.iter().cloned());
        Ok(Some(batch))
    }

    /// Reads on until `enough` says so of what was seen.
    ///
    /// # Panics
    /// When that does not come in time.
    pub fn read_until(&mut self, what: &str, mut enough: impl FnMut(&[Event]) -> bool) {
        let begun = std::time::Instant::now();
        while !enough(&self.seen) {
            let patience = deadline().saturating_sub(begun.elapsed());
            let next = self.next(patience).unwrap_or_else(|status| panic!("{what}: {status}"));
            assert!(next.is_some(), "in vain for {:?}: {what}", deadline());
        }
    }

    /// Says that all it has received is durable.
    ///
    /// # Panics
    /// When the sensor does not listen.
    pub fn acknowledge(&self) {
        let cursor = self.cursor();
        let request = ConsumeRequest { request: Some(Request::Acknowledge(cursor)) };
        self.runtime.block_on(self.asks.send(request)).expect("the sensor listens");
    }

    /// How far it has received.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { positions: self.received.values().copied().collect() }
    }
}
