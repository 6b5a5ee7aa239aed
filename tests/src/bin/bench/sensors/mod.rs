//! Sensors that are none: twenty hosts send a month of fifty people's acts as fast as the
//! collector takes them.
//!
//! `bench sensors EVENTS DIRECTORY` listens on `DIRECTORY/00.sock` and so on, and says
//! `{"ready":[SOCKET,…]}`. When the collector has acknowledged everything it says
//! `{"events":…,"seconds":…,"bytes":…,"batches":…}`: the seconds go from the first call to
//! the last acknowledgement, and bytes are those of the events as they were sent.
//!
//! The same number of events gives the same events, bit for bit.

mod acts;
mod host;
mod message;
mod people;
mod programs;
mod root;
mod service;

use std::{path::PathBuf, sync::Arc, time::Instant};

use activity_proto::server::sensor_service_server::SensorServiceServer;
use serde_json::json;
use tokio::{net::UnixListener, runtime, sync::mpsc};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

use self::{host::Host, service::Sensor};
use crate::{Result, talk::say};

/// How many there are.
pub const HOSTS: u32 = 20;
/// How many people use them.
pub const PEOPLE: u32 = 50;
/// How long they do.
pub const DAYS: u32 = 30;

/// What a sensor was told: all of it is durable.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    events: u64,
    bytes: u64,
    batches: u64,
}

/// `bench sensors EVENTS DIRECTORY`.
pub fn run(arguments: &[String]) -> Result {
    let [events, directory] = arguments else { return Err("usage: bench sensors EVENTS DIRECTORY".into()) };
    let (events, directory) = (events.parse::<u64>()?, PathBuf::from(directory));
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(events, directory))
}

async fn serve(events: u64, directory: PathBuf) -> Result {
    let (done, mut all_done) = mpsc::channel(64);
    let (begun, mut first) = mpsc::channel(1);
    let mut sockets = Vec::new();
    for number in 0..HOSTS {
        let share = events / u64::from(HOSTS) + u64::from(u64::from(number) < events % u64::from(HOSTS));
        let socket = directory.join(format!("{number:02}.sock"));
        let incoming = UnixListenerStream::new(UnixListener::bind(&socket)?);
        sockets.push(socket);
        let sensor = Sensor::new(Host::new(number, share), done.clone(), begun.clone());
        let service = SensorServiceServer::from_arc(Arc::new(sensor));
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    }
    say(&json!({ "ready": sockets }))?;
    first.recv().await;
    let began = Instant::now();
    let mut sum = Done::default();
    for _ in 0..HOSTS {
        let one: Done = all_done.recv().await.ok_or("a sensor ended early")?;
        sum.events += one.events;
        sum.bytes += one.bytes;
        sum.batches += one.batches;
    }
    let seconds = began.elapsed().as_secs_f64();
    say(&json!({ "events": sum.events, "seconds": seconds, "bytes": sum.bytes, "batches": sum.batches }))?;
    // The connections stay, as a sensor's do, until nobody needs us any more.
    tokio::task::spawn_blocking(crate::talk::hear).await??;
    Ok(())
}
