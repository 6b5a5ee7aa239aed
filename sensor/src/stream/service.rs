//! `activity.sensor.v1.SensorService`, health and reflection.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, PoisonError},
};

use activity_peers::{Gate, Guarded, Peer};
use activity_proto::{
    EncodedEvents, FILE_DESCRIPTOR_SET,
    server::sensor_service_server::{SensorService, SensorServiceServer},
    v1::{
        ConsumeRequest, GetStatusRequest, GetStatusResponse, ListSessionsRequest, ListSessionsResponse,
        SubscribeRequest,
    },
};
use anyhow::Context as _;
use futures::{Stream, stream};
use tonic::{
    Request, Response, Status, Streaming,
    transport::server::{TcpConnectInfo, TcpIncoming, UdsConnectInfo},
};

use super::{
    Hub, Listeners, Subscription, TcpDoor,
    consume::{Batches, consume},
    filter::Wanted,
    tls,
};
use crate::status::SensorStatus;

/// Requests are small.
const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// So there is little that a call, or a connection, has to send before it is read.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Serves until `shutdown`; streams end when the hub is closed.
///
/// # Errors
/// When a listener fails.
pub async fn serve(
    listeners: Listeners,
    hub: Arc<Hub>,
    status: Arc<SensorStatus>,
    shutdown: impl Future<Output = ()> + Clone,
) -> anyhow::Result<()> {
    let Listeners { unix, tcp } = listeners;
    let unix =
        router(&hub, &status).await?.serve_with_incoming_shutdown(unix.connections(), shutdown.clone());
    let tcp = async {
        match tcp {
            Some(TcpDoor::Tls(door)) => {
                let _ = status.refusals.set(door.refusals());
                let incoming = door.connections();
                router(&hub, &status).await?.serve_with_incoming_shutdown(incoming, shutdown).await?;
                Ok(())
            }
            Some(TcpDoor::Plain(listener)) => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                router(&hub, &status).await?.serve_with_incoming_shutdown(incoming, shutdown).await?;
                Ok(())
            }
            None => anyhow::Ok(()),
        }
    };
    let unix = async { unix.await.context("the socket failed") };
    futures::future::try_join(unix, tcp).await.map(|_| ())
}

async fn router(hub: &Arc<Hub>, status: &Arc<SensorStatus>) -> anyhow::Result<Guarded> {
    guarded(Service { hub: Arc::clone(hub), status: Arc::clone(status) }).await
}

/// The service with its limits, behind what judges calls by role.
pub(super) async fn guarded<S: SensorService>(service: S) -> anyhow::Result<Guarded> {
    let service = SensorServiceServer::new(service).max_decoding_message_size(MAX_REQUEST_BYTES);
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<SensorServiceServer<S>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(activity_peers::server()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .layer(Gate::new(tls::right_of))
        .add_service(service)
        .add_service(health.max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(reflection().build_v1()?.max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(reflection().build_v1alpha()?.max_decoding_message_size(MAX_REQUEST_BYTES)))
}

struct Service {
    hub: Arc<Hub>,
    status: Arc<SensorStatus>,
}

#[tonic::async_trait]
impl SensorService for Service {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<EncodedEvents, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let peer = peer(&request);
        let wanted = Wanted::new(request.into_inner().filter).map_err(Status::invalid_argument)?;
        let subscription = self.hub.subscribe(peer, wanted).map_err(|_| {
            Status::resource_exhausted(
                "the sensor has as many subscribers as it may; raise stream.max_subscribers or end one",
            )
        })?;
        Ok(Response::new(Box::pin(stream::unfold(subscription, next))))
    }

    type ConsumeStream = Batches;

    async fn consume(
        &self,
        request: Request<Streaming<ConsumeRequest>>,
    ) -> Result<Response<Batches>, Status> {
        let Some(spool) = &self.status.spool else {
            return Err(Status::failed_precondition(
                "this sensor keeps no spool; set `spool.enabled = true`, or subscribe to what comes from now on",
            ));
        };
        let owner = request.extensions().get::<Peer>().map(|peer| peer.identity.name.to_string());
        consume(Arc::clone(spool), owner.as_deref(), peer(&request), request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_status(
        &self,
        _request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let status = &self.status;
        Ok(Response::new(GetStatusResponse {
            sensor_id: status.state.sensor_id.clone(),
            host: status.host.clone(),
            boot_id: status.state.boot_id.clone(),
            epoch: status.state.epoch,
            started: Some(status.started),
            status: Some(status.status()),
            lanes: status.lanes(),
            subscribers: self.hub.subscribers(),
            pipeline: Some(status.pipeline()),
            spool: status.spool.as_ref().map(|spool| spool.status()),
            peers: status.peers(),
        }))
    }

    async fn list_sessions(
        &self,
        _request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let sessions = self.status.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Response::new(ListSessionsResponse { sessions }))
    }
}

async fn next(mut subscription: Subscription) -> Option<(Result<EncodedEvents, Status>, Subscription)> {
    subscription.next().await.map(|body| (Ok(body), subscription))
}

/// Who is at the other end, as far as the transport knows.
fn peer<T>(request: &Request<T>) -> String {
    let extensions = request.extensions();
    if let Some(credentials) = extensions.get::<UdsConnectInfo>().and_then(|info| info.peer_cred) {
        return match credentials.pid() {
            Some(pid) => format!("pid {pid} uid {}", credentials.uid()),
            None => format!("uid {}", credentials.uid()),
        };
    }
    if let Some(peer) = extensions.get::<Peer>() {
        return format!("{} {}", peer.identity, peer.address);
    }
    let address = extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
    address.as_ref().map_or_else(String::new, SocketAddr::to_string)
}
