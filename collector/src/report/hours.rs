//! Working hours: days of the week, from when until when.

use std::fmt;

use jiff::civil::{DateTime, Weekday};
use serde::{Serialize, Serializer};

use crate::query::minutes;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// Acts are counted by quarters of an hour.
pub const QUARTER: i64 = 15;

/// When somebody works. Where `to` is not after `from`, the work ends on the day after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    days: [bool; 7],
    /// Minutes since midnight.
    from: i64,
    to: i64,
    text: String,
}

impl Hours {
    /// Reads `Mon-Fri 08:00-18:00`; `any` is no limit.
    ///
    /// # Errors
    /// A sentence that says what it can be.
    pub fn read(text: &str) -> Result<Option<Self>, String> {
        if text.eq_ignore_ascii_case("any") {
            return Ok(None);
        }
        let form = || "give them as Mon-Fri 08:00-18:00, Mon,Wed,Sat 22:00-06:00 or any".to_owned();
        let (days, times) = text.rsplit_once(' ').ok_or_else(form)?;
        let (from, to) = times.split_once('-').ok_or_else(form)?;
        let (from, to) = (minutes(from).ok_or_else(form)?, minutes(to).ok_or_else(form)?);
        if from % QUARTER != 0 || to % QUARTER != 0 {
            return Err("give them in quarters of an hour".to_owned());
        }
        let days = days_of(days).ok_or_else(form)?;
        Ok(Some(Self { days, from, to, text: text.to_owned() }))
    }

    /// Whether a moment of their clock is within.
    pub fn contains(&self, at: DateTime) -> bool {
        let minute = i64::from(at.hour()) * 60 + i64::from(at.minute());
        let today = self.is_day(at.weekday());
        let yesterday = self.is_day(at.weekday().previous());
        if self.from < self.to {
            today && (self.from..self.to).contains(&minute)
        } else {
            today && minute >= self.from || yesterday && minute < self.to
        }
    }

    fn is_day(&self, day: Weekday) -> bool {
        let index = usize::try_from(day.to_monday_zero_offset()).unwrap_or_default();
        self.days.get(index).copied().unwrap_or_default()
    }
}

fn days_of(text: &str) -> Option<[bool; 7]> {
    let index = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name.trim()));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (mut at, to) = (index(from)?, index(to)?);
        loop {
            *days.get_mut(at)? = true;
            if at == to {
                break;
            }
            at = (at + 1) % 7;
        }
    }
    Some(days)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_days_and_times_and_may_go_over_midnight() {
        let within = |hours: &str, at: &str| {
            Hours::read(hours).unwrap().is_none_or(|hours| hours.contains(at.parse().unwrap()))
        };
        // 2026-03-02 is a Monday.
        assert!(within("Mon-Fri 08:00-18:00", "2026-03-02T08:00"));
        assert!(!within("Mon-Fri 08:00-18:00", "2026-03-02T18:00"));
        assert!(!within("Mon-Fri 08:00-18:00", "2026-03-07T12:00"));
        assert!(within("Sat-Mon 08:00-18:00", "2026-03-02T12:00"));
        assert!(within("Mon,Wed 22:00-06:00", "2026-03-03T05:45"));
        assert!(!within("Mon,Wed 22:00-06:00", "2026-03-02T05:45"));
        assert!(within("Sun 22:00-06:00", "2026-03-02T05:45"));
        assert!(within("mon-sun 00:00-24:00", "2026-03-08T23:59"));
        assert!(within("any", "2026-03-08T23:59"));
        for wrong in ["", "Mon-Fri", "Mon-Fri 8-18", "Day 08:00-18:00", "Mon 08:10-18:00", "Mon 08:00"] {
            assert!(Hours::read(wrong).is_err(), "{wrong}");
        }
    }
}
