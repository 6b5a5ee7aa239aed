//! `activity-sensor run`: the daemon.

use std::{path::Path, sync::Arc};

use activity_proto::v1::{DeliverHello, EventId};
use activity_segments::Machine;
use futures::FutureExt as _;
use sd_notify::NotifyState;
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{
    cli::RunArgs,
    config::Config,
    failure::Failure,
    metrics::{Door, Metrics},
    pipeline::{self, Outlets, Pipeline, host_name},
    reload::{ConfigFile, Hangup, Reloader, Running},
    source::{load::LoadOptions, pins::Pins, recording::Recorder},
    spool::Spool,
    state::State,
    stream::{self, Hub, ListenError, Listeners, Origin, Push},
};

/// Threads for connections; records have threads of their own.
const SERVER_THREADS: usize = 2;

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// When something that is needed is missing or not permitted.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let mut file = ConfigFile::new(args.common.config.as_deref());
    let written = file.load()?;
    let mut config = written.clone();
    if let Some(socket) = &args.common.socket {
        config.stream.socket.clone_from(socket);
    }
    if let Some(state) = &args.state {
        config.sensor.state.clone_from(state);
    }
    crate::log::start(config.log.level.as_str());
    require_privilege()?;
    Builder::new_multi_thread()
        .worker_threads(SERVER_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("the runtime cannot be started ({error})")))?
        .block_on(daemon(config, (file, written), args))
}

/// Says in one sentence what loading would say in many.
pub fn require_privilege() -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::not_permitted("recording needs root; run it with sudo, or start the service"))
}

async fn daemon(config: Config, read: (ConfigFile, Config), args: &RunArgs) -> Result<(), Failure> {
    let (mut termination, hangup) = (Termination::listen(), Hangup::listen());
    // Sockets before hooks: nothing is attached that cannot be served.
    let listeners = Listeners::open(&config.stream).await?;
    let door = match &config.metrics.listen {
        Some(address) => Some(Door::open(address, &config.stream).await?),
        None => None,
    };
    let state = State::open(&config.sensor.state)?;
    let policy = pipeline::policy(&config, args.common.all).map_err(Failure::config)?;
    let everybody = policy.wants_everybody();
    let options = LoadOptions {
        everybody,
        shortcuts: !policy.keeps_everything(),
        allow_degraded: args.allow_degraded,
        plan: args.plan.plan,
    };
    let pins = Pins::new(config.hooks.pin.as_deref(), &state.sensor_id, &config.sensor.state);
    let kernel = pins.start(&config.hooks, options)?;
    for hook in &kernel.hooks.states {
        match &hook.obstacle {
            None => tracing::info!(hook = hook.act.name(), at = hook.attached_to, how = hook.how, "live"),
            Some(reason) => {
                tracing::warn!(hook = hook.act.name(), at = hook.attached_to, reason, "not live");
            }
        }
    }
    let outlets = outlets(&config, &config.sensor.state, &state)?;
    let hello = DeliverHello { sensor_id: state.sensor_id.clone(), host: origin(&config, &state).host };
    let push = Push::new(&config.stream, hello, outlets.spool.as_ref()).map_err(ListenError::Tls)?;
    let hub = Arc::clone(&outlets.hub);
    let recorder = args.record.as_deref().map(Recorder::create).transpose();
    let recorder = recorder.map_err(|error| {
        Failure::unavailable(format!(
            "the recording cannot be made ({error}); give another file with --record"
        ))
    })?;
    let pipeline = Pipeline::start(&config, policy, kernel, state, outlets, recorder)?;
    tracing::info!(
        socket = %config.stream.socket.display(),
        epoch = pipeline.status.state.epoch,
        records = if args.common.all { "everything" } else { "what the policy chooses" },
        "recording"
    );

    let (file, written) = read;
    let reloader =
        Reloader::new(file, Running { written, everybody }, args.common.all, Arc::clone(&pipeline.status));
    let reloads = tokio::spawn(reloader.run(hangup));
    let metrics = Metrics::new(Arc::clone(&pipeline.status), Arc::clone(&hub));
    let metrics = door.map(|door| tokio::spawn(metrics.serve(door)));
    let push = push.map(|push| tokio::spawn(push.run()));
    tell_systemd(NotifyState::Ready);

    let (stop, stopped) = watch::channel(false);
    let shutdown = async move {
        let mut stopped = stopped;
        let _ = stopped.wait_for(|stop| *stop).await;
    }
    .shared();
    let server =
        tokio::spawn(stream::serve(listeners, Arc::clone(&hub), Arc::clone(&pipeline.status), shutdown));
    let server = stop_signal(server, &mut termination).await;
    reloads.abort();
    if let Some(metrics) = &metrics {
        metrics.abort();
    }
    tell_systemd(NotifyState::Stopping);
    let _ = stop.send(true);
    // Reading out the rings and sending the rest takes other threads' time.
    let _ = tokio::task::spawn_blocking(move || pipeline.stop()).await;
    match server {
        Ended::BySignal(server) => {
            // A subscriber that does not read must not hold up the end.
            let _ = tokio::time::timeout(GRACE, server).await;
            if let Some(push) = push {
                let _ = tokio::time::timeout(GRACE, push).await;
            }
            tracing::info!("ended");
            Ok(())
        }
        Ended::ByItself(error) => Err(error),
    }
}

/// Where events go: to subscribers, and into the spool.
pub fn outlets(config: &Config, directory: &Path, state: &State) -> Result<Outlets, Failure> {
    let origin = origin(config, state);
    let hub = Arc::new(Hub::new(
        config.stream.subscriber_queue_bytes as usize,
        config.stream.max_subscribers as usize,
        &origin,
    ));
    let Some(settings) = config.spool.settings() else { return Ok(Outlets::live(hub)) };
    let directory = directory.join("spool");
    let (spool, unclean) = Spool::open(Machine, &directory, settings, &origin).map_err(|error| {
        let directory = directory.display();
        Failure::unavailable(format!(
            "the spool in {directory} cannot be used ({error}); mend that, or switch it off with `spool.enabled = false`"
        ))
    })?;
    Ok(Outlets { hub, spool: Some(spool), unclean })
}

/// Tells the service manager, if one asked for it.
fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

/// How long subscribers have to take what is left.
const GRACE: std::time::Duration = std::time::Duration::from_millis(500);

type Server = tokio::task::JoinHandle<anyhow::Result<()>>;

enum Ended {
    BySignal(Server),
    ByItself(Failure),
}

/// Waits for a signal, or for the server to fail.
async fn stop_signal(mut server: Server, termination: &mut Termination) -> Ended {
    tokio::select! {
        () = termination.wait() => Ended::BySignal(server),
        result = &mut server => Ended::ByItself(match result {
            Ok(Err(error)) => error.into(),
            Ok(Ok(())) | Err(_) => Failure::unavailable("the server ended by itself; please report this"),
        }),
    }
}

/// SIGINT and SIGTERM, heard from the moment this is made.
pub struct Termination(Option<(Signal, Signal)>);

impl Termination {
    /// Begins to listen.
    pub fn listen() -> Self {
        let signals = signal(SignalKind::interrupt())
            .and_then(|interrupt| signal(SignalKind::terminate()).map(|terminate| (interrupt, terminate)));
        Self(signals.ok())
    }

    /// Waits for either.
    pub async fn wait(&mut self) {
        match &mut self.0 {
            Some((interrupt, terminate)) => tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            },
            None => std::future::pending().await,
        }
    }
}

/// Where this sensor's events come from.
pub fn origin(config: &Config, state: &State) -> Origin {
    Origin {
        host: config.sensor.host.clone().unwrap_or_else(host_name),
        id: EventId {
            sensor_id: state.sensor_id.clone(),
            boot_id: state.boot_id.clone(),
            epoch: state.epoch,
            ..EventId::default()
        },
    }
}
