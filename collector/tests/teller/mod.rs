//! A sensor that tells what a test says, live and without a spool.

use std::{path::Path, pin::Pin};

use activity_proto::{
    EncodedBatch, EncodedEvents,
    server::sensor_service_server::{SensorService, SensorServiceServer},
    v1::{
        ConsumeRequest, Event, GetStatusRequest, GetStatusResponse, ListSessionsRequest,
        ListSessionsResponse, SubscribeRequest,
    },
};
use futures::{Stream, StreamExt as _};
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// Some events, as they are sent together.
pub fn batch(events: impl IntoIterator<Item = Event>) -> EncodedEvents {
    let mut body = Vec::new();
    events.into_iter().for_each(|event| EncodedEvents::append(&mut body, &[], &event));
    EncodedEvents::from_bytes(body.into())
}

/// Serves it at a socket; `tell` says what each subscriber gets. Needs the runtime of tokio.
pub fn serve<Tell, Batches>(socket: &Path, tell: Tell)
where
    Tell: Fn() -> Batches + Send + Sync + 'static,
    Batches: Stream<Item = EncodedEvents> + Send + 'static,
{
    let incoming = UnixListenerStream::new(UnixListener::bind(socket).unwrap());
    let service = SensorServiceServer::new(Teller(tell));
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
}

struct Teller<Tell>(Tell);

#[tonic::async_trait]
impl<Tell, Batches> SensorService for Teller<Tell>
where
    Tell: Fn() -> Batches + Send + Sync + 'static,
    Batches: Stream<Item = EncodedEvents> + Send + 'static,
{
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<EncodedEvents, Status>> + Send>>;

    async fn subscribe(
        &self,
        _: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Ok(Response::new((self.0)().map(Ok).boxed()))
    }

    type ConsumeStream = Pin<Box<dyn Stream<Item = Result<EncodedBatch, Status>> + Send>>;

    async fn consume(
        &self,
        _: Request<Streaming<ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    /// Without a spool: what nobody is there for is lost.
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        Ok(Response::new(GetStatusResponse::default()))
    }

    async fn list_sessions(
        &self,
        _: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
}
