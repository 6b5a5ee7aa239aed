//! What the collector asks a sensor for.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use activity_proto::{
    EncodedBatch, EncodedEvents,
    server::sensor_service_server::SensorService,
    v1::{
        ConsumeRequest, GetStatusRequest, GetStatusResponse, Lane, ListSessionsRequest, ListSessionsResponse,
        Position, SpoolStatus, SubscribeRequest, consume_request::Request as Ask,
    },
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use super::{
    Done,
    host::{EPOCH, Host},
};

/// Events that are sent together, of one lane.
const BATCH: usize = 256;
/// Batches that wait to be sent.
const AHEAD: usize = 4;

/// One host's.
pub struct Sensor {
    host: Mutex<Option<Host>>,
    status: GetStatusResponse,
    done: mpsc::Sender<Done>,
    begun: mpsc::Sender<()>,
}

impl Sensor {
    /// Sends what happens on a host, once.
    pub fn new(host: Host, done: mpsc::Sender<Done>, begun: mpsc::Sender<()>) -> Self {
        let status = GetStatusResponse {
            sensor_id: host.sensor_id.clone(),
            host: host.name.clone(),
            boot_id: host.boot_id.clone(),
            epoch: EPOCH,
            spool: Some(SpoolStatus::default()),
            ..GetStatusResponse::default()
        };
        Self { host: Mutex::new(Some(host)), status, done, begun }
    }
}

type Batches<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl SensorService for Sensor {
    type SubscribeStream = Batches<EncodedEvents>;

    async fn subscribe(
        &self,
        _: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Err(Status::unimplemented("only what is acknowledged is measured"))
    }

    type ConsumeStream = Batches<EncodedBatch>;

    async fn consume(
        &self,
        request: Request<Streaming<ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        let host = self.host.lock().unwrap_or_else(PoisonError::into_inner).take();
        let host = host.ok_or_else(|| Status::unavailable("it has been sent; this is measured once"))?;
        let _ = self.begun.try_send(());
        let (batches, stream) = mpsc::channel(AHEAD);
        let (sent, all_sent) = tokio::sync::oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let _ = sent.send(send(host, &batches));
            // The stream goes on, without anything to say.
            std::mem::forget(batches);
        });
        let done = self.done.clone();
        tokio::spawn(async move {
            if let Some(all) = acknowledged(request.into_inner(), all_sent).await {
                let _ = done.send(all).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        Ok(Response::new(self.status.clone()))
    }

    async fn list_sessions(
        &self,
        _: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
}

/// The last sequences of both lanes, and what was sent.
type Sent = ([u64; 2], Done);

/// Sends all there is.
fn send(mut host: Host, batches: &mpsc::Sender<Result<EncodedBatch, Status>>) -> Sent {
    let common = host.common();
    let mut lanes = [(Lane::Process, Vec::new(), 0), (Lane::File, Vec::new(), 0)];
    let (mut last, mut done) = ([0; 2], Done::default());
    let mut flush = |at: usize, lane: Lane, body: &mut Vec<u8>, sequence, done: &mut Done| {
        done.batches += 1;
        done.bytes += body.len() as u64;
        if let Some(last) = last.get_mut(at) {
            *last = sequence;
        }
        let position = Position { lane: lane.into(), epoch: EPOCH, sequence };
        let events = EncodedEvents::from_bytes(std::mem::take(body).into());
        batches.blocking_send(Ok(EncodedBatch { events, position })).is_ok()
    };
    while let Some(event) = host.next() {
        let Some(id) = &event.id else { continue };
        let (sequence, at) = (id.sequence, usize::from(id.lane == i32::from(Lane::File)));
        let Some((lane, body, count)) = lanes.get_mut(at) else { continue };
        EncodedEvents::append(body, &common, &event);
        *count += 1;
        done.events += 1;
        if *count == BATCH {
            *count = 0;
            if !flush(at, *lane, body, sequence, &mut done) {
                break;
            }
        }
    }
    let positions = host.positions();
    for (at, (lane, body, count)) in lanes.iter_mut().enumerate() {
        if *count > 0 {
            flush(at, *lane, body, positions.get(at).copied().unwrap_or_default(), &mut done);
        }
    }
    (last, done)
}

/// Waits until everything is acknowledged; `None` when the collector ends before.
async fn acknowledged(
    mut asks: Streaming<ConsumeRequest>,
    mut all_sent: tokio::sync::oneshot::Receiver<Sent>,
) -> Option<Done> {
    let (mut heard, mut sent) = ([0; 2], None::<Sent>);
    loop {
        if let Some((last, done)) = &sent
            && heard.iter().zip(last).all(|(heard, last)| heard >= last)
        {
            // Not closed: the collector would take it for an end.
            std::mem::forget(asks);
            return Some(*done);
        }
        tokio::select! {
            all = &mut all_sent, if sent.is_none() => sent = Some(all.ok()?),
            ask = asks.message() => {
                let Some(Ask::Acknowledge(cursor)) = ask.ok()??.request else { continue };
                for position in cursor.positions {
                    let at = usize::from(position.lane == i32::from(Lane::File));
                    heard.get_mut(at).into_iter().for_each(|heard| *heard = position.sequence.max(*heard));
                }
            }
        }
    }
}
