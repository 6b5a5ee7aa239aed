//! The sequences: does each lane go on from entry to entry, or does a gap say why not?

use std::collections::BTreeMap;

use activity_proto::{json::escape_bytes, v1};

use super::{
    chain::{self, Entries},
    report::{Kind, Report},
};
use crate::seal::{
    entry::{Lane, Sensor},
    ranges::merged,
};

/// A lane of a run of a sensor.
type Key<'a> = (&'a str, u64, i32);

/// Looks for sequences that are missing, within entries and between them.
pub fn check(entries: &Entries, report: &mut Report) {
    let gaps = gaps(entries);
    let mut last: BTreeMap<Key, u64> = BTreeMap::new();
    for (entry, _) in entries.values() {
        let Some(content) = entry.what.content() else { continue };
        for (key, lane) in lanes(content.sensors) {
            if lane.count == 0 || lane.first > lane.last {
                continue;
            }
            let gaps = gaps.get(&key).map(Vec::as_slice).unwrap_or_default();
            let before = last.get(&key).copied();
            let from = before.map_or(lane.first, |before| before.saturating_add(1)).min(lane.first);
            let missing = (lane.last - from).saturating_add(1).saturating_sub(lane.count);
            last.insert(key, before.unwrap_or_default().max(lane.last));
            if missing == 0 {
                continue;
            }
            let explained = overlap(gaps, from, lane.last).min(missing);
            if explained > 0 {
                report.holes += 1;
                report.holes_sequences = report.holes_sequences.saturating_add(explained);
            }
            if explained < missing {
                let what = describe(key, missing - explained, (from, lane.last), content.damaged);
                report.problem(Kind::Hole, chain::place(entry), what);
            }
        }
    }
}

fn lanes(sensors: &[Sensor]) -> impl Iterator<Item = (Key<'_>, &Lane)> {
    sensors.iter().flat_map(|sensor| {
        sensor.lanes.iter().map(|lane| ((sensor.sensor.as_str(), lane.epoch, lane.lane), lane))
    })
}

/// What gaps account for in each lane, wherever they stand.
fn gaps(entries: &Entries) -> BTreeMap<Key<'_>, Vec<(u64, u64)>> {
    let mut gaps: BTreeMap<Key, Vec<(u64, u64)>> = BTreeMap::new();
    for (entry, _) in entries.values() {
        let Some(content) = entry.what.content() else { continue };
        for (key, lane) in lanes(content.sensors).filter(|(_, lane)| !lane.gaps.is_empty()) {
            gaps.entry(key).or_default().extend(&lane.gaps);
        }
    }
    gaps.into_iter().map(|(key, spans)| (key, merged(spans))).collect()
}

/// How many numbers from one to another are in spans, which are in order and apart.
fn overlap(spans: &[(u64, u64)], from: u64, to: u64) -> u64 {
    let start = spans.partition_point(|(_, end)| *end < from);
    let within = spans.iter().skip(start).take_while(|(begin, _)| *begin <= to);
    let counts = within.map(|(begin, end)| end.min(&to).saturating_sub(*begin.max(&from)).saturating_add(1));
    counts.fold(0, u64::saturating_add)
}

fn describe((sensor, epoch, lane): Key, missing: u64, (from, to): (u64, u64), damaged: u64) -> String {
    let sensor = escape_bytes(sensor.as_bytes());
    let name =
        v1::Lane::try_from(lane).map_or_else(|_| lane.to_string(), |lane| lane.short_name().to_owned());
    let damaged = if damaged > 0 { "; the log was damaged there before it was sealed" } else { "" };
    format!(
        "of the sensor {sensor}, epoch {epoch}, lane {name}, {missing} of the sequences {from} to {to} are missing, \
         and no gap says so{damaged}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_spans_is_counted() {
        let spans = [(3, 4), (8, 10), (20, u64::MAX)];
        for (from, to, expected) in [(1, 2, 0), (1, 3, 1), (4, 8, 2), (5, 7, 0), (1, 15, 5), (25, 26, 2)] {
            assert_eq!(overlap(&spans, from, to), expected, "{from} to {to}");
        }
    }
}
