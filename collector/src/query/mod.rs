//! `query`: SQL over what is stored, and questions that have a name.

mod args;
mod engine;
mod functions;
mod list;
pub mod moment;
mod named;
mod progress;
mod serve;
#[cfg(test)]
pub mod tests;
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
pub use serve::{Answers, Limits};

use crate::{
    cli::Format,
    failure::{Failure, written},
    output,
    state::{Viewing, me},
    store::Layout,
};

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
    let layout = args.store.layout()?;
    let viewing = Viewing::begin(&layout, &me(), "query", &asked(args), &args.viewing)?;
    let mut rows = 0;
    let answered = answer(&layout, sql, values, args.format, &mut rows, &mut out).await;
    viewing.end(rows, answered)
}

async fn answer(
    layout: &Layout,
    sql: &str,
    values: Values,
    format: Format,
    count: &mut u64,
    out: &mut impl io::Write,
) -> Result<(), Failure> {
    let engine = Engine::open(layout).await?;
    let Answer { schema, rows, progress } = engine.answer(sql, values).await?;
    match output::print(rows, schema, format, progress, out).await {
        Ok(rows) => {
            *count = rows;
            written(out.flush())
        }
        Err(output::PrintError::Output(error)) => written(Err(error)),
        Err(output::PrintError::Query(error)) => Err(failure(error)),
    }
}

/// What is asked, as the log of viewers has it.
fn asked(args: &QueryArgs) -> String {
    let mut asked = match &args.name {
        Some(name) => format!("--name {name}"),
        None => args.sql.clone().unwrap_or_default(),
    };
    for (name, value) in &args.parameters {
        asked += &format!(" --param {name}={value}");
    }
    asked
}

/// The statement that is asked for, and its values.
fn statement(args: &QueryArgs) -> Result<(&str, Values), Failure> {
    if let Some(name) = &args.name {
        let named = named::named(name)?;
        return Ok((named.sql, named.bind(&args.parameters, &Zoned::now())?));
    }
    Ok((args.sql.as_deref().unwrap_or_default(), text_values(&args.parameters)))
}

/// Values of a statement whose types nobody knows: texts, which are compared as what stands
/// on the other side.
fn text_values(parameters: &[(String, String)]) -> Values {
    let text = |(name, value): &(String, String)| (name.clone(), ScalarValue::Utf8(Some(value.clone())));
    parameters.iter().map(text).collect()
}
