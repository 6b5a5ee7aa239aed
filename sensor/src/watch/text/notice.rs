//! What the sensor says about itself: what was lost, what is not seen.

use activity_proto::{
    json::escape_bytes,
    v1::{EventType, Gap, GapReason, Status},
};

use super::line::{Ink, width};

/// What is missing and why, such as `GAP: 123 open events lost: ring buffer full`.
pub fn gap(gap: &Gap) -> String {
    let counts: Vec<String> = gap
        .counts
        .iter()
        .map(|entry| match entry.r#type() {
            EventType::Unspecified => format!("{} other", entry.count),
            kind => format!("{} {}", entry.count, kind.short_name()),
        })
        .collect();
    let what = if counts.is_empty() { "an unknown number of".to_owned() } else { counts.join(" and ") };
    let noun = if matches!(gap.counts.as_slice(), [only] if only.count == 1) { "event" } else { "events" };
    let why = match gap.reason() {
        GapReason::RingFull => "ring buffer full",
        GapReason::Decode => "records had the wrong form",
        GapReason::SlowSubscriber => "not read fast enough here",
        GapReason::NotConnected => "the collector was not connected",
        GapReason::CpuLimit => "the sensor's processor time was used up",
        GapReason::SpoolFull => "the spool had no room for it",
        GapReason::SpoolDamaged => "the spool is damaged",
        GapReason::SpoolWrite => "the spool's disk did not take it",
        GapReason::UncleanEnd => "the sensor was killed or lost its power",
        GapReason::Unspecified => "reason unknown",
    };
    format!("GAP: {what} {noun} lost: {why}")
}

/// The sensor's plan and its limits, one paragraph each.
pub fn status(status: &Status) -> Vec<(Ink, String)> {
    let text = |text: &str| escape_bytes(text.as_bytes()).into_owned();
    let scope = if status.records_all { "records everything" } else { "records what people do" };
    let policy = match status.policy_version.as_str() {
        "" => String::new(),
        version => format!(", policy {}", text(version)),
    };
    let mut paragraphs = vec![(
        Ink::Faint,
        format!(
            "sensor {}, {} plan, kernel {}, {scope}{policy}",
            text(&status.version),
            text(&status.plan),
            text(&status.kernel)
        ),
    )];
    if !status.policy_error.is_empty() {
        let error = format!("the policy stays as it is: {}", text(&status.policy_error));
        paragraphs.push((Ink::Failure, error));
    }
    let mut live: Vec<&str> =
        status.hooks.iter().filter(|hook| hook.live).map(|hook| hook.name.as_str()).collect();
    live.dedup();
    if !live.is_empty() {
        paragraphs.push((Ink::Faint, format!("hooks: {}", text(&live.join(", ")))));
    }
    for hook in status.hooks.iter().filter(|hook| !hook.live) {
        let reason = if hook.reason.is_empty() { "reason unknown" } else { &hook.reason };
        paragraphs.push((Ink::Failure, format!("hook {} is missing: {}", text(&hook.name), text(reason))));
    }
    let not_covered: Vec<String> = status
        .not_covered
        .iter()
        .map(|way| match way.count {
            Some(count) => format!("{} ({count} so far)", text(&way.what)),
            None => text(&way.what),
        })
        .collect();
    if !not_covered.is_empty() {
        paragraphs.push((Ink::Faint, format!("not covered: {}", not_covered.join(", "))));
    }
    paragraphs
}

/// A paragraph in lines of at most `room` columns, broken between words.
pub fn wrap(paragraph: &str, room: Option<usize>) -> Vec<String> {
    let room = room.unwrap_or(usize::MAX);
    let mut lines: Vec<String> = Vec::new();
    for word in paragraph.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
