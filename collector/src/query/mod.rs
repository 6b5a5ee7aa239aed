//! `query`: SQL over what is stored, and questions that have a name.

mod args;
mod engine;
#[cfg(test)]
pub mod fixture;
mod functions;
mod list;
pub mod moment;
mod named;
mod progress;
#[cfg(test)]
mod tests;
mod views;

use std::io::{self, Write as _};

use datafusion::common::ScalarValue;
use jiff::Zoned;

pub use args::QueryArgs;
pub use engine::{Answer, Engine, Values, failure, rows_of};
pub use functions::Networks;
pub(crate) use named::is_sensitive;
pub use named::{INSIDE, like, minutes};
pub use progress::{Progress, grouped};

use crate::{failure::Failure, output, store::Layout};

/// Prints the answer to a statement or a question, or which there are.
pub async fn query(args: &QueryArgs) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if args.list {
        return written(list::list(&mut out).and_then(|()| out.flush()));
    }
    if let Some(view) = &args.describe {
        return written(list::describe(view, &mut out)?.and_then(|()| out.flush()));
    }
    let (sql, values) = statement(args)?;
    let engine = Engine::open(&Layout::of_tenant(&args.store, args.tenant.as_ref())?).await?;
    let Answer { schema, rows, progress } = engine.answer(sql, values).await?;
    let printed = output::print(rows, schema, args.format, progress, &mut out).await;
    match printed.and_then(|()| out.flush().map_err(output::PrintError::Output)) {
        Ok(()) => Ok(()),
        Err(output::PrintError::Output(error)) => written(Err(error)),
        Err(output::PrintError::Query(error)) => Err(failure(error)),
    }
}

/// The statement that is asked for, and its values.
fn statement(args: &QueryArgs) -> Result<(&str, Values), Failure> {
    if let Some(name) = &args.name {
        let named = named::named(name)?;
        return Ok((named.sql, named.bind(&args.parameters, &Zoned::now())?));
    }
    let text = |(name, value): &(String, String)| (name.clone(), ScalarValue::Utf8(Some(value.clone())));
    Ok((args.sql.as_deref().unwrap_or_default(), args.parameters.iter().map(text).collect()))
}

/// What became of writing an answer.
///
/// # Errors
/// When it failed otherwise than because whoever reads has seen enough.
pub fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::unavailable(format!("cannot write the answer: {error}")))
        }
        _ => Ok(()),
    }
}
