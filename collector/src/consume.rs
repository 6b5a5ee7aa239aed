//! `Consume`: a sensor's stream from its disk, acknowledged once it is durable here.

use std::sync::Arc;

use activity_proto::{
    RawEvents,
    v1::{
        ConsumeRequest, ConsumeStart, Cursor, GetStatusRequest, Position, consume_request::Request as Ask,
        consume_start::From, sensor_service_client::SensorServiceClient,
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming, client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel};
use tonic_prost::ProstCodec;

use crate::{acknowledge::Durable, owners::Owners, silence::Links};

const CONSUME: &str = "/activity.sensor.v1.SensorService/Consume";
/// What may be received and not durable yet, bytes: a moment's worth of a flood.
const WINDOW: u64 = 16 << 20;
/// Acknowledgements under way.
pub const ACKNOWLEDGEMENTS: usize = 64;

/// Who consumes.
#[derive(Clone)]
pub struct Own {
    /// The name under which sensors remember this collector.
    pub name: String,
    /// What it has.
    pub durable: Durable,
    /// To whom it is connected.
    pub links: Links,
    /// Whose the sensors are.
    pub owners: Arc<Owners>,
}

impl Own {
    /// Asks a sensor for what comes behind what is durable here, or where the sensor says
    /// that is.
    pub fn start(&self, sensor_id: &str) -> ConsumeRequest {
        let positions = self.durable.of(sensor_id);
        let from = (!positions.is_empty()).then_some(From::Cursor(Cursor { positions }));
        let start = ConsumeStart { consumer: self.name.clone(), from, window_bytes: Some(WINDOW) };
        ConsumeRequest { request: Some(Ask::Start(start)) }
    }
}

/// How a sensor hears what is durable here.
#[derive(Debug)]
pub struct WayBack {
    pub sensor_id: String,
    pub acknowledgements: mpsc::Sender<ConsumeRequest>,
}

/// Consumes from a sensor whose certificate has the name of `owner`; `None` where it keeps
/// nothing.
///
/// # Errors
/// As the sensor says, and when it is another than its certificate says.
pub async fn consume(
    channel: &Channel,
    client: &mut Grpc<Channel>,
    own: &Own,
    owner: Option<&str>,
) -> Result<Option<(Streaming<RawEvents>, WayBack)>, Status> {
    let mut sensor = SensorServiceClient::new(channel.clone());
    let status = sensor.get_status(GetStatusRequest {}).await?.into_inner();
    if let Some(owner) = owner {
        let claimed = own.owners.claim(&status.sensor_id, Some(owner));
        claimed.map_err(|error| Status::permission_denied(error.to_string()))?;
    }
    if status.spool.is_none() {
        return Ok(None);
    }
    let (acknowledgements, asks) = mpsc::channel(ACKNOWLEDGEMENTS);
    // There is room: nobody else has the sender yet.
    let _ = acknowledgements.try_send(own.start(&status.sensor_id));
    let path = PathAndQuery::from_static(CONSUME);
    let codec = ProstCodec::<ConsumeRequest, RawEvents>::default();
    let stream = client.streaming(Request::new(ReceiverStream::new(asks)), path, codec).await?;
    let way_back = WayBack { sensor_id: status.sensor_id, acknowledgements };
    Ok(Some((stream.into_inner(), way_back)))
}

/// The message that acknowledges.
pub fn acknowledgement(positions: Vec<Position>) -> ConsumeRequest {
    ConsumeRequest { request: Some(Ask::Acknowledge(Cursor { positions })) }
}
