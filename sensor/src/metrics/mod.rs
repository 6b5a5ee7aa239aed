//! Counts for a monitoring system, over HTTP on this machine only.
//!
//! Everything that a stranger could use up has a limit: connections, their time, the
//! size of what they ask, and how often the page is made. The pipeline is never waited
//! for, and never waits: its counts are read as they are.

mod door;
mod page;
mod text;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Body,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{sync::Semaphore, time};

use crate::{status::SensorStatus, stream::Hub};
use door::Stream;
pub use door::{Door, DoorError};
use page::{Facts, page};

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 8;
/// From the first byte of a request to its last.
const HEADERS: Duration = Duration::from_secs(5);
/// From the connection to its end.
const WHOLE: Duration = Duration::from_secs(10);
/// Bytes of a request, and lines of its header.
const REQUEST: (usize, usize) = (8 * 1024, 64);
/// How long a page is shown to whoever asks.
const FRESH: Duration = Duration::from_millis(500);
/// How long nobody is accepted after that failed, for want of file descriptors.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How late a heartbeat may be before the sensor counts as ill.
const LATE: Duration = Duration::from_secs(10);

/// Who answers.
pub struct Metrics {
    status: Arc<SensorStatus>,
    hub: Arc<Hub>,
    made: Mutex<Option<(Instant, Bytes)>>,
}

impl Metrics {
    /// About this sensor.
    pub fn new(status: Arc<SensorStatus>, hub: Arc<Hub>) -> Self {
        Self { status, hub, made: Mutex::default() }
    }

    /// Answers until it is dropped.
    pub async fn serve(self, door: Door) {
        let (this, places) = (Arc::new(self), Arc::new(Semaphore::new(CONNECTIONS)));
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match door.accept().await {
                Ok(stream) => {
                    let this = Arc::clone(&this);
                    tokio::spawn(async move {
                        let _ = time::timeout(WHOLE, this.talk(stream)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "nobody can ask for metrics at the moment");
                    time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }

    async fn talk(&self, stream: Box<dyn Stream>) {
        let answer = service_fn(async |request: Request<_>| Ok::<_, Infallible>(self.answer(&request)));
        let talk = http1::Builder::new()
            .timer(TokioTimer::new())
            .keep_alive(false)
            .header_read_timeout(HEADERS)
            .max_buf_size(REQUEST.0)
            .max_headers(REQUEST.1)
            .serve_connection(TokioIo::new(stream), answer)
            .await;
        if let Err(error) = talk {
            tracing::debug!(%error, "somebody who asked for metrics did not do so properly");
        }
    }

    fn answer(&self, request: &Request<impl Body>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match request.uri().path() {
            "/metrics" => with_type(StatusCode::OK, text::CONTENT_TYPE, self.page()),
            "/healthz" if self.is_well() => plain(StatusCode::OK, "ok\n"),
            "/healthz" => plain(StatusCode::SERVICE_UNAVAILABLE, "no heartbeat\n"),
            _ => plain(StatusCode::NOT_FOUND, "there are /metrics and /healthz\n"),
        }
    }

    fn is_well(&self) -> bool {
        let alive = &self.status.alive;
        alive.since_last() <= alive.interval + LATE
    }

    fn page(&self) -> Bytes {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, page)) = &*made
            && at.elapsed() < FRESH
        {
            return page.clone();
        }
        let page = Bytes::from(page(&self.facts()));
        *made = Some((Instant::now(), page.clone()));
        page
    }

    fn facts(&self) -> Facts {
        let status = &self.status;
        Facts {
            heartbeat: status.heartbeat(false, self.hub.subscribers()),
            status: status.status(),
            lanes: status.lanes(),
            pipeline: status.pipeline(),
            peers: status.peers(),
            started: status.started,
            epoch: status.state.epoch,
            since_last: status.alive.since_last(),
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    with_type(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn with_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
