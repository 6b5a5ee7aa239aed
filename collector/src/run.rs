//! `run`: for each tenant the ways in, the one writer between them and the store, and the
//! end.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Instant};

use activity_peers::{Address, Credentials};
use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

use crate::{
    acknowledge::Durable,
    config::{Config, Tenant},
    consume::Own,
    deliver::Deliveries,
    export,
    failure::Failure,
    ingest::Ingest,
    inlet::inlet,
    listen::{Entrance, answering, receiving},
    owners::Owners,
    query::Answers,
    silence::{Links, Silences},
    state::{self, Rules, State},
    store::{Replay as _, Store},
    subscribe,
    tracker::Tracker,
};

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

/// Receives and stores until `shutdown` completes. What ends one tenant ends all, so that
/// it is noticed: what comes meanwhile waits at the sensors.
pub async fn run_until(config: &Config, shutdown: impl Future<Output = ()>) -> Result<(), Failure> {
    let (stop, stopped) = watch::channel(false);
    let mut all = JoinSet::new();
    // All are opened before the first one works: a mistake is told at once.
    let mut opened = Vec::new();
    for tenant in &config.tenants {
        opened.push(Work::open(tenant).await?);
    }
    for work in opened {
        all.spawn(work.run(stopped.clone()));
    }
    let ended = tokio::select! {
        () = shutdown => None,
        ended = all.join_next() => ended,
    };
    let _ = stop.send(true);
    let mut result = ended.map_or(Ok(()), |ended| ended.map_err(Failure::unavailable).flatten());
    while let Some(ended) = all.join_next().await {
        result = result.and(ended.map_err(Failure::unavailable).flatten());
    }
    result
}

/// What is done for one tenant.
struct Work {
    tenant: Tenant,
    credentials: Option<Credentials>,
    own: Own,
    entrance: Option<Entrance>,
    /// For those who ask.
    door: Option<Entrance>,
    store: Store,
    tracker: Tracker,
    silences: Silences,
}

impl Work {
    async fn open(tenant: &Tenant) -> Result<Self, Failure> {
        let credentials = tenant.tls.clone().map(Credentials::open).transpose()?;
        check(tenant, credentials.as_ref())?;
        let mut tracker = Tracker::default();
        let store = Store::open(
            tenant.store.clone(),
            tenant.roll.clone(),
            tenant.retention,
            tenant.archive.clone(),
            &mut tracker,
        )?;
        tracing::info!("storing in {}", tenant.store.root().display());
        keep_rules(tenant)?;
        let way_in = entrance(tenant.listen.as_ref(), credentials.as_ref(), "listening on").await?;
        let door = entrance(tenant.answers.as_ref(), credentials.as_ref(), "answering on").await?;
        let links = Links::default();
        let own = Own {
            name: tenant.store.name()?,
            durable: Durable::new(tracker.cursors()),
            links: links.clone(),
            owners: Arc::new(Owners::open(&tenant.store)?),
        };
        let addresses = tenant.sensors.iter().map(ToString::to_string);
        let silences = Silences::new(addresses, links, &tenant.store, Instant::now());
        Ok(Self {
            tenant: tenant.clone(),
            credentials,
            own,
            entrance: way_in,
            door,
            store,
            tracker,
            silences,
        })
    }

    async fn run(self, mut stopped: watch::Receiver<bool>) -> Result<(), Failure> {
        let (inlet, queues) = inlet();
        let Self { tenant, credentials, own, entrance, door, store, tracker, silences } = self;
        let ingest = Ingest::new(store, tracker, own.durable.clone(), silences, stopped.clone());
        let mut ways = JoinSet::new();
        if let Some(entrance) = entrance {
            let stopped = stopped.clone();
            let deliveries = Deliveries { own: own.clone(), inlet: inlet.clone(), stopped };
            ways.spawn(entrance.serve(receiving(deliveries)));
        }
        if let Some(door) = door {
            let answers = Answers::new(tenant.store.clone(), tenant.limits);
            ways.spawn(door.serve(answering(answers).await?));
        }
        for sensor in tenant.sensors {
            let batches = inlet.open().await.ok_or_else(|| Failure::unavailable("the collector ends"))?;
            let follow = subscribe::follow(sensor, credentials.clone(), batches, own.clone());
            ways.spawn(async {
                follow.await;
                Ok(())
            });
        }
        drop(inlet);
        let mut exports = JoinSet::new();
        for config in tenant.exports {
            exports.spawn(export::run(config, tenant.store.clone(), stopped.clone()));
        }
        // A thread of its own, as it waits for the disk.
        let mut writer = tokio::task::spawn_blocking(|| Handle::current().block_on(ingest.run(queues)));
        let ended = loop {
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break Ok(()),
                ended = &mut writer => return ended.map_err(Failure::unavailable)?.map_err(Failure::from),
                Some(way) = ways.join_next() => if let Ok(Err(failure)) = way {
                    break Err(failure);
                },
            }
        };
        // The queues close with the ways in, and the writer ends when it has stored what is
        // in them.
        ways.shutdown().await;
        let written = writer.await.map_err(Failure::unavailable)?.map_err(Failure::from);
        ended.and(written)
    }
}

/// Says in the store what looking at it needs.
fn keep_rules(tenant: &Tenant) -> Result<(), Failure> {
    let kept = State::open(&tenant.store).and_then(|state| state.set_rules(tenant.rules));
    match kept.map_err(|error| state::failure(&tenant.store.state(), &error)) {
        // Events are to be stored all the same, unless somebody relies on the log.
        Err(failure) if tenant.rules == Rules::default() => {
            tracing::warn!("there is no log of viewers: {failure}");
            Ok(())
        }
        kept => kept,
    }
}

/// The way in at an address.
async fn entrance(
    address: Option<&Address>,
    credentials: Option<&Credentials>,
    what: &str,
) -> Result<Option<Entrance>, Failure> {
    let Some(address) = address else { return Ok(None) };
    let entrance = Entrance::open(address, credentials).await?;
    tracing::info!(port = entrance.port(), "{what} {address}");
    Ok(Some(entrance))
}

/// The certificate of a tenant is that tenant's.
fn check(tenant: &Tenant, credentials: Option<&Credentials>) -> Result<(), Failure> {
    let (Some(name), Some(credentials)) = (&tenant.name, credentials) else { return Ok(()) };
    let identity = credentials.current().identity.clone();
    if identity.tenant == *name {
        return Ok(());
    }
    Err(Failure::config(format!(
        "the certificate of the tenant {name} is {identity}: give one that `activity-collector enrol --tenant {name}` \
         makes"
    )))
}
