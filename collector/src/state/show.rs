//! `viewers`: who looked.

use std::io::{self, Write as _};

use activity_proto::json::escape_bytes;
use jiff::{Zoned, tz::TimeZone};

use super::{State, Viewer, ViewersArgs, args::Form, failure};
use crate::{
    failure::{Failure, written},
    query::{grouped, moment},
};

/// Prints who looked.
pub fn viewers(args: &ViewersArgs) -> Result<(), Failure> {
    let layout = args.store.layout()?;
    if !layout.events().is_dir() {
        return Err(layout.why_missing().into());
    }
    let since = moment::moment(&args.since, &Zoned::now())?;
    let state = State::read(&layout).map_err(|error| failure(&layout.state(), &error))?;
    let viewers = state.map_or_else(|| Ok(Vec::new()), |state| state.viewers(since));
    let viewers = viewers.map_err(|error| failure(&layout.state(), &error))?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let print = |viewer: &Viewer| match args.format {
        Form::Text => writeln!(out, "{}", line(viewer, &TimeZone::system())),
        Form::Json => {
            serde_json::to_writer(&mut out, viewer)?;
            out.write_all(b"\n")
        }
    };
    let printed = viewers.iter().try_for_each(print);
    written(printed.and_then(|()| out.flush()))
}

/// One look in a line and, below it, what was asked.
pub fn line(viewer: &Viewer, zone: &TimeZone) -> String {
    let plain = |text: &str| {
        escape_bytes(text.split_whitespace().collect::<Vec<_>>().join(" ").as_bytes()).into_owned()
    };
    let began = viewer.began.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let end = match (viewer.rows, viewer.milliseconds, viewer.outcome.as_deref()) {
        (Some(rows), Some(took), Some("ok")) => format!("{} rows in {took} ms", grouped(rows)),
        (_, _, Some(outcome)) => format!("no answer: {}", plain(outcome)),
        _ => "did not end".to_owned(),
    };
    let purpose = viewer
        .purpose
        .as_deref()
        .map_or_else(|| "no purpose given".to_owned(), |text| format!("for: {}", plain(text)));
    let (who, way, statement) = (plain(&viewer.who), &viewer.way, plain(&viewer.statement));
    format!("{began}  {who}, {way}, {purpose}, {end}\n    {statement}")
}
