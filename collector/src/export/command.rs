//! `activity-collector export`.

use jiff::Zoned;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{
    ExportArgs, Target,
    cursor::Cursor,
    drive::{Driver, Export},
};
use crate::{
    failure::Failure,
    query::moment,
    state::{Viewing, me},
    store::{Layout, Position, Span},
};

/// Passes on what is stored, to the end or until a signal.
///
/// # Errors
/// When there is no store, or it cannot be read; without `--follow` also when the other side
/// does not take it.
pub async fn export(args: &ExportArgs) -> Result<(), Failure> {
    let (now, layout) = (Zoned::now(), args.store.layout()?);
    let time = |text: &Option<String>| {
        let moment = text.as_deref().map(|text| moment::moment(text, &now)).transpose();
        moment.map(|moment| moment.map(moment::nanoseconds))
    };
    let span = Span { since: time(&args.since)?, until: time(&args.until)? };
    let viewing = Viewing::begin(&layout, &me(), "export", &asked(args), &args.viewing)?;
    let (rows, sent) = match send(args, layout, span).await {
        Ok(sent) => (sent, Ok(())),
        Err(failure) => (0, Err(failure)),
    };
    viewing.end(rows, sent)
}

/// What is asked, as the log of viewers has it.
fn asked(args: &ExportArgs) -> String {
    let mut asked = format!("--format {} --to {}", args.format.name(), args.to);
    for (name, time) in [("since", &args.since), ("until", &args.until)] {
        if let Some(time) = time {
            asked += &format!(" --{name} {time}");
        }
    }
    asked + if args.follow { " --follow" } else { "" }
}

async fn send(args: &ExportArgs, layout: Layout, span: Span) -> Result<u64, Failure> {
    if !layout.events().is_dir() {
        return Err(layout.why_missing().into());
    }
    let (cursor, position) = match &args.cursor {
        Some(name) => {
            let (cursor, position) = Cursor::open(&layout, name)?;
            (Some(cursor), position)
        }
        None => (None, Position::default()),
    };
    let exporter = args.to.open(&args.secrets()).map_err(Failure::config)?;
    let name = args.cursor.as_ref().map_or_else(|| args.to.to_string(), ToString::to_string);
    let export = Export { name, layout, cursor, position, format: args.format, span, follow: args.follow };
    let sent = Driver::new(export, exporter, stopped()?).run().await?;
    if args.to != Target::Stdout {
        tracing::info!("{sent} events were sent to {}", args.to);
    }
    Ok(sent)
}

/// Becomes true at SIGINT or SIGTERM.
fn stopped() -> Result<watch::Receiver<bool>, Failure> {
    let (stop, stopped) = watch::channel(false);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::unavailable)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::unavailable)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        let _ = stop.send(true);
    });
    Ok(stopped)
}
