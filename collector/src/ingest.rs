//! The one task that writes: takes what the subscriptions receive, drops
//! doubles, notes gaps and stores.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use prost::Message as _;
use tokio::{sync::watch, time};

use crate::{
    acknowledge::{Durable, Pending, Receipt},
    inlet::Queues,
    silence::Silences,
    store::{Replay as _, Store, StoreError},
    tracker::Tracker,
};

/// How long to wait for room on the disk before looking again.
const FULL_RETRY: Duration = Duration::from_secs(1);

/// Events as they came over one connection in one message.
#[derive(Debug)]
pub struct Batch {
    /// Rises with every connection of this process; the first is 1.
    pub connection: u64,
    /// The one sensor whose events these may be, where that is known.
    pub sensor_id: Option<String>,
    /// The events, encoded.
    pub events: Vec<Bytes>,
    /// Who wants to know when they are durable.
    pub receipt: Option<Receipt>,
}

/// Writes what comes until all queues have ended, then makes it durable.
pub struct Ingest {
    store: Store,
    tracker: Tracker,
    pending: Pending,
    durable: Durable,
    silences: Silences,
    /// Becomes true when the collector ends.
    stop: watch::Receiver<bool>,
    /// The disk is full, and this has been said.
    full: bool,
    stored: u64,
}

impl Ingest {
    /// A writer to an opened store, with what that store has received.
    pub fn new(
        store: Store,
        tracker: Tracker,
        durable: Durable,
        silences: Silences,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let pending = Pending::default();
        Self { store, tracker, pending, durable, silences, stop, full: false, stored: 0 }
    }

    /// Runs to the end. Blocks at times, for the disk.
    pub async fn run(mut self, mut batches: Queues) -> Result<(), StoreError> {
        let mut stop = self.stop.clone();
        let mut stopped = std::pin::pin!(stop.wait_for(|stop| *stop).fuse());
        loop {
            let look = self.silences.next_look();
            let deadline = self.store.next_deadline().map_or(look, |deadline| deadline.min(look));
            tokio::select! {
                batch = batches.next() => match batch {
                    Some(batch) => self.store_batch(batch).await?,
                    None => break,
                },
                _ = &mut stopped => batches.close(),
                () = time::sleep_until(deadline.into()) => {}
            }
            self.tell_silences().await?;
            if let Err(error) = self.store.maintain(|| self.tracker.cursors()) {
                self.wait_for_room(error).await?;
            }
            self.pending.durable(self.store.durable(), &self.durable);
        }
        let Tracker { duplicates, malformed, foreign, .. } = self.tracker;
        tracing::info!(
            "stored {} events, dropped {duplicates} doubles, {malformed} messages that are no event and \
             {foreign} events of another sensor than who sent them",
            self.stored
        );
        self.silences.close();
        self.store.close()
    }

    async fn tell_silences(&mut self) -> Result<(), StoreError> {
        let told = self.silences.look(self.tracker.ear.take(), Instant::now());
        let told: Vec<Bytes> = told.iter().map(|event| event.encode_to_vec().into()).collect();
        self.append(&told).await
    }

    async fn store_batch(&mut self, batch: Batch) -> Result<(), StoreError> {
        let mut events = Vec::with_capacity(batch.events.len());
        for event in batch.events {
            self.tracker.receive(batch.connection, batch.sensor_id.as_deref(), event, &mut events);
        }
        self.append(&events).await?;
        // Of doubles too: what they double may wait to be durable itself.
        if let Some(receipt) = batch.receipt {
            self.pending.add(self.store.appended(), receipt);
        }
        Ok(())
    }

    async fn append(&mut self, events: &[Bytes]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        while let Err(error) = self.store.append(events) {
            self.wait_for_room(error).await?;
        }
        if std::mem::take(&mut self.full) {
            tracing::info!("the disk has room again");
        }
        self.stored += events.len() as u64;
        Ok(())
    }

    /// Waits where the disk is full: meanwhile nothing is taken from the
    /// sensors, who tell in their streams what that costs. Anything else ends.
    async fn wait_for_room(&mut self, error: StoreError) -> Result<(), StoreError> {
        let is_full = matches!(error.kind(), Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded));
        if !is_full || *self.stop.borrow() {
            return Err(error);
        }
        if !std::mem::replace(&mut self.full, true) {
            tracing::error!("{error}; waiting for room");
        }
        let _ = time::timeout_at((Instant::now() + FULL_RETRY).into(), self.stop.changed()).await;
        Ok(())
    }
}
