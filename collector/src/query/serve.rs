//! `QueryService`: other programs ask. They read only, see one tenant only, and what an
//! answer may cost is limited.

use std::{collections::HashMap, pin::Pin, sync::Arc, time::Duration};

use activity_peers::Peer;
use activity_proto::{
    server::query_service_server::QueryService,
    v1::{QueryForm, QueryRequest, QueryResponse, QuerySummary},
};
use bytes::Bytes;
use datafusion::arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    error::ArrowError,
    ipc::writer::StreamWriter,
    json::writer::{LineDelimited, WriterBuilder},
};
use futures::{Stream, TryStreamExt as _};
use jiff::Zoned;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::spawn_blocking,
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, transport::server::UdsConnectInfo};

use super::{Answer, Engine, Values, failure, named, text_values};
use crate::{
    failure::Failure,
    state::{Viewing, ViewingArgs},
    store::Layout,
};

/// A message's data at most: well below what either side takes.
const PIECE: usize = 1 << 20;
/// Messages that wait for whoever asked.
const WAITING: usize = 4;
/// What sorting and grouping for one answer may hold in memory before the disk is used.
const MEMORY: usize = 256 << 20;

/// What an answer may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows of one answer.
    pub rows: u64,
    /// How long it may take.
    pub time: Duration,
    /// Answers at a time.
    pub calls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 1_000_000, time: Duration::from_secs(60), calls: 4 }
    }
}

/// Answers over the store of one tenant.
pub struct Answers {
    layout: Layout,
    limits: Limits,
    calls: Arc<Semaphore>,
}

impl Answers {
    /// Over a store.
    pub fn new(layout: Layout, limits: Limits) -> Self {
        Self { layout, limits, calls: Arc::new(Semaphore::new(limits.calls)) }
    }
}

type Pieces = mpsc::Sender<Result<QueryResponse, Status>>;

#[tonic::async_trait]
impl QueryService for Answers {
    type QueryStream = Pin<Box<dyn Stream<Item = Result<QueryResponse, Status>> + Send>>;

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<Self::QueryStream>, Status> {
        let busy = |_| {
            let calls = self.limits.calls;
            Status::resource_exhausted(format!("{calls} questions are being answered: ask again later"))
        };
        let permit = self.calls.clone().try_acquire_owned().map_err(busy)?;
        let who = who(&request);
        let request = request.into_inner();
        let form = request.form();
        let (sql, values, what) = question(&request).map_err(|failure| status(&failure))?;
        let (layout, limits) = (self.layout.clone(), self.limits);
        let purpose = Some(request.purpose).filter(|purpose| !purpose.is_empty());
        let begun = spawn_blocking(move || {
            let viewing = Viewing::begin(&layout, &who, "grpc", &what, &ViewingArgs { purpose })?;
            // The log of the store is read here: that waits for the disk.
            let engine = Handle::current().block_on(Engine::open_within(&layout, MEMORY));
            Ok::<_, Failure>((viewing, engine))
        });
        let begun = begun.await.map_err(|error| Status::internal(error.to_string()))?;
        let (viewing, engine) = begun.map_err(|failure| status(&failure))?;
        let (pieces, answer) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let mut told = Told { form, limits, rows: 0, permit };
            let answered = match engine {
                Ok(engine) => told.answer(&engine, &sql, values, &pieces).await,
                Err(failure) => Err(failure),
            };
            let rows = told.rows;
            let ended = spawn_blocking(move || viewing.end(rows, answered)).await;
            if let Ok(Err(failure)) = ended {
                let _ = pieces.send(Err(status(&failure))).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answer))))
    }
}

/// Who asks: the identity in the certificate, or the user at the other end of the socket.
fn who<Message>(request: &Request<Message>) -> String {
    let extensions = request.extensions();
    if let Some(peer) = extensions.get::<Peer>() {
        return peer.identity.to_string();
    }
    match extensions.get::<UdsConnectInfo>().and_then(|info| info.peer_cred) {
        Some(peer) => crate::state::user(peer.uid()),
        None => "somebody on this machine".to_owned(),
    }
}

/// The statement, its values, and how the log of viewers has it.
fn question(request: &QueryRequest) -> Result<(String, Values, String), Failure> {
    let parameters: HashMap<String, String> = request.parameters.clone();
    let mut parameters: Vec<(String, String)> = parameters.into_iter().collect();
    parameters.sort();
    let (sql, values, mut what) = match (request.sql.is_empty(), request.name.is_empty()) {
        (false, true) => (request.sql.clone(), text_values(&parameters), request.sql.clone()),
        (true, false) => {
            let named = named::named(&request.name)?;
            let values = named.bind(&parameters, &Zoned::now())?;
            (named.sql.to_owned(), values, format!("--name {}", request.name))
        }
        _ => return Err(Failure::usage("give either `sql` or the `name` of a question")),
    };
    for (name, value) in &parameters {
        what += &format!(" --param {name}={value}");
    }
    Ok((sql, values, what))
}

fn status(failure: &Failure) -> Status {
    if failure.is_usage() {
        Status::invalid_argument(failure.to_string())
    } else {
        Status::unavailable(failure.to_string())
    }
}

/// An answer as it is told.
struct Told {
    form: QueryForm,
    limits: Limits,
    rows: u64,
    permit: OwnedSemaphorePermit,
}

impl Told {
    async fn answer(
        &mut self,
        engine: &Engine,
        sql: &str,
        values: Values,
        to: &Pieces,
    ) -> Result<(), Failure> {
        let time = self.limits.time;
        let too_long = |_| {
            let seconds = time.as_secs();
            Failure::unavailable(format!(
                "the answer took longer than {seconds} s: ask for less time or fewer people"
            ))
        };
        let told = tokio::time::timeout(time, self.tell(engine, sql, values, to)).await;
        debug_assert!(self.permit.num_permits() == 1);
        told.map_err(too_long)?
    }

    async fn tell(&mut self, engine: &Engine, sql: &str, values: Values, to: &Pieces) -> Result<(), Failure> {
        let begun = Instant::now();
        let Answer { schema, mut rows, progress } = engine.answer(sql, values).await?;
        drop(progress);
        let mut encoder = Encoder::new(self.form, &schema).map_err(unencoded)?;
        let mut truncated = false;
        while let Some(batch) = rows.try_next().await.map_err(failure)? {
            let room = usize::try_from(self.limits.rows - self.rows).unwrap_or(usize::MAX);
            truncated = batch.num_rows() > room;
            let batch = batch.slice(0, batch.num_rows().min(room));
            self.rows += batch.num_rows() as u64;
            if !send(encoder.encode(&batch).map_err(unencoded)?, to).await {
                return Err(Failure::unavailable("whoever asked has gone"));
            }
            if truncated {
                break;
            }
        }
        let rest = encoder.finish().map_err(unencoded)?;
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let summary = QuerySummary { rows: self.rows, truncated, milliseconds };
        let last = QueryResponse { data: Bytes::new(), summary: Some(summary) };
        if send(rest, to).await && to.send(Ok(last)).await.is_ok() {
            return Ok(());
        }
        Err(Failure::unavailable("whoever asked has gone"))
    }
}

fn unencoded(error: ArrowError) -> Failure {
    Failure::unavailable(format!("the answer cannot be encoded: {error}"))
}

/// Whether all of it was taken.
async fn send(data: Vec<u8>, to: &Pieces) -> bool {
    let mut data = Bytes::from(data);
    while !data.is_empty() {
        let piece = data.split_to(data.len().min(PIECE));
        if to.send(Ok(QueryResponse { data: piece, summary: None })).await.is_err() {
            return false;
        }
    }
    true
}

enum Encoder {
    Arrow(Box<StreamWriter<Vec<u8>>>),
    Json,
}

impl Encoder {
    fn new(form: QueryForm, schema: &SchemaRef) -> Result<Self, ArrowError> {
        Ok(match form {
            QueryForm::JsonLines => Self::Json,
            QueryForm::Unspecified | QueryForm::ArrowStream => {
                Self::Arrow(Box::new(StreamWriter::try_new(Vec::new(), schema)?))
            }
        })
    }

    fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        match self {
            Self::Arrow(writer) => {
                writer.write(batch)?;
                Ok(std::mem::take(writer.get_mut()))
            }
            Self::Json => {
                let mut writer = WriterBuilder::new().build::<_, LineDelimited>(Vec::new());
                writer.write(batch)?;
                writer.finish()?;
                Ok(writer.into_inner())
            }
        }
    }

    fn finish(self) -> Result<Vec<u8>, ArrowError> {
        match self {
            Self::Arrow(mut writer) => {
                writer.finish()?;
                Ok(std::mem::take(writer.get_mut()))
            }
            Self::Json => Ok(Vec::new()),
        }
    }
}
