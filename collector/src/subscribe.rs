//! The subscription to one sensor.

use std::time::{Duration, Instant};

use activity_peers::{Address, Backoff, Credentials, Role, connect, reason, status_reason};
use activity_proto::{MAX_MESSAGE_BYTES, RawEvents, v1::SubscribeRequest};
use tokio::sync::mpsc;
use tonic::{Request, Status, Streaming, client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel};
use tonic_prost::ProstCodec;

use crate::{
    consume::{Own, WayBack, consume},
    ingest::Batch,
    receive::{self, End},
};

const SUBSCRIBE: &str = "/activity.sensor.v1.SensorService/Subscribe";
/// A connection that lasted so long was a good one: waits begin anew.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// What was said last of a sensor; each change is said once.
#[derive(Debug, PartialEq, Eq)]
enum State {
    New,
    Receiving,
    Away(String),
}

/// Receives from a sensor for as long as there is one who takes the events.
pub async fn follow(
    address: Address,
    credentials: Option<Credentials>,
    batches: mpsc::Sender<Batch>,
    own: Own,
) {
    let mut backoff = Backoff::default();
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
                backoff = Backoff::default();
            }
        } else if state != State::Away(reason.clone()) {
            tracing::warn!("cannot reach the sensor at {address}: {reason}; trying again until it answers");
        }
        state = State::Away(reason);
        tokio::time::sleep(backoff.wait()).await;
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
    let (channel, peer) = match connect(address, credentials, Role::Sensor).await {
        Ok(reached) => reached,
        Err(error) => return End::Lost(reason(&error)),
    };
    let owner = peer.as_ref().map(|peer| peer.identity.name.as_str());
    let (stream, way_back) = match begin(channel, own, owner).await {
        Ok(begun) => begun,
        Err(reason) => return End::Lost(reason),
    };
    match peer {
        Some(peer) => tracing::info!("receiving from the sensor at {address}, which is {}", peer.identity),
        None => tracing::info!("receiving from the sensor at {address}"),
    }
    *state = State::Receiving;
    let connection = receive::connection();
    let _link = own.links.open(address.to_string(), connection);
    receive::receive(connection, stream, way_back.as_ref(), batches).await
}

/// The stream: from the sensor's disk where it keeps one, with the way back, or else
/// what comes from now on.
async fn begin(
    channel: Channel,
    own: &Own,
    owner: Option<&str>,
) -> Result<(Streaming<RawEvents>, Option<WayBack>), String> {
    let mut client = Grpc::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
    client.ready().await.map_err(|error| reason(&error))?;
    let refused = |status: Status| status_reason(&status);
    if let Some((stream, way_back)) = consume(&channel, &mut client, own, owner).await.map_err(refused)? {
        return Ok((stream, Some(way_back)));
    }
    client.ready().await.map_err(|error| reason(&error))?;
    let path = PathAndQuery::from_static(SUBSCRIBE);
    let codec = ProstCodec::<SubscribeRequest, RawEvents>::default();
    let request = Request::new(SubscribeRequest::default());
    let stream = client.server_streaming(request, path, codec).await.map_err(refused)?;
    Ok((stream.into_inner(), None))
}
