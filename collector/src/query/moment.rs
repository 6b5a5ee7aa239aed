//! Times as people type them: an instant, a day, or how long ago.

use jiff::{SignedDuration, Span, Timestamp, Zoned, civil, tz::TimeZone};

use crate::failure::Failure;

/// What is understood, for `--help` and for mistakes.
pub const FORMS: &str = "24h, 7d, 2w (ago), now, today, yesterday, 2026-01-31, 2026-01-31T08:00, or with an offset as in \
     2026-01-31T08:00:00Z";

/// The moment that `text` names. Days and times without an offset are in the zone of `now`;
/// a day is its first moment.
///
/// # Errors
/// When it is none of the [`FORMS`].
pub fn moment(text: &str, now: &Zoned) -> Result<Timestamp, Failure> {
    read(text.trim(), now)
        .ok_or_else(|| Failure::usage(format!("`{}` is no time; give one of {FORMS}", text.escape_debug())))
}

fn read(text: &str, now: &Zoned) -> Option<Timestamp> {
    let zone = now.time_zone();
    match text {
        "now" => return Some(now.timestamp()),
        "today" => return midnight(now.date(), zone),
        "yesterday" => return midnight(now.date().yesterday().ok()?, zone),
        _ => {}
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    // A date and time is a date as well: the longer form first.
    if text.contains(['T', ' ', ':'])
        && let Ok(datetime) = text.parse::<civil::DateTime>()
    {
        return Some(datetime.to_zoned(zone.clone()).ok()?.timestamp());
    }
    if let Ok(day) = text.parse::<civil::Date>() {
        return midnight(day, zone);
    }
    let span: Span = text.trim_end_matches(" ago").parse().ok()?;
    Some(now.checked_sub(span.abs()).ok()?.timestamp())
}

fn midnight(day: civil::Date, zone: &TimeZone) -> Option<Timestamp> {
    Some(day.to_zoned(zone.clone()).ok()?.timestamp())
}

/// A time zone by its name in the IANA database, `UTC`, or this machine's own (`local`).
///
/// # Errors
/// When there is none of that name.
pub fn zone(name: &str) -> Result<TimeZone, Failure> {
    if name == "local" {
        return Ok(TimeZone::system());
    }
    TimeZone::get(name).map_err(|_| {
        let name = name.escape_debug();
        Failure::usage(format!("there is no time zone `{name}`; give one as Europe/Berlin, UTC or local"))
    })
}

/// A zone's name, as [`zone`] reads it.
pub fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("UTC").to_owned()
}

/// Nanoseconds since 1970, as columns of times have them.
pub fn nanoseconds(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_nanosecond()).unwrap_or(i64::MAX)
}

/// A length of time in the two largest units that it has: `3 d 4 h`, `12 s`.
pub fn length(of: SignedDuration) -> String {
    let seconds = of.as_secs().unsigned_abs();
    let (large, small) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3600 => ((seconds / 60, "min"), (seconds % 60, "s")),
        3600..86_400 => ((seconds / 3600, "h"), (seconds % 3600 / 60, "min")),
        _ => ((seconds / 86_400, "d"), (seconds % 86_400 / 3600, "h")),
    };
    if small.0 == 0 {
        format!("{} {}", large.0, large.1)
    } else {
        format!("{} {} {} {}", large.0, large.1, small.0, small.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_an_instant_a_day_or_how_long_ago() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let now: Timestamp = "2026-03-30T10:00:00Z".parse().unwrap();
        let now = now.to_zoned(berlin);
        for (text, expected) in [
            ("now", "2026-03-30T10:00:00Z"),
            ("today", "2026-03-29T22:00:00Z"),
            // Before summer time.
            ("yesterday", "2026-03-28T23:00:00Z"),
            ("24h", "2026-03-29T10:00:00Z"),
            ("1d", "2026-03-29T10:00:00Z"),
            ("2w", "2026-03-16T11:00:00Z"),
            ("90m", "2026-03-30T08:30:00Z"),
            ("2026-01-31", "2026-01-30T23:00:00Z"),
            ("2026-01-31T08:00", "2026-01-31T07:00:00Z"),
            ("2026-01-31 08:00:30", "2026-01-31T07:00:30Z"),
            ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
            ("2026-01-31T08:00:00+02:00", "2026-01-31T06:00:00Z"),
        ] {
            assert_eq!(moment(text, &now).unwrap().to_string(), expected, "{text}");
        }
        for wrong in ["", "x", "24", "2026-13-01", "2026-02-30", "99999999999d", "\u{1b}[31m"] {
            assert!(moment(wrong, &now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_length_has_two_units() {
        let of = |seconds| length(SignedDuration::from_secs(seconds));
        assert_eq!([of(5), of(60), of(3_660), of(90_000)], ["5 s", "1 min", "1 h 1 min", "1 d 1 h"]);
    }
}
