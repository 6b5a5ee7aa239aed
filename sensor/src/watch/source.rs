//! Where `watch` gets its events: the daemon, if one runs, else hooks of its
//! own.

use std::{path::Path, sync::Arc};

use activity_proto::{
    MAX_MESSAGE_BYTES,
    v1::{
        Event, Filter, GetStatusRequest, SubscribeRequest, SubscribeResponse,
        sensor_service_client::SensorServiceClient,
    },
};
use prost::Message as _;
use tonic::{Code, Status, Streaming, transport::Channel};

use crate::{
    cli::WatchArgs,
    client::{self, Unreachable, refused},
    config::Config,
    failure::Failure,
    pipeline::{self, Outlets, Pipeline},
    run::{origin, require_privilege},
    source::load::{self, LoadOptions},
    state::State,
    stream::{Hub, Subscription, Wanted},
};

/// A source of events.
pub enum Source {
    /// A running daemon.
    Daemon(Box<Daemon>),
    /// Hooks of this process.
    Own(Box<Own>),
}

/// A subscription to a daemon.
pub struct Daemon {
    events: Streaming<SubscribeResponse>,
    socket: String,
    records_all: bool,
}

/// A pipeline for this process alone.
pub struct Own {
    events: Subscription,
    pipeline: Option<Pipeline>,
    records_all: bool,
}

impl Source {
    /// Attaches to the daemon if one answers, else loads the hooks.
    pub async fn open(args: &WatchArgs, config: &Config, filter: Filter) -> Result<Self, Failure> {
        match client::connect(&config.stream).await {
            Ok(client) => Daemon::subscribe(client, &config.stream.socket, filter).await.map(Self::from),
            Err(Unreachable { is_absent: true, .. }) if args.common.socket.is_none() => {
                Own::start(args, config, filter).map(Self::from)
            }
            Err(unreachable) => Err(unreachable.failure),
        }
    }

    /// The next events; `None` when there will be no more.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, Failure> {
        match self {
            Self::Daemon(daemon) => match daemon.events.message().await {
                Ok(response) => Ok(response.map(|response| response.events)),
                Err(status) if is_end(&status) => Ok(None),
                Err(status) => Err(refused(&status)),
            },
            Self::Own(own) => match own.events.next().await {
                None => Ok(None),
                Some(body) => SubscribeResponse::decode(body.encode_to_vec().as_slice())
                    .map(|response| Some(response.events))
                    .map_err(|error| Failure::unavailable(format!("an event cannot be read ({error})"))),
            },
        }
    }

    /// Takes own hooks out of the kernel.
    pub async fn close(&mut self) {
        if let Self::Own(own) = self
            && let Some(pipeline) = own.pipeline.take()
        {
            let _ = tokio::task::spawn_blocking(move || pipeline.stop()).await;
        }
    }

    /// Where the events come from, for people.
    pub fn description(&self) -> String {
        match self {
            Self::Daemon(daemon) => format!("attached to the daemon at {}", daemon.socket),
            Self::Own(_) => "no daemon runs, so the hooks are this command's own".to_owned(),
        }
    }

    /// Whether the source records everything.
    pub fn records_all(&self) -> bool {
        match self {
            Self::Daemon(daemon) => daemon.records_all,
            Self::Own(own) => own.records_all,
        }
    }
}

impl From<Daemon> for Source {
    fn from(daemon: Daemon) -> Self {
        Self::Daemon(Box::new(daemon))
    }
}

impl From<Own> for Source {
    fn from(own: Own) -> Self {
        Self::Own(Box::new(own))
    }
}

impl Daemon {
    async fn subscribe(channel: Channel, socket: &Path, filter: Filter) -> Result<Self, Failure> {
        let mut client = SensorServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let status = client.get_status(GetStatusRequest {}).await.map_err(|status| refused(&status))?;
        let records_all = status.into_inner().status.is_some_and(|status| status.records_all);
        let request = SubscribeRequest { filter: Some(filter) };
        let events = client.subscribe(request).await.map_err(|status| refused(&status))?.into_inner();
        Ok(Self { events, socket: socket.display().to_string(), records_all })
    }
}

impl Own {
    fn start(args: &WatchArgs, config: &Config, filter: Filter) -> Result<Self, Failure> {
        require_privilege().map_err(|_| {
            Failure::not_permitted(
                "no daemon runs, and recording needs root; start the service, or run this with sudo",
            )
        })?;
        let policy = pipeline::policy(config, args.common.all).map_err(Failure::config)?;
        let options = LoadOptions {
            everybody: policy.wants_everybody(),
            shortcuts: !policy.keeps_everything(),
            allow_degraded: true,
            plan: args.plan.plan,
        };
        let kernel = load::load(&config.hooks, options)?;
        let state = State::passing();
        let hub =
            Arc::new(Hub::new(config.stream.subscriber_queue_bytes as usize, 1, &origin(config, &state)));
        let wanted = Wanted::new(Some(filter)).map_err(Failure::usage)?;
        let events = hub
            .subscribe("watch".to_owned(), wanted)
            .map_err(|_| Failure::unavailable("the stream is full; please report this"))?;
        let pipeline = Pipeline::start(config, policy, kernel, state, Outlets::live(hub), None)?;
        Ok(Self { events, pipeline: Some(pipeline), records_all: args.common.all })
    }
}

fn is_end(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown)
}
