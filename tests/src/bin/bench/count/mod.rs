//! A subscriber that counts: it looks only at what it counts by, so that it
//! costs the machine as little as a subscriber can.
//!
//! | heard | answered |
//! |---|---|
//! | `settle PID TYPE COUNT` | what came, once so many events of that type are there or none comes any more |
//! | `take PID` | what came |
//!
//! An answer ends what it tells of; the next one counts from there.

mod tally;
mod wire;

use std::{
    os::unix::net::UnixStream,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use activity_proto::{
    MAX_MESSAGE_BYTES,
    v1::{GetStatusRequest, GetStatusResponse, SubscribeRequest, sensor_service_client::SensorServiceClient},
};
use serde_json::{Value, json};
use tokio::runtime;
use tonic::{
    Request, Streaming,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use self::tally::Tally;
use crate::{
    Result,
    talk::{hear, now, say},
};

/// How long the sensor may take until it listens.
const START: Duration = Duration::from_secs(60);
/// How often that is tried, and how often one looks whether more has come.
const RETRY: Duration = Duration::from_millis(2);
const LOOK: Duration = Duration::from_millis(20);
/// After how long without an event none is expected any more, and how long
/// that may go on.
const QUIET: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(120);

/// A `SubscribeResponse` whose events stay as they came.
#[derive(Clone, PartialEq, prost::Message)]
struct Batch {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    events: Vec<prost::bytes::Bytes>,
}

type Shared = Arc<Mutex<Tally>>;

/// `bench count SOCKET [delays]`.
pub fn run(arguments: &[String]) -> Result {
    let (socket, delays) = match arguments {
        [socket] => (socket, false),
        [socket, word] if word == "delays" => (socket, true),
        _ => return Err("usage: bench count SOCKET [delays]".into()),
    };
    await_socket(Path::new(socket))?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (status, stream) = runtime.block_on(connect(socket))?;
    let tally = Arc::new(Mutex::new(Tally::new(delays)));
    thread::spawn({
        let tally = Arc::clone(&tally);
        move || {
            if let Err(sentence) = runtime.block_on(receive(stream, &tally)) {
                eprintln!("bench: the stream ended: {sentence}");
                lock(&tally).over = true;
            }
        }
    });
    say(&ready(&status))?;
    while let Some(line) = hear()? {
        say(&answer(&line, &tally)?)?;
    }
    Ok(())
}

fn await_socket(socket: &Path) -> Result {
    let begun = Instant::now();
    while UnixStream::connect(socket).is_err() {
        if begun.elapsed() > START {
            return Err(format!("the sensor does not listen on {}", socket.display()).into());
        }
        thread::sleep(RETRY);
    }
    Ok(())
}

async fn connect(socket: &str) -> Result<(GetStatusResponse, Streaming<Batch>)> {
    let channel: Channel = Endpoint::from_shared(format!("unix:{socket}"))?.connect().await?;
    let mut client = SensorServiceClient::new(channel.clone());
    let mut raw = Grpc::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
    raw.ready().await?;
    let path = PathAndQuery::from_static("/activity.sensor.v1.SensorService/Subscribe");
    let codec = ProstCodec::<SubscribeRequest, Batch>::default();
    let request = Request::new(SubscribeRequest::default());
    let stream = raw.server_streaming(request, path, codec).await?.into_inner();
    // It answers when it records.
    let status = client.get_status(GetStatusRequest {}).await?.into_inner();
    Ok((status, stream))
}

async fn receive(mut stream: Streaming<Batch>, tally: &Shared) -> Result {
    while let Some(batch) = stream.message().await? {
        let arrived = now();
        let mut tally = lock(tally);
        batch.events.iter().for_each(|event| tally.add(event, arrived));
    }
    Err("the sensor ended it".into())
}

fn ready(status: &GetStatusResponse) -> Value {
    let status = status.status.clone().unwrap_or_default();
    json!({
        "ready": now(),
        "plan": status.plan,
        "version": status.version,
        "object": status.object_sha256,
        "all": status.records_all,
    })
}

fn answer(line: &str, tally: &Shared) -> Result<Value> {
    let words: Vec<_> = line.split_whitespace().collect();
    let process = match words.as_slice() {
        ["settle", process, kind, count] => {
            let process = process.parse()?;
            settle(tally, process, kind, count.parse()?);
            process
        }
        ["take", process] => process.parse()?,
        _ => return Err(format!("not understood: {line}").into()),
    };
    let mut tally = lock(tally);
    if tally.over {
        return Err("the sensor ended the stream; its log says why".into());
    }
    Ok(tally.take(process))
}

fn settle(tally: &Shared, process: u32, kind: &str, wanted: u64) {
    let begun = Instant::now();
    let (mut last, mut since) = (0, begun);
    while since.elapsed() < QUIET && begun.elapsed() < PATIENCE {
        let tally = lock(tally);
        let (count, total) = (tally.count(process, kind), tally.of(process));
        if tally.over || count >= wanted {
            return;
        }
        drop(tally);
        if total != last {
            (last, since) = (total, Instant::now());
        }
        thread::sleep(LOOK);
    }
}

fn lock(tally: &Shared) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
