//! A sensor whose numbers rise whether or not somebody listens.

use std::{
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use activity_proto::{
    EncodedBatch, EncodedEvents,
    server::sensor_service_server::{SensorService, SensorServiceServer},
    v1::{
        ConsumeRequest, Event, EventId, Exec, GetStatusRequest, GetStatusResponse, Lane, ListSessionsRequest,
        ListSessionsResponse, Process, SubscribeRequest, event::Payload,
    },
};
use futures::{Stream, StreamExt as _, stream};
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status, Streaming, transport::Server};

const BATCH: u64 = 20;
const PACE: Duration = Duration::from_millis(10);

/// Tells program starts until it is stopped; then one last one, once.
#[derive(Clone)]
pub struct Sensor {
    socket: PathBuf,
    next: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
}

impl Sensor {
    /// On a socket in a directory. Needs the runtime of tokio.
    pub fn start(directory: &Path) -> Self {
        let socket = directory.join("sensor.sock");
        let incoming = UnixListenerStream::new(UnixListener::bind(&socket).unwrap());
        let sensor = Self { socket, next: Arc::new(1.into()), stopped: Arc::default() };
        let service = SensorServiceServer::new(sensor.clone());
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        sensor
    }

    /// Where it is reached.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// How many it has told.
    pub fn told(&self) -> u64 {
        self.next.load(Ordering::Relaxed) - 1
    }

    /// Tells no more.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// The identity of the last one as all formats have it, in quotes or not.
    pub fn last(&self) -> String {
        format!("s/b/1/process/{}", self.told())
    }

    fn batch(&self) -> EncodedEvents {
        let mut body = Vec::new();
        if !self.stopped.load(Ordering::Relaxed) {
            let first = self.next.fetch_add(BATCH, Ordering::Relaxed);
            (first..first + BATCH)
                .for_each(|sequence| EncodedEvents::append(&mut body, &[], &event(sequence)));
        }
        EncodedEvents::from_bytes(body.into())
    }
}

fn event(sequence: u64) -> Event {
    let lane = Lane::Process.into();
    let id = EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch: 1, lane, sequence };
    let argv = vec!["prog".into(), "with = | \\ signs\n".into(), "x".repeat(300).into()];
    Event {
        id: Some(id),
        host: "web-1".into(),
        time: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 7 }),
        process: Some(Process { pid: 4242, argv, ..Process::default() }),
        payload: Some(Payload::Exec(Exec { filename: "/usr/bin/prog".into(), ..Exec::default() })),
        ..Event::default()
    }
}

#[tonic::async_trait]
impl SensorService for Sensor {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<EncodedEvents, Status>> + Send>>;

    async fn subscribe(
        &self,
        _: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        // Numbers that nobody was there for.
        self.batch();
        let sensor = self.clone();
        let paced = stream::unfold(tokio::time::interval(PACE), move |mut interval| {
            let sensor = sensor.clone();
            async move {
                interval.tick().await;
                Some((Ok(sensor.batch()), interval))
            }
        });
        Ok(Response::new(paced.boxed()))
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
