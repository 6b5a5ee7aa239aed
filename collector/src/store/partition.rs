//! Which partition an event belongs to, and in which order it stands there.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use super::{
    class::Class,
    head::{Head, Order},
};

/// How many days before it is stored an event may say that it was.
const PAST_DAYS: i64 = 366;
/// So many days may one segment have: a clock that runs wild makes no directory for every event.
const MOST_DAYS: usize = 62;

/// A partition of a tenant.
pub type Place = (Date, Class);

/// Events by their partitions, in their order.
pub fn split(events: Vec<Bytes>, stored: Date) -> BTreeMap<Place, Vec<Bytes>> {
    let mut days: BTreeMap<Date, BTreeMap<Class, Vec<(Order, Bytes)>>> = BTreeMap::new();
    for event in events {
        let Head { order, time, class } = Head::of(&event);
        let mut day = day(time, stored);
        if !days.contains_key(&day) && days.len() >= MOST_DAYS {
            day = stored;
        }
        days.entry(day).or_default().entry(class).or_default().push((order, event));
    }
    let places = days.into_iter().flat_map(|(day, classes)| {
        classes.into_iter().map(move |(class, events)| ((day, class), in_order(events)))
    });
    places.collect()
}

/// Events of one partition in their order.
pub fn sort(events: Vec<Bytes>) -> Vec<Bytes> {
    in_order(events.into_iter().map(|event| (Head::of(&event).order, event)).collect())
}

fn in_order(mut events: Vec<(Order, Bytes)>) -> Vec<Bytes> {
    events.sort_by(|(one, _), (other, _)| one.cmp(other));
    events.into_iter().map(|(_, event)| event).collect()
}

/// The day of an event: its own by UTC, unless its clock cannot be right; then that on which
/// it was stored.
fn day(time: Option<i64>, stored: Date) -> Date {
    let time = time.and_then(|time| Timestamp::from_nanosecond(time.into()).ok());
    let Some(own) = time.map(|time| time.to_zoned(TimeZone::UTC).date()) else { return stored };
    let first = stored.checked_sub(PAST_DAYS.days()).unwrap_or(stored);
    let last = stored.checked_add(1.day()).unwrap_or(stored);
    if (first..=last).contains(&own) { own } else { stored }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use prost::Message as _;

    use super::*;
    use crate::store::tests::event;

    const STORED: Date = date(2026, 1, 31);

    #[test]
    fn an_event_belongs_to_its_own_day_unless_its_clock_cannot_be_right() {
        let noon = |day: Date| {
            let noon = day.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
            i64::try_from(noon.as_nanosecond()).unwrap()
        };
        for own in [STORED, date(2026, 1, 1), date(2025, 1, 30), date(2026, 2, 1)] {
            assert_eq!(day(Some(noon(own)), STORED), own);
        }
        for wrong in [None, Some(0), Some(i64::MAX), Some(i64::MIN), Some(noon(date(2026, 2, 2)))] {
            assert_eq!(day(wrong, STORED), STORED, "{wrong:?}");
        }
    }

    #[test]
    fn a_clock_that_runs_wild_makes_few_days_and_loses_nothing() {
        let at = |number: u64| {
            let seconds = 1_769_860_000 - 86_400 * (number % 300) as i64;
            let time = Some(prost_types::Timestamp { seconds, nanos: 0 });
            Bytes::from(activity_proto::v1::Event { time, ..event(number) }.encode_to_vec())
        };
        let places = split((1..=1000).map(at).collect(), STORED);
        assert!(places.len() <= MOST_DAYS + 1, "{}", places.len());
        assert_eq!(places.values().map(Vec::len).sum::<usize>(), 1000);
    }

    #[test]
    fn what_a_process_did_stands_together() {
        let of = |sequence, pid| {
            let process = activity_proto::v1::Process { pid, ..Default::default() };
            Bytes::from(
                activity_proto::v1::Event { process: Some(process), ..event(sequence) }.encode_to_vec(),
            )
        };
        let (a, b, c, d) = (of(1, 7), of(2, 3), of(3, 7), of(4, 3));
        assert_eq!(sort(vec![a.clone(), b.clone(), c.clone(), d.clone()]), [b, d, a, c]);
    }
}
