//! Events become lines, on a thread that may wait for the disk.

use activity_formats::{Format, Severity, identity};
use activity_proto::v1::Event;

use super::Line;
use crate::store::{Feed, Span, StoreError};

/// Events of one batch.
pub const LIMIT: usize = 1000;

/// The next lines, and whether the feed moved to find them.
pub fn next(feed: &mut Feed, format: Format, span: Span) -> Result<(Vec<Line>, bool), StoreError> {
    let events = feed.next(LIMIT)?;
    let moved = !events.is_empty();
    let lines = events.iter().filter(|event| span.has(time(event))).map(|event| line(event, format));
    Ok((lines.collect(), moved))
}

fn line(event: &Event, format: Format) -> Line {
    let mut text = Vec::with_capacity(2048);
    // Writing to a Vec does not fail.
    let _ = format.write(event, &mut text);
    let kind = match event.event_type().short_name() {
        "" => "unknown",
        name => name,
    };
    let severity = Severity::of(event);
    Line { text, identity: identity(event), kind, host: event.host.clone(), time: time(event), severity }
}

fn time(event: &Event) -> Option<i64> {
    let time = event.time.as_ref()?;
    time.seconds.checked_mul(1_000_000_000)?.checked_add(time.nanos.into())
}
