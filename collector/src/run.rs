//! `run`: subscriptions, the one writer between them and the store, and the end.

#[cfg(test)]
mod tests;

use std::time::Instant;

use activity_peers::Credentials;
use futures::stream::SelectAll;
use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    acknowledge::Durable,
    config::Config,
    consume::Own,
    failure::Failure,
    ingest::Ingest,
    silence::{Links, Silences},
    store::{Replay as _, Store},
    subscribe,
    tracker::Tracker,
};

/// Messages of one sensor that wait for the writer. Each is at most 4 MiB and
/// mostly far less; what waits beyond them waits at the sensor.
const QUEUE: usize = 8;

/// Receives and stores until a signal ends it.
pub async fn run(config: &Config) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::unavailable)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::unavailable)?;
    run_until(config, async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
    .await
}

/// Receives and stores until `shutdown` completes.
pub async fn run_until(config: &Config, shutdown: impl Future<Output = ()>) -> Result<(), Failure> {
    let credentials = config.tls.clone().map(Credentials::open).transpose()?;
    let mut tracker = Tracker::default();
    let store = Store::open(config.store.clone(), config.roll.clone(), config.retention, &mut tracker)?;
    tracing::info!("storing in {}", config.store.root().display());
    let links = Links::default();
    let (name, durable) = (config.store.name()?, Durable::new(tracker.cursors()));
    let own = Own { name, durable, links: links.clone() };
    let addresses = config.sensors.iter().map(ToString::to_string);
    let silences = Silences::new(addresses, links, config.store.sensors(), Instant::now());
    let mut subscriptions = JoinSet::new();
    let mut queues = SelectAll::new();
    for sensor in &config.sensors {
        let (sender, receiver) = mpsc::channel(QUEUE);
        queues.push(ReceiverStream::new(receiver));
        subscriptions.spawn(subscribe::follow(sensor.clone(), credentials.clone(), sender, own.clone()));
    }
    let (stop, stopped) = watch::channel(false);
    let ingest = Ingest::new(store, tracker, own.durable.clone(), silences, stopped);
    // A thread of its own, as it waits for the disk.
    let mut writer = tokio::task::spawn_blocking(|| Handle::current().block_on(ingest.run(queues)));

    let ended = tokio::select! {
        () = shutdown => {
            // The queues close with their subscriptions, and the writer ends
            // when it has stored what is in them.
            let _ = stop.send(true);
            subscriptions.shutdown().await;
            writer.await
        }
        ended = &mut writer => ended,
    };
    ended.map_err(Failure::unavailable)?.map_err(Failure::from)
}
