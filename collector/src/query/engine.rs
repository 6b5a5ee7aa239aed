//! The query engine over a store as it is at a moment: the table `events`, the views over it
//! and our functions.

use std::{collections::BTreeSet, sync::Arc};

use activity_proto::json::escape_bytes;
use datafusion::{
    arrow::{
        array::RecordBatch,
        datatypes::SchemaRef,
        json::writer::{LineDelimited, WriterBuilder},
    },
    common::ScalarValue,
    error::DataFusionError,
    execution::{SendableRecordBatchStream, memory_pool::FairSpillPool, runtime_env::RuntimeEnvBuilder},
    physical_plan::execute_stream,
    prelude::{DataFrame, SQLOptions, SessionConfig, SessionContext},
};
use futures::TryStreamExt as _;
use serde::de::DeserializeOwned;

use super::{functions::functions, progress::Progress, views::VIEWS};
use crate::{
    failure::Failure,
    store::{EventsTable, Layout, Snapshot, object_store_reason},
};

/// What sorting and grouping may hold in memory before they use the disk.
const MEMORY: usize = 1 << 30;

/// Values by the names of their places in a statement.
pub type Values = Vec<(String, ScalarValue)>;

/// Answers statements that read.
pub struct Engine {
    context: SessionContext,
    damaged: u64,
}

/// An answer as it comes.
pub struct Answer {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub rows: SendableRecordBatchStream,
    /// Shown until it is dropped.
    pub progress: Progress,
}

impl Engine {
    /// Over what a store has now.
    ///
    /// # Errors
    /// When there is no store, or it must not be read.
    pub async fn open(layout: &Layout) -> Result<Self, Failure> {
        Self::open_within(layout, MEMORY).await
    }

    /// As [`Engine::open`], with so many bytes for sorting and grouping before the disk is
    /// used.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub async fn open_within(layout: &Layout, memory: usize) -> Result<Self, Failure> {
        let snapshot = Snapshot::take(layout)?;
        if snapshot.damaged > 0 {
            tracing::warn!("{} damaged places in the log were left out", snapshot.damaged);
        }
        Self::over(snapshot, memory).await.map_err(internal)
    }

    async fn over(snapshot: Snapshot, memory: usize) -> Result<Self, DataFusionError> {
        let damaged = snapshot.damaged;
        let mut config = SessionConfig::new().with_information_schema(true);
        let parquet = &mut config.options_mut().execution.parquet;
        parquet.pushdown_filters = true;
        parquet.reorder_filters = true;
        let runtime =
            RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(memory))).build_arc()?;
        let context = SessionContext::new_with_config_rt(config, runtime);
        context.register_table("events", Arc::new(EventsTable::new(snapshot)))?;
        functions().into_iter().for_each(|function| context.register_udf(function));
        for view in VIEWS {
            context.sql(&format!("CREATE VIEW {} AS {}", view.name, view.sql)).await?;
        }
        Ok(Self { context, damaged })
    }

    /// Places in the log that could not be read.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Begins to answer one statement that reads.
    ///
    /// # Errors
    /// When it is wrong, does more than read, or a value is missing.
    pub async fn answer(&self, sql: &str, values: Values) -> Result<Answer, Failure> {
        let frame = self.frame(sql, values).await?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let task = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await.map_err(failure)?;
        let rows = execute_stream(plan.clone(), task).map_err(failure)?;
        Ok(Answer { schema, rows, progress: Progress::watch(plan) })
    }

    /// All rows of an answer that is known to be short.
    ///
    /// # Errors
    /// As [`Engine::answer`], and when rows are not what is expected.
    pub async fn rows<Row: DeserializeOwned>(&self, sql: &str, values: Values) -> Result<Vec<Row>, Failure> {
        let mut answer = self.answer(sql, values).await?;
        let mut all = Vec::new();
        while let Some(batch) = answer.rows.try_next().await.map_err(failure)? {
            all.append(&mut rows_of(&batch)?);
        }
        Ok(all)
    }

    async fn frame(&self, sql: &str, values: Values) -> Result<DataFrame, Failure> {
        let options =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let frame = self.context.sql_with_options(sql, options).await.map_err(failure)?;
        let places = frame.logical_plan().get_parameter_names().map_err(failure)?;
        let places: BTreeSet<&str> = places.iter().map(|place| place.trim_start_matches('$')).collect();
        if let Some(missing) = places.iter().find(|place| values.iter().all(|(name, _)| name != *place)) {
            let missing = missing.escape_debug();
            return Err(Failure::usage(format!(
                "the statement has ${missing}: give --param {missing}=VALUE"
            )));
        }
        if let Some((unknown, _)) = values.iter().find(|(name, _)| !places.contains(name.as_str())) {
            let unknown = unknown.escape_debug();
            return Err(Failure::usage(format!(
                "the statement has no place ${unknown} for --param {unknown}"
            )));
        }
        if values.is_empty() { Ok(frame) } else { frame.with_param_values(values).map_err(failure) }
    }
}

/// Rows as values of a type. What is NULL is absent.
///
/// # Errors
/// When a row is not such a value.
pub fn rows_of<Row: DeserializeOwned>(batch: &RecordBatch) -> Result<Vec<Row>, Failure> {
    let mut lines = Vec::new();
    let mut writer = WriterBuilder::new().build::<_, LineDelimited>(&mut lines);
    let written = writer.write(batch).and_then(|()| writer.finish());
    written.map_err(|error| failure(error.into()))?;
    let rows = serde_json::Deserializer::from_slice(&lines).into_iter();
    rows.collect::<Result<_, _>>()
        .map_err(|error| Failure::unavailable(format!("a row is unexpected: {error}")))
}

/// One sentence. What fails in reading is not the statement's fault.
pub fn failure(error: DataFusionError) -> Failure {
    match error.find_root() {
        DataFusionError::ObjectStore(error) => {
            let why = object_store_reason(error);
            Failure::unavailable(format!("the query failed: a file of the store cannot be read ({why})"))
        }
        DataFusionError::IoError(_)
        | DataFusionError::ParquetError(_)
        | DataFusionError::External(_)
        | DataFusionError::ResourcesExhausted(_) => {
            Failure::unavailable(format!("the query failed: {}", sentence(&error)))
        }
        DataFusionError::Plan(message) if message.contains(" not supported: ") => {
            Failure::usage("only statements that read, such as SELECT, are answered")
        }
        _ => Failure::usage(format!("the SQL is wrong: {}", sentence(&error))),
    }
}

fn internal(error: DataFusionError) -> Failure {
    Failure::unavailable(format!("the query engine does not start: {}", sentence(&error)))
}

/// The first line of the innermost error, without the list of all columns.
fn sentence(error: &DataFusionError) -> String {
    let root = error.find_root();
    let message = match root {
        DataFusionError::SQL(error, _) => error.to_string().replace("sql parser error: ", ""),
        _ => root.message().into_owned(),
    };
    let mut line = message.lines().next().unwrap_or_default().to_owned();
    if let Some((unknown, _)) = line.split_once(" Valid fields are ") {
        line = format!("{} `DESCRIBE events` lists the columns", unknown.replace("No field", "no field"));
    }
    escape_bytes(line.trim_end_matches('.').as_bytes()).into_owned()
}
