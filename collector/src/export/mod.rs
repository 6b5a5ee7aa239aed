//! `export`: what is stored, one event on a line, in the terms of those who read it elsewhere.

mod args;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use activity_proto::v1::Event;
use datafusion::common::ScalarValue;
use futures::TryStreamExt as _;
use jiff::{Timestamp, Zoned};
use prost::Message as _;

pub use args::ExportArgs;

use crate::{
    failure::{Failure, written},
    query::{Answer, Engine, Values, failure, moment},
    state::{Viewing, me},
    store::stored_events,
};

/// Prints what is stored.
///
/// # Errors
/// When there is no store, or it cannot be read.
pub async fn export(args: &ExportArgs) -> Result<(), Failure> {
    let (now, layout) = (Zoned::now(), args.store.layout()?);
    let time = |text: &Option<String>| text.as_deref().map(|text| moment::moment(text, &now)).transpose();
    let (since, until) = (time(&args.since)?, time(&args.until)?);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut lines = Lines { args, rows: 0, out: &mut out };
    let viewing = Viewing::begin(&layout, &me(), "export", &lines.asked(), &args.viewing)?;
    let answered = match Engine::open(&layout).await {
        Ok(engine) => lines.write(&engine, since, until).await,
        Err(failure) => Err(failure),
    };
    viewing.end(lines.rows, answered)
}

struct Lines<'a, Out> {
    args: &'a ExportArgs,
    rows: u64,
    out: &'a mut Out,
}

impl<Out: Write> Lines<'_, Out> {
    /// What is asked, as the log of viewers has it.
    fn asked(&self) -> String {
        let mut asked = format!("--format {}", self.args.format.name());
        for (name, time) in [("since", &self.args.since), ("until", &self.args.until)] {
            if let Some(time) = time {
                asked += &format!(" --{name} {time}");
            }
        }
        asked
    }

    async fn write(
        &mut self,
        engine: &Engine,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<(), Failure> {
        let (sql, values) = statement(since, until);
        let Answer { mut rows, progress, .. } = engine.answer(&sql, values).await?;
        // Lines and progress may go to one terminal.
        let mut progress = Some(progress);
        while let Some(batch) = rows.try_next().await.map_err(failure)? {
            drop(progress.take());
            for event in stored_events(&batch).map_err(|error| failure(error.into()))? {
                // What cannot be read is passed on as an event of which nothing is known.
                let event = Event::decode(event).unwrap_or_default();
                let line =
                    self.args.format.write(&event, &mut *self.out).and_then(|()| self.out.write_all(b"\n"));
                if let Err(error) = line {
                    return written(Err(error));
                }
                self.rows += 1;
            }
        }
        written(self.out.flush())
    }
}

/// All columns: an event is put together from them.
fn statement(since: Option<Timestamp>, until: Option<Timestamp>) -> (String, Values) {
    let value = |time| ScalarValue::TimestampNanosecond(Some(moment::nanoseconds(time)), Some("UTC".into()));
    let bounds = [("since", ">=", since), ("until", "<", until)];
    let given = bounds.into_iter().filter_map(|(name, is, time)| Some((name, is, time?)));
    let (conditions, values): (Vec<_>, Values) =
        given.map(|(name, is, time)| (format!("time {is} ${name}"), (name.to_owned(), value(time)))).unzip();
    let condition =
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    (format!("SELECT * FROM events{condition}"), values)
}
