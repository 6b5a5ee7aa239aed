//! The subscription to one sensor.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use activity_peers::{Credentials, RETIRED};
use activity_proto::{
    MAX_MESSAGE_BYTES,
    json::escape_bytes,
    v1::{Position, SubscribeRequest},
};
use bytes::Bytes;
use tokio::sync::mpsc;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{self, Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use crate::{
    acknowledge::Receipt,
    address::Address,
    backoff::Backoff,
    consume::{Own, WayBack, consume},
    ingest::Batch,
    reach,
};

const SUBSCRIBE: &str = "/activity.sensor.v1.SensorService/Subscribe";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that does not answer a ping within the timeout is gone.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that lasted so long was a good one: waits begin anew.
const GOOD_AFTER: Duration = Duration::from_secs(10);
/// What may be under way between a sensor and here.
const WINDOW: u32 = 1 << 20;

/// Numbers the connections of this process.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// A `SubscribeResponse` or `ConsumeResponse` whose events stay encoded: what a newer sensor says
/// and this build does not know is stored all the same.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RawEvents {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub events: Vec<Bytes>,
    /// Of a `ConsumeResponse`.
    #[prost(message, optional, tag = "2")]
    pub position: Option<Position>,
}

/// What was said last of a sensor; each change is said once.
#[derive(Debug, PartialEq, Eq)]
enum State {
    New,
    Receiving,
    Away(String),
}

/// Why a subscription ended.
enum End {
    /// Nobody takes events any more.
    Stopped,
    /// The sensor is not reached, or the connection broke.
    Lost(String),
    /// The connection is as old as it may become; another may be made at once.
    Retired,
}

/// Receives from a sensor for as long as there is one who takes the events.
pub async fn follow(
    address: Address,
    credentials: Option<Credentials>,
    batches: mpsc::Sender<Batch>,
    own: Own,
) {
    let mut backoff = Backoff::new();
    let mut state = State::New;
    loop {
        let began = Instant::now();
        let reason = match receive(&address, credentials.as_ref(), &batches, &own, &mut state).await {
            End::Stopped => return,
            End::Retired if began.elapsed() >= GOOD_AFTER => continue,
            End::Retired => "it ends connections as soon as they are made".into(),
            End::Lost(reason) => reason,
        };
        if state == State::Receiving {
            tracing::warn!("lost the sensor at {address}: {reason}; trying again until it answers");
            if began.elapsed() >= GOOD_AFTER {
                backoff = Backoff::new();
            }
        } else if state != State::Away(reason.clone()) {
            tracing::warn!("cannot reach the sensor at {address}: {reason}; trying again until it answers");
        }
        state = State::Away(reason);
        tokio::time::sleep(backoff.next(random())).await;
    }
}

/// One connection, from its beginning to its end.
async fn receive(
    address: &Address,
    credentials: Option<&Credentials>,
    batches: &mpsc::Sender<Batch>,
    own: &Own,
    state: &mut State,
) -> End {
    let endpoint = match endpoint(address) {
        Ok(endpoint) => endpoint,
        Err(error) => return End::Lost(transport_reason(&error)),
    };
    let (channel, peer) = match reach::connect(&endpoint, address, credentials).await {
        Ok(reached) => reached,
        Err(error) => return End::Lost(transport_reason(&error)),
    };
    let (mut stream, way_back) = match begin(channel, own).await {
        Ok(begun) => begun,
        Err(reason) => return End::Lost(reason),
    };
    match peer {
        Some(peer) => tracing::info!("receiving from the sensor at {address}, which is {}", peer.identity),
        None => tracing::info!("receiving from the sensor at {address}"),
    }
    *state = State::Receiving;
    let connection = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let _link = own.links.open(address.to_string(), connection);
    loop {
        let message = tokio::select! {
            message = stream.message() => message,
            () = batches.closed() => return End::Stopped,
        };
        let RawEvents { events, position } = match message {
            Ok(Some(events)) => events,
            Ok(None) => return End::Lost("it ended the stream".into()),
            Err(status) if status.metadata().contains_key(RETIRED) => return End::Retired,
            Err(status) => return End::Lost(status_reason(&status)),
        };
        let receipt = position.zip(way_back.as_ref()).map(|(position, way_back)| Receipt {
            connection,
            sensor_id: way_back.sensor_id.clone(),
            position,
            way_back: way_back.acknowledgements.clone(),
        });
        if batches.send(Batch { connection, events, receipt }).await.is_err() {
            return End::Stopped;
        }
    }
}

/// The stream: from the sensor's disk where it keeps one, with the way back, or else
/// what comes from now on.
async fn begin(channel: Channel, own: &Own) -> Result<(Streaming<RawEvents>, Option<WayBack>), String> {
    let mut client = Grpc::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
    client.ready().await.map_err(|error| transport_reason(&error))?;
    let reason = |status: Status| status_reason(&status);
    if let Some((stream, way_back)) = consume(&channel, &mut client, own).await.map_err(reason)? {
        return Ok((stream, Some(way_back)));
    }
    client.ready().await.map_err(|error| transport_reason(&error))?;
    let path = PathAndQuery::from_static(SUBSCRIBE);
    let codec = ProstCodec::<SubscribeRequest, RawEvents>::default();
    let request = Request::new(SubscribeRequest::default());
    let stream = client.server_streaming(request, path, codec).await.map_err(reason)?;
    Ok((stream.into_inner(), None))
}

/// From 0 to 1; the longest wait where the system has no random numbers.
fn random() -> f64 {
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}

fn endpoint(address: &Address) -> Result<Endpoint, transport::Error> {
    Ok(Endpoint::from_shared(address.uri())?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW))
}

/// The innermost cause: the outer ones only say that something failed.
fn transport_reason(error: &transport::Error) -> String {
    if let Some(refusal) = activity_peers::explain(error) {
        return refusal;
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::PermissionDenied) => {
            "permission denied (the socket is for root and the group activity-sensor)".into()
        }
        Some(io::ErrorKind::NotFound) => "there is no such socket".into(),
        Some(io::ErrorKind::ConnectionRefused) => "nobody listens there".into(),
        _ => cause.to_string(),
    }
}

/// A peer may say anything in its status; none of it reaches a terminal raw.
fn status_reason(status: &Status) -> String {
    if let Some(refusal) = activity_peers::explain(status) {
        return refusal;
    }
    format!("{}: {}", status.code(), escape_bytes(status.message().as_bytes()))
}
