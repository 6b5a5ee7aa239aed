//! One stream of batches, however the connection came about.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use activity_peers::{RETIRED, status_reason};
use activity_proto::RawEvents;
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tonic::Status;

use crate::{acknowledge::Receipt, consume::WayBack, ingest::Batch};

/// Numbers the connections of this process.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// The number of a new connection.
pub fn connection() -> u64 {
    CONNECTIONS.fetch_add(1, Ordering::Relaxed)
}

/// Why a stream ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Nobody takes events any more.
    Stopped,
    /// The connection is as old as it may become; another may be made at once.
    Retired,
    /// The sensor is not reached, or the connection broke.
    Lost(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "the collector ends",
            Self::Retired => "the connection is as old as it may become",
            Self::Lost(reason) => reason,
        })
    }
}

/// Hands on what comes, to the stream's end.
pub async fn receive(
    connection: u64,
    mut stream: impl Stream<Item = Result<RawEvents, Status>> + Unpin,
    way_back: Option<&WayBack>,
    batches: &mpsc::Sender<Batch>,
) -> End {
    let sensor_id = way_back.map(|way_back| way_back.sensor_id.clone());
    loop {
        let message = tokio::select! {
            message = stream.next() => message,
            () = batches.closed() => return End::Stopped,
        };
        let RawEvents { events, position } = match message {
            Some(Ok(events)) => events,
            None => return End::Lost("it ended the stream".into()),
            Some(Err(status)) if status.metadata().contains_key(RETIRED) => return End::Retired,
            Some(Err(status)) => return End::Lost(status_reason(&status)),
        };
        let receipt = position.zip(way_back).map(|(position, way_back)| Receipt {
            connection,
            sensor_id: way_back.sensor_id.clone(),
            position,
            way_back: way_back.acknowledgements.clone(),
        });
        if batches.send(Batch { connection, sensor_id: sensor_id.clone(), events, receipt }).await.is_err() {
            return End::Stopped;
        }
    }
}
