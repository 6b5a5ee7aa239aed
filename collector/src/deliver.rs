//! `CollectorService`: sensors that dial out bring their streams.

use std::pin::Pin;

use activity_peers::Peer;
use activity_proto::{
    RawDelivered, RawDelivery,
    server::collector_service_server::CollectorService,
    v1::{ConsumeRequest, DeliverHello},
};
use futures::{Stream, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    consume::{ACKNOWLEDGEMENTS, Own, WayBack},
    inlet::Inlet,
    receive::{End, connection, receive},
    silence::PUSHED,
};

/// Longest id of a sensor: a UUID, with room.
const ID_MAX: usize = 64;

/// Takes what sensors of one tenant bring.
pub struct Deliveries {
    pub own: Own,
    pub inlet: Inlet,
    /// Becomes true when the collector ends.
    pub stopped: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl CollectorService for Deliveries {
    type DeliverStream = Pin<Box<dyn Stream<Item = Result<ConsumeRequest, Status>> + Send>>;

    async fn deliver(
        &self,
        request: Request<Streaming<RawDelivery>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.identity.clone());
        let mut deliveries = request.into_inner();
        let Some(Some(RawDelivered::Hello(hello))) = deliveries.message().await?.map(|first| first.request)
        else {
            return Err(Status::invalid_argument(
                "the first message has to be `hello`, with the sensor's id",
            ));
        };
        let DeliverHello { sensor_id, .. } = hello;
        if !(1..=ID_MAX).contains(&sensor_id.len()) || !sensor_id.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(Status::invalid_argument("a sensor's id is 1 to 64 printable characters of ASCII"));
        }
        let name = peer.as_ref().map(|peer| peer.name.to_string());
        let claimed = self.own.owners.claim(&sensor_id, name.as_deref());
        claimed.map_err(|error| Status::permission_denied(error.to_string()))?;
        let place = format!("{PUSHED}{}", name.as_deref().unwrap_or(&sensor_id));
        let batches = self.inlet.open().await.ok_or_else(|| Status::unavailable("the collector ends"))?;
        let (acknowledgements, asks) = mpsc::channel(ACKNOWLEDGEMENTS);
        // There is room: nobody else has the sender yet.
        let _ = acknowledgements.try_send(self.own.start(&sensor_id));
        let way_back = WayBack { sensor_id, acknowledgements };
        let links = self.own.links.clone();
        let who = peer.map_or_else(|| place.clone(), |peer| peer.to_string());
        tracing::info!("{who} delivers");
        let mut stopped = self.stopped.clone();
        tokio::spawn(async move {
            let connection = connection();
            let _link = links.open(place, connection);
            let events = deliveries.map(|message| match message?.request {
                Some(RawDelivered::Batch(batch)) => Ok(batch),
                _ => Err(Status::invalid_argument("after `hello` there are only batches")),
            });
            let end = tokio::select! {
                end = receive(connection, events, Some(&way_back), &batches) => end,
                _ = stopped.wait_for(|stop| *stop) => End::Stopped,
            };
            tracing::info!("{who} does not deliver any more: {end}");
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(asks).map(Ok))))
    }
}
