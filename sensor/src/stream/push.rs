//! `Deliver`: the sensor dials out to a collector, which asks as with `Consume`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use activity_peers::{
    Address, Backoff, Credentials, FileError, RETIRED, Role, connect, reason, status_reason,
};
use activity_proto::{
    Delivered, EncodedDelivery,
    v1::{ConsumeRequest, DeliverHello},
};
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, client::Grpc, codegen::http::uri::PathAndQuery, transport};
use tonic_prost::ProstCodec;

use super::consume::consume;
use crate::{config::StreamConfig, spool::Spool};

const DELIVER: &str = "/activity.sensor.v1.CollectorService/Deliver";
/// A connection that lasted so long was a good one: the first collector is tried again,
/// and waits begin anew.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// Brings the spool to the first collector of a list that takes it.
pub struct Push {
    delivery: Delivery,
    collectors: Vec<Collector>,
}

/// One of them, and what was said of it last: each change is said once.
struct Collector {
    address: Address,
    away: Option<String>,
}

/// What is delivered, and by whom.
struct Delivery {
    credentials: Option<Credentials>,
    hello: DeliverHello,
    spool: Arc<Spool>,
}

/// Why a delivery ended.
enum End {
    /// The connection is as old as it may become; another may be made at once.
    Retired,
    /// The collector is not reached, or the connection broke.
    Lost(String),
}

impl Push {
    /// To the collectors of the configuration; `None` where it names none.
    ///
    /// # Errors
    /// When certificate, key or authority are of no use.
    pub fn new(
        config: &StreamConfig,
        hello: DeliverHello,
        spool: Option<&Arc<Spool>>,
    ) -> Result<Option<Self>, FileError> {
        let Some(spool) = spool.filter(|_| !config.push.is_empty()) else { return Ok(None) };
        let credentials = config.tls.as_ref().map(|tls| Credentials::open(tls.files())).transpose()?;
        let collector = |address: &Address| Collector { address: address.clone(), away: None };
        let collectors = config.push.iter().map(collector).collect();
        Ok(Some(Self { delivery: Delivery { credentials, hello, spool: Arc::clone(spool) }, collectors }))
    }

    /// Delivers for as long as it is polled.
    pub async fn run(mut self) {
        let (mut backoff, count) = (Backoff::default(), self.collectors.len());
        let mut next = 0;
        while let Some(collector) = self.collectors.get_mut(next) {
            let began = Instant::now();
            let end = self.delivery.to(collector).await;
            let was_good = began.elapsed() >= GOOD_AFTER;
            if was_good {
                backoff = Backoff::default();
            }
            next = if was_good { 0 } else { (next + 1) % count };
            match end {
                End::Retired if was_good => continue,
                End::Retired => collector.lost("it ends connections as soon as they are made".into()),
                End::Lost(reason) => collector.lost(reason),
            }
            if next == 0 {
                tokio::time::sleep(backoff.wait()).await;
            }
        }
    }
}

impl Collector {
    fn taking(&mut self, who: &str) {
        tracing::info!(collector = who, "delivering");
        self.away = None;
    }

    fn lost(&mut self, reason: String) {
        if self.away.as_ref() != Some(&reason) {
            tracing::warn!(collector = %self.address, reason, "nothing can be delivered; trying again");
            self.away = Some(reason);
        }
    }
}

impl Delivery {
    /// One connection, from its beginning to its end.
    async fn to(&self, collector: &mut Collector) -> End {
        match self.try_to(collector).await {
            Ok(()) => End::Lost("it ended the stream".into()),
            Err(Lost::Status(status)) if status.metadata().contains_key(RETIRED) => End::Retired,
            Err(Lost::Status(status)) => End::Lost(status_reason(&status)),
            Err(Lost::Transport(error)) => End::Lost(reason(&error)),
        }
    }

    async fn try_to(&self, collector: &mut Collector) -> Result<(), Lost> {
        let (channel, peer) = connect(&collector.address, self.credentials.as_ref(), Role::Collector).await?;
        let peer = peer.map(|peer| peer.identity);
        let who = peer.as_ref().map_or_else(|| collector.address.to_string(), ToString::to_string);
        let mut client = Grpc::new(channel);
        client.ready().await?;
        // The next batch is read when the one before it is under way.
        let (sender, requests) = mpsc::channel(1);
        let _ = sender.try_send(EncodedDelivery::from(Delivered::Hello(self.hello.clone())));
        let codec = ProstCodec::<EncodedDelivery, ConsumeRequest>::default();
        let path = PathAndQuery::from_static(DELIVER);
        let asks = client.streaming(Request::new(ReceiverStream::new(requests)), path, codec).await?;
        let owner = peer.map(|peer| peer.name.to_string());
        let spool = Arc::clone(&self.spool);
        let mut batches = consume(spool, owner.as_deref(), who.clone(), asks.into_inner()).await?;
        collector.taking(&who);
        while let Some(batch) = batches.next().await {
            // Where the call is over, the next batch is its reason.
            let _ = sender.send(Delivered::Batch(batch?).into()).await;
        }
        Ok(())
    }
}

/// Why a connection ended.
enum Lost {
    Transport(transport::Error),
    Status(Box<Status>),
}

impl From<transport::Error> for Lost {
    fn from(error: transport::Error) -> Self {
        Self::Transport(error)
    }
}

impl From<Status> for Lost {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}
