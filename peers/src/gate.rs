//! What peers may call, and the end of their calls: one layer around all services.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::future::{BoxFuture, Either, FutureExt as _, ready};
use http::{Request, Response};
use http_body::Frame;
use tonic::{Status, body::Body};
use tower::{
    Layer, Service,
    layer::util::{Identity, Stack},
};

use crate::{Ending, Peer, Reason, Refusal, Right, calls::Call};

/// Metadata with which a call ends whose connection is as old as it may become: the
/// caller may come back at once.
pub const RETIRED: &str = "activity-retired";

/// Refuses calls that the peer's role may not make, and ends the calls of connections
/// that are about to end. Requests without a [`Peer`] came in by another door, which
/// has its own rules, and are let through.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    right_of: fn(&str) -> Option<Right>,
}

impl Gate {
    /// `right_of` says what a call, by its path `/PACKAGE.SERVICE/METHOD`, needs. What it
    /// does not know nobody may call.
    #[must_use]
    pub fn new(right_of: fn(&str) -> Option<Right>) -> Self {
        Self { right_of }
    }

    fn judge(self, peer: &Peer, path: &str) -> Result<(), Status> {
        if let Some(ending) = peer.ending() {
            return Err(status(ending));
        }
        let role = peer.identity.role;
        if (self.right_of)(path).is_some_and(|right| role.may(right)) {
            return Ok(());
        }
        peer.refuse(Refusal::with(Reason::Role, format_args!("called {path}")));
        Err(Status::permission_denied(format!(
            "a certificate with the role {role} does not permit this call; use one with a role that does"
        )))
    }
}

/// How a call ends whose connection does.
fn status(ending: Ending) -> Status {
    match ending {
        Ending::Age | Ending::Idle => {
            let mut status = Status::unavailable(ending.to_string());
            status.metadata_mut().insert(RETIRED, tonic::metadata::MetadataValue::from_static("age"));
            status
        }
        Ending::Refused(_) => Status::unauthenticated(ending.to_string()),
    }
}

/// Services behind a [`Gate`], ready to be served.
pub type Guarded = tonic::transport::server::Router<Stack<Gate, Identity>>;

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { gate: *self, inner }
    }
}

/// A service behind a [`Gate`].
#[derive(Clone, Debug)]
pub struct Gated<S> {
    gate: Gate,
    inner: S,
}

type Answer<E> = Result<Response<Body>, E>;

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Answer<S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(peer) = request.extensions().get::<Peer>().cloned() else {
            return Either::Left(self.inner.call(request));
        };
        if let Err(status) = self.gate.judge(&peer, request.uri().path()) {
            return Either::Right(ready(Ok(status.into_http())).boxed());
        }
        // Until the last byte of the answer is sent.
        let call = peer.call();
        let answer = self.inner.call(request);
        let guarded = |body| Body::new(UntilRetired::new(body, peer, call));
        Either::Right(answer.map(|answer| Ok(answer?.map(guarded))).boxed())
    }
}

/// The body of an answer, which ends in good order when its connection is about to. It
/// is cut between frames, and services put whole messages into each.
struct UntilRetired {
    body: Body,
    retired: Option<Pin<Box<dyn Future<Output = Ending> + Send>>>,
    _call: Call,
}

impl UntilRetired {
    fn new(body: Body, peer: Peer, call: Call) -> Self {
        Self { body, retired: Some(Box::pin(peer.retired())), _call: call }
    }
}

impl http_body::Body for UntilRetired {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let Some(retired) = &mut self.retired else { return Poll::Ready(None) };
        match retired.as_mut().poll(context) {
            Poll::Ready(ending) => {
                self.retired = None;
                let mut trailers = http::HeaderMap::new();
                status(ending).add_header(&mut trailers)?;
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Poll::Pending => Pin::new(&mut self.body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.retired.is_none() || self.body.is_end_stream()
    }
}
