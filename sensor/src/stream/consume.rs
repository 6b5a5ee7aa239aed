//! `Consume`: the spool, from a place on, to a consumer that acknowledges.

use std::{pin::Pin, sync::Arc};

use activity_proto::{
    EncodedBatch,
    v1::{ConsumeRequest, ConsumeStart, Cursor, Lane, consume_request::Request as Ask, consume_start::From},
};
use futures::{Stream, StreamExt as _, stream};
use tokio::sync::watch;
use tonic::{Status, Streaming};

use crate::spool::{Chunk, LANES, NotAConsumer, PerLane, Place, Reader, Spool};

/// Bytes that may be sent and not acknowledged, where nothing is said.
const WINDOW: u64 = 4 << 20;

/// What a consumer is sent.
pub type Batches = Pin<Box<dyn Stream<Item = Result<EncodedBatch, Status>> + Send>>;

/// A consumer's connection.
struct Connection {
    spool: Arc<Spool>,
    name: String,
    number: u64,
    asks: Streaming<ConsumeRequest>,
    /// `None` only while it reads.
    readers: PerLane<Option<Reader>>,
    grown: watch::Receiver<()>,
    window: u64,
    sent: PerLane<Sent>,
    /// The lane that is looked at first: each in turn, so that none waits for the other.
    next: usize,
}

/// What was sent of a lane and is not acknowledged: where each batch ends, and its
/// bytes.
#[derive(Default)]
struct Sent {
    batches: std::collections::VecDeque<(Place, u64)>,
    bytes: u64,
}

/// Answers a consumer, whose certificate has the name of `owner`.
///
/// # Errors
/// When it does not say what it wants, or cannot get it.
pub async fn consume(
    spool: Arc<Spool>,
    owner: Option<&str>,
    peer: String,
    mut asks: Streaming<ConsumeRequest>,
) -> Result<Batches, Status> {
    let first = asks.message().await?.and_then(|ask| ask.request);
    let Some(Ask::Start(start)) = first else {
        return Err(Status::invalid_argument(
            "the first message has to be `start`, with the consumer's name",
        ));
    };
    let grown = spool.grown();
    let name = NotAConsumer::or_name(owner, &start.consumer).map_err(refused)?;
    let (number, acknowledged) = spool.come(&name, peer).map_err(refused)?;
    let places = beginning(&spool, &start, acknowledged).await?;
    let readers = PerLane::with(|lane| Some(Reader::new(Arc::clone(&spool), lane, *places.of(lane))));
    let window = start.window_bytes.unwrap_or(WINDOW).max(1);
    tracing::info!(consumer = name, "a consumer reads the spool");
    let sent = PerLane::default();
    let connection = Connection { spool, name, number, asks, readers, grown, window, sent, next: 0 };
    Ok(Box::pin(stream::unfold(Some(connection), |connection| async {
        let mut connection = connection?;
        match connection.next().await {
            Ok(Some(batch)) => Some((Ok(batch), Some(connection))),
            Ok(None) => None,
            Err(status) => Some((Err(status), None)),
        }
    })))
}

fn refused(error: NotAConsumer) -> Status {
    match error {
        NotAConsumer::Name => Status::invalid_argument(error.to_string()),
        NotAConsumer::Full => Status::resource_exhausted(error.to_string()),
    }
}

async fn beginning(
    spool: &Arc<Spool>,
    start: &ConsumeStart,
    acknowledged: PerLane<Place>,
) -> Result<PerLane<Place>, Status> {
    Ok(match &start.from {
        None => acknowledged,
        Some(From::Earliest(_)) => spool.beginning(),
        Some(From::Latest(_)) => spool.end(),
        Some(From::Cursor(cursor)) => places(cursor, spool.beginning()),
        Some(From::Time(time)) => {
            let time_ns = time.seconds.saturating_mul(1_000_000_000).saturating_add(time.nanos.into());
            let spool = Arc::clone(spool);
            blocking(move || spool.at(time_ns)).await?
        }
    })
}

/// The places of a cursor; of the lanes that are not in it those given.
fn places(cursor: &Cursor, mut places: PerLane<Place>) -> PerLane<Place> {
    for position in &cursor.positions {
        if position.lane() != Lane::Unspecified {
            let place = Place { epoch: position.epoch, sequence: position.sequence };
            *places.of_mut(position.lane()) = place;
        }
    }
    places
}

impl Connection {
    /// Waits for the next batch that may be sent.
    async fn next(&mut self) -> Result<Option<EncodedBatch>, Status> {
        loop {
            self.grown.mark_unchanged();
            if self.unacknowledged() < self.window
                && let Some(batch) = self.read().await?
            {
                return Ok(Some(batch));
            }
            let has_room = self.unacknowledged() < self.window;
            tokio::select! {
                ask = self.asks.next() => match ask {
                    Some(ask) => self.heard(ask?)?,
                    None => return Ok(None),
                },
                grown = self.grown.changed(), if has_room => if grown.is_err() {
                    return Ok(None);
                },
            }
        }
    }

    /// The next batch of either lane.
    async fn read(&mut self) -> Result<Option<EncodedBatch>, Status> {
        for step in 0..LANES.len() {
            let lane = *LANES.iter().cycle().nth(self.next + step).unwrap_or(&Lane::Process);
            let Some(mut reader) = self.readers.of_mut(lane).take() else { continue };
            let (reader, chunk) = blocking(move || reader.next().map(|chunk| (reader, chunk))).await?;
            *self.readers.of_mut(lane) = Some(reader);
            let Some(chunk) = chunk else { continue };
            self.next = (self.next + step + 1) % LANES.len();
            if !self.spool.sent(&self.name, self.number, &chunk) {
                return Err(Status::aborted("another connection goes on under this consumer's name"));
            }
            return Ok(Some(self.send(lane, chunk)));
        }
        Ok(None)
    }

    fn send(&mut self, lane: Lane, chunk: Chunk) -> EncodedBatch {
        let bytes = chunk.events.len() as u64;
        let sent = self.sent.of_mut(lane);
        sent.batches.push_back((chunk.place, bytes));
        sent.bytes += bytes;
        EncodedBatch { events: chunk.events, position: chunk.place.position(lane) }
    }

    fn unacknowledged(&self) -> u64 {
        LANES.iter().map(|lane| self.sent.of(*lane).bytes).sum()
    }

    fn heard(&mut self, ask: ConsumeRequest) -> Result<(), Status> {
        let Some(Ask::Acknowledge(cursor)) = ask.request else {
            return Err(Status::invalid_argument("after `start` there is only `acknowledge`"));
        };
        for position in &cursor.positions {
            let place = Place { epoch: position.epoch, sequence: position.sequence };
            let lane = position.lane();
            if lane == Lane::Unspecified || !self.sent.of_mut(lane).acknowledge(place) {
                return Err(Status::invalid_argument("what was not sent cannot be acknowledged"));
            }
            self.spool.acknowledge(&self.name, self.number, lane, place);
        }
        Ok(())
    }
}

impl Sent {
    /// Whether there was anything sent behind which this could be.
    fn acknowledge(&mut self, place: Place) -> bool {
        let is_ahead = self.batches.back().is_some_and(|(last, _)| place > *last);
        while let Some((_, bytes)) = self.batches.pop_front_if(|(end, _)| *end <= place) {
            self.bytes -= bytes;
        }
        !is_ahead
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.spool.go(&self.name, self.number);
    }
}

/// Reads the disk beside what else is served.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => Err(Status::data_loss(format!("the spool cannot be read ({error})"))),
        Err(_) => Err(Status::internal("reading the spool ended early; please report this")),
    }
}
