//! `query`: SQL over what is stored.

use std::{
    io::{self, Write as _},
    sync::Arc,
};

use activity_proto::json::escape_bytes;
use datafusion::{
    error::DataFusionError,
    execution::{memory_pool::FairSpillPool, runtime_env::RuntimeEnvBuilder},
    prelude::{SQLOptions, SessionConfig, SessionContext},
};

use crate::{
    cli::QueryArgs,
    failure::Failure,
    output,
    store::{EventsTable, Layout, Snapshot},
};

/// What sorting and grouping may hold in memory before they use the disk.
const MEMORY: usize = 1 << 30;

/// Prints the answer to a statement.
pub async fn query(args: &QueryArgs) -> Result<(), Failure> {
    let snapshot = Snapshot::take(&Layout::of_tenant(&args.store, args.tenant.as_ref())?)?;
    if snapshot.damaged > 0 {
        tracing::warn!("{} damaged places in the log were left out", snapshot.damaged);
    }
    let context = context(snapshot).map_err(internal)?;
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = context.sql_with_options(&args.sql, options).await.map_err(sql_failure)?;
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let answer = frame.execute_stream().await.map_err(sql_failure)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let printed = output::print(answer, schema, args.format, &mut out).await;
    match printed.and_then(|()| out.flush().map_err(output::PrintError::Output)) {
        Ok(()) => Ok(()),
        // Whoever reads has seen enough.
        Err(output::PrintError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(output::PrintError::Output(error)) => {
            Err(Failure::unavailable(format!("cannot write the answer: {error}")))
        }
        Err(output::PrintError::Query(error)) => Err(sql_failure(error)),
    }
}

fn context(snapshot: Snapshot) -> Result<SessionContext, DataFusionError> {
    let mut config = SessionConfig::new().with_information_schema(true);
    let parquet = &mut config.options_mut().execution.parquet;
    parquet.pushdown_filters = true;
    parquet.reorder_filters = true;
    let runtime =
        RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(MEMORY))).build_arc()?;
    let context = SessionContext::new_with_config_rt(config, runtime);
    context.register_table("events", Arc::new(EventsTable::new(snapshot)))?;
    Ok(context)
}

/// One sentence. What fails in reading is not the statement's fault.
fn sql_failure(error: DataFusionError) -> Failure {
    match error.find_root() {
        DataFusionError::IoError(_)
        | DataFusionError::ParquetError(_)
        | DataFusionError::ObjectStore(_)
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
