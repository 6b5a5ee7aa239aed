//! The whole way from a sensor's socket to an answer, with a real gRPC server
//! in place of a sensor.

mod ask;
mod push;
mod tls;

use std::{
    collections::VecDeque,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use activity_proto::{
    EncodedBatch, EncodedEvents,
    server::sensor_service_server::{SensorService, SensorServiceServer},
    v1::{
        ConsumeRequest, Event, EventId, GetStatusRequest, GetStatusResponse, Lane, ListSessionsRequest,
        ListSessionsResponse, SubscribeRequest,
    },
};
use datafusion::{arrow::util::display::array_value_to_string, prelude::SessionContext};
use futures::{Stream, StreamExt as _, stream};
use tokio::{net::UnixListener, sync::oneshot, time::Instant};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status, Streaming, transport::Server};

use activity_peers::Address;

use super::*;
use crate::store::{EventsTable, Layout, Retention, RollSettings, Snapshot};

/// What a sensor sends on each connection, one after the other; it ends each
/// stream but the last.
struct Script(Mutex<VecDeque<Vec<u64>>>);

#[tonic::async_trait]
impl SensorService for Script {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<EncodedEvents, Status>> + Send>>;

    async fn subscribe(
        &self,
        _: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let mut script = self.0.lock().unwrap();
        let sequences = script.pop_front().ok_or_else(|| Status::unavailable("over"))?;
        let mut body = Vec::new();
        sequences.into_iter().for_each(|sequence| EncodedEvents::append(&mut body, &[], &event(sequence)));
        let sent = stream::iter([Ok(EncodedEvents::from_bytes(body.into()))]);
        Ok(Response::new(if script.is_empty() {
            sent.chain(stream::pending()).boxed()
        } else {
            sent.boxed()
        }))
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

fn event(sequence: u64) -> Event {
    let lane = Lane::File.into();
    let id = EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch: 1, lane, sequence };
    Event { id: Some(id), ..Event::default() }
}

fn script(script: &[&[u64]]) -> SensorServiceServer<Script> {
    let sequences = script.iter().map(|sequences| sequences.to_vec());
    SensorServiceServer::new(Script(Mutex::new(sequences.collect())))
}

fn serve(socket: &Path, sequences: &[&[u64]]) {
    let incoming = UnixListenerStream::new(UnixListener::bind(socket).unwrap());
    let server = Server::builder().add_service(script(sequences));
    tokio::spawn(server.serve_with_incoming(incoming));
}

fn tenant(directory: &Path) -> Tenant {
    Tenant {
        name: None,
        listen: None,
        sensors: vec![Address::Unix(directory.join("sensor.sock").to_str().unwrap().into())],
        store: Layout::new(directory.join("store").to_str().unwrap()).unwrap(),
        archive: None,
        roll: RollSettings { bytes: 1 << 20, age: Duration::from_secs(60) },
        retention: Retention::default(),
        rules: crate::state::Rules::default(),
        answers: None,
        limits: crate::query::Limits::default(),
        tls: None,
        exports: Vec::new(),
    }
}

/// What is stored: numbers, and gaps with their reason and span.
async fn stored(store: &Layout) -> Vec<String> {
    let Ok(snapshot) = Snapshot::take(store) else { return Vec::new() };
    let context = SessionContext::new();
    context.register_table("events", Arc::new(EventsTable::new(snapshot))).unwrap();
    let statement = "SELECT coalesce(arrow_cast(sequence, 'Utf8'),
            coalesce(gap_reason, 'unexplained') || ' ' || arrow_cast(gap_from, 'Utf8') || '-' || arrow_cast(gap_to, 'Utf8'))
        FROM events ORDER BY coalesce(sequence, gap_from)";
    let batches = context.sql(statement).await.unwrap().collect().await.unwrap();
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
    rows.map(|(batch, row)| array_value_to_string(batch.column(0), row).unwrap()).collect()
}

async fn wait_until_stored(store: &Layout, expected: &[&str]) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let stored = stored(store).await;
        if stored == expected {
            return;
        }
        assert!(Instant::now() < deadline, "stored {stored:?}, expected {expected:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Runs a collector until `expected` is stored.
async fn run_until_stored(tenant: &Tenant, expected: &[&str]) {
    let (stop, stopped) = oneshot::channel::<()>();
    let waiting = async {
        wait_until_stored(&tenant.store, expected).await;
        stop.send(()).unwrap();
        Instant::now()
    };
    let config = Config { tenants: vec![tenant.clone()] };
    let running = run_until(&config, async { stopped.await.unwrap() });
    let (asked, ended) = tokio::join!(waiting, running);
    ended.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(1), "the end took {:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_comes_back_and_tells_what_it_missed() {
    let directory = tempfile::tempdir().unwrap();
    serve(&directory.path().join("sensor.sock"), &[&[1, 2], &[2, 3, 7], &[8]]);
    let tenant = tenant(directory.path());
    // 4 to 6 are missing within a connection, which nothing explains.
    run_until_stored(&tenant, &["1", "2", "3", "unexplained 4-6", "7", "8"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_no_collector_ran_is_a_gap() {
    let directory = tempfile::tempdir().unwrap();
    serve(&directory.path().join("sensor.sock"), &[&[5, 6], &[9], &[9, 10]]);
    let tenant = tenant(directory.path());
    let expected = ["5", "6", "not_connected 7-8", "9", "10"];
    run_until_stored(&tenant, &expected).await;
    // Another collector over the same store knows where the last one was.
    std::fs::remove_file(directory.path().join("sensor.sock")).unwrap();
    serve(&directory.path().join("sensor.sock"), &[&[10, 12]]);
    let later = ["5", "6", "not_connected 7-8", "9", "10", "not_connected 11-11", "12"];
    run_until_stored(&tenant, &later).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_that_is_not_there_yet_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let tenant = tenant(directory.path());
    let socket = directory.path().join("sensor.sock");
    let store = tenant.store.clone();
    let late = async {
        // The store is there once the collector runs.
        while Snapshot::take(&store).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        serve(&socket, &[&[1]]);
    };
    tokio::join!(late, run_until_stored(&tenant, &["1"]));
}
