//! Who reads the spool, how far they have acknowledged it, and what was removed
//! before they did.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::Path,
};

use activity_proto::v1::{ConsumerStatus, Cursor, Lane, TypeCount};
use activity_segments::{Disk, DiskFile as _};
use prost_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    intake::add_counts,
    lanes::{LANES, PerLane, Place},
    record::Record,
};

/// Names that are remembered, at most.
const MAX: usize = 32;
/// How long a consumer that does not come is remembered, seconds.
const REMEMBERED: u64 = 30 * 24 * 3600;
/// Removed records that are remembered, of each lane; beyond it neighbours become one.
const MAX_REMOVED: usize = 4096;
/// Runs whose ends are remembered.
const MAX_RUNS: usize = 1024;
/// Longest name.
const NAME_MAX: usize = 63;

/// What is known of consumers. Written to disk as it is.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Consumers {
    known: BTreeMap<String, Consumer>,
    removed: PerLane<VecDeque<Removed>>,
    /// The last sequence of each run before this one.
    ends: PerLane<BTreeMap<u64, u64>>,
    #[serde(skip)]
    changed: bool,
}

/// A consumer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Consumer {
    /// Everything up to here it has.
    pub acknowledged: PerLane<Place>,
    /// When it was here last, seconds since 1970.
    pub seen: u64,
    /// Events it was sent since the start of the sensor.
    #[serde(skip)]
    pub sent: u64,
    /// Events it missed since the start of the sensor.
    #[serde(skip)]
    pub missed: u64,
    /// Its connection; 0: none.
    #[serde(skip)]
    pub connection: u64,
    /// Who is at the other end of that.
    #[serde(skip)]
    pub peer: String,
}

/// What was removed from the spool before everybody had it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Removed {
    epoch: u64,
    first: u64,
    last: u64,
    /// Events by type.
    counts: Vec<(i32, u64)>,
}

/// Why somebody cannot be a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAConsumer {
    /// The name.
    #[error("a consumer needs a name of 1 to {NAME_MAX} letters a-z, digits, dots, _ or -")]
    Name,
    /// Their number.
    #[error(
        "the sensor remembers as many consumers as it can ({MAX}); each is forgotten 30 days after its last visit"
    )]
    Full,
}

impl NotAConsumer {
    /// The name under which a consumer is remembered. With a certificate it is that
    /// name's own: nobody can acknowledge in the place of another.
    ///
    /// # Errors
    /// When it is none.
    pub fn or_name(owner: Option<&str>, name: &str) -> Result<String, Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(allowed) {
            return Err(Self::Name);
        }
        Ok(owner.map_or_else(|| name.to_owned(), |owner| format!("{owner}/{name}")))
    }
}

impl Consumers {
    /// Reads what was written; nothing where there is no file.
    ///
    /// # Errors
    /// As the system says; `InvalidData` when it is not what was written.
    pub fn read(disk: &impl Disk, path: &Path) -> io::Result<Self> {
        let file = match disk.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file?,
        };
        let mut bytes = vec![0; usize::try_from(file.length()?).map_err(io::Error::other)?];
        let read = file.read_at(&mut bytes, 0)?;
        serde_json::from_slice(bytes.get(..read).unwrap_or_default()).map_err(io::Error::from)
    }

    /// What is to be written, if anything changed since the last call.
    pub fn changed(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.changed).then(|| serde_json::to_vec(self).unwrap_or_default())
    }

    /// It was not written after all.
    pub fn not_written(&mut self) {
        self.changed = true;
    }

    /// Somebody comes; who is new begins at `beginning`.
    ///
    /// # Errors
    /// When there are too many.
    pub fn come(
        &mut self,
        name: &str,
        connection: u64,
        now: u64,
        beginning: PerLane<Place>,
    ) -> Result<&mut Consumer, NotAConsumer> {
        self.known.retain(|_, known| known.connection > 0 || now.saturating_sub(known.seen) < REMEMBERED);
        if self.known.len() >= MAX && !self.known.contains_key(name) {
            return Err(NotAConsumer::Full);
        }
        self.changed = true;
        let new = || Consumer { acknowledged: beginning, ..Consumer::default() };
        let consumer = self.known.entry(name.to_owned()).or_insert_with(new);
        (consumer.connection, consumer.seen) = (connection, now);
        Ok(consumer)
    }

    /// The consumer, if this is still its connection.
    pub fn on(&mut self, name: &str, connection: u64) -> Option<&mut Consumer> {
        self.known.get_mut(name).filter(|known| known.connection == connection)
    }

    /// It has everything up to here.
    pub fn acknowledge(&mut self, name: &str, connection: u64, now: u64, lane: Lane, place: Place) {
        let Some(consumer) = self.on(name, connection) else { return };
        consumer.seen = now;
        let acknowledged = consumer.acknowledged.of_mut(lane);
        if place <= *acknowledged {
            return;
        }
        *acknowledged = place;
        self.changed = true;
        let everybody = self.all_have(lane);
        let removed = self.removed.of_mut(lane);
        let has = |gone: &Removed| everybody.is_some_and(|has| gone.last() <= has);
        while removed.pop_front_if(|gone| has(gone)).is_some() {}
    }

    /// The connection has ended.
    pub fn go(&mut self, name: &str, connection: u64, now: u64) {
        if let Some(consumer) = self.on(name, connection) {
            (consumer.connection, consumer.seen) = (0, now);
            self.changed = true;
        }
    }

    /// All of them, as they are told.
    pub fn status(&self) -> Vec<ConsumerStatus> {
        let status = |(name, known): (&String, &Consumer)| {
            let positions = LANES.iter().map(|lane| known.acknowledged.of(*lane).position(*lane)).collect();
            ConsumerStatus {
                name: name.clone(),
                connected: known.connection > 0,
                acknowledged: Some(Cursor { positions }),
                seen: Some(Timestamp { seconds: i64::try_from(known.seen).unwrap_or(i64::MAX), nanos: 0 }),
                sent: known.sent,
                missed: known.missed,
                peer: if known.connection > 0 { known.peer.clone() } else { String::new() },
            }
        };
        self.known.iter().map(status).collect()
    }

    /// What all consumers have acknowledged; `None` where there are none.
    pub fn all_have(&self, lane: Lane) -> Option<Place> {
        self.known.values().map(|known| *known.acknowledged.of(lane)).min()
    }

    /// A record is removed that somebody has not acknowledged. It counts once, also when
    /// the disk did not let go of it and it is removed again.
    pub fn remove(&mut self, lane: Lane, epoch: u64, record: &Record) {
        let counts = record.counts.iter().map(|counted| (counted.r#type, counted.count)).collect();
        let removed = self.removed.of_mut(lane);
        let place = Place { epoch, sequence: record.last };
        if removed.back().is_some_and(|last| last.last() >= place) {
            return;
        }
        removed.push_back(Removed { epoch, first: record.first, last: record.last, counts });
        self.changed = true;
        if removed.len() > MAX_REMOVED {
            halve(removed);
        }
    }

    /// What was removed of a run, between two numbers, both included: the last of it,
    /// and what is known of types. `None` when nothing was.
    pub fn removed(&self, lane: Lane, epoch: u64, from: u64, to: u64) -> Option<(u64, Vec<TypeCount>)> {
        let of_run = self.removed.of(lane).iter().filter(|gone| gone.epoch == epoch);
        let (mut last, mut counts) = (None, Vec::new());
        for gone in of_run.filter(|gone| gone.last >= from && gone.first <= to) {
            last = Some(gone.last.min(to));
            add_counts(&mut counts, &gone.type_counts());
        }
        last.map(|last| (last, counts))
    }

    /// A run has ended there, as far as is known now. Gives what is known in all.
    pub fn run_ended(&mut self, lane: Lane, end: Place) -> Place {
        if end.sequence == 0 && !self.ends.of(lane).contains_key(&end.epoch) {
            return end;
        }
        let ends = self.ends.of_mut(lane);
        let known = ends.entry(end.epoch).or_default();
        self.changed |= *known < end.sequence;
        *known = (*known).max(end.sequence);
        let end = Place { sequence: *known, ..end };
        while ends.len() > MAX_RUNS {
            ends.pop_first();
        }
        end
    }

    /// The end of the first run that has something behind a place.
    pub fn end_behind(&self, lane: Lane, place: Place) -> Option<Place> {
        let ends = self.ends.of(lane).range(place.epoch..);
        ends.map(|(epoch, sequence)| Place { epoch: *epoch, sequence: *sequence }).find(|end| *end > place)
    }
}

impl Removed {
    fn last(&self) -> Place {
        Place { epoch: self.epoch, sequence: self.last }
    }

    fn type_counts(&self) -> Vec<TypeCount> {
        self.counts
            .iter()
            .map(|(event_type, count)| TypeCount { r#type: *event_type, count: *count })
            .collect()
    }
}

/// Makes one of each two neighbours of the same run.
fn halve(removed: &mut VecDeque<Removed>) {
    let mut halved: VecDeque<Removed> = VecDeque::with_capacity(removed.len());
    let mut joined = false;
    for next in removed.drain(..) {
        match halved.back_mut() {
            Some(last) if !joined && last.epoch == next.epoch && last.last + 1 == next.first => {
                let mut counts = last.type_counts();
                add_counts(&mut counts, &next.type_counts());
                last.last = next.last;
                last.counts = counts.into_iter().map(|counted| (counted.r#type, counted.count)).collect();
                joined = true;
            }
            _ => {
                halved.push_back(next);
                joined = false;
            }
        }
    }
    *removed = halved;
}

#[cfg(test)]
mod tests {
    use activity_segments::{Machine, replace};

    use super::*;

    fn place(epoch: u64, sequence: u64) -> Place {
        Place { epoch, sequence }
    }

    fn record(first: u64, last: u64) -> Record {
        let counts = vec![TypeCount { r#type: 3, count: last - first + 1 }];
        Record { first, last, counts, ..Record::default() }
    }

    #[test]
    fn a_name_is_checked_and_their_number_is_bounded() {
        let mut consumers = Consumers::default();
        for wrong in ["", "A", "a b", "a/b", "ä", &"x".repeat(64)] {
            assert_eq!(NotAConsumer::or_name(None, wrong), Err(NotAConsumer::Name), "{wrong}");
        }
        assert_eq!(NotAConsumer::or_name(Some("siem"), "a-1").as_deref(), Ok("siem/a-1"));
        for number in 0..MAX {
            assert!(consumers.come(&number.to_string(), 1, 5, PerLane::default()).is_ok());
        }
        assert!(matches!(consumers.come("more", 1, 5, PerLane::default()), Err(NotAConsumer::Full)));
        consumers.go("7", 1, 5);
        assert!(consumers.come("more", 2, 5 + REMEMBERED, PerLane::default()).is_ok());
    }

    #[test]
    fn what_is_removed_is_told_by_type_until_everybody_has_what_comes_behind() {
        let mut consumers = Consumers::default();
        for name in ["fast", "slow"] {
            consumers.come(name, 1, 5, PerLane::default()).unwrap();
        }
        (0..10).for_each(|n| consumers.remove(Lane::File, 4, &record(n * 10 + 1, n * 10 + 10)));
        let counted = |consumers: &Consumers| consumers.removed(Lane::File, 4, 21, 90);
        assert_eq!(counted(&consumers), Some((90, vec![TypeCount { r#type: 3, count: 70 }])));
        assert_eq!(consumers.removed(Lane::Process, 4, 1, 100), None);
        consumers.acknowledge("fast", 1, 6, Lane::File, place(4, 100));
        assert!(counted(&consumers).is_some());
        consumers.acknowledge("slow", 1, 6, Lane::File, place(4, 90));
        assert_eq!(counted(&consumers), None);
    }

    #[test]
    fn the_ends_of_runs_tell_what_somebody_does_not_have() {
        let mut consumers = Consumers::default();
        consumers.run_ended(Lane::File, place(3, 0));
        assert_eq!(consumers.run_ended(Lane::File, place(4, 70)), place(4, 70));
        assert_eq!(consumers.run_ended(Lane::File, place(4, 60)), place(4, 70));
        consumers.run_ended(Lane::File, place(6, 5));
        let behind = |epoch, sequence| consumers.end_behind(Lane::File, place(epoch, sequence));
        assert_eq!(behind(2, 9), Some(place(4, 70)));
        assert_eq!(behind(4, 69), Some(place(4, 70)));
        assert_eq!(behind(4, 70), Some(place(6, 5)));
        assert_eq!(behind(6, 5), None);
    }

    #[test]
    fn however_much_is_removed_the_sum_stays_exact() {
        let mut consumers = Consumers::default();
        consumers.come("slow", 1, 5, PerLane::default()).unwrap();
        let many = 3 * MAX_REMOVED as u64;
        (1..=many).for_each(|n| consumers.remove(Lane::File, 4, &record(n, n)));
        assert!(consumers.removed.file.len() <= MAX_REMOVED);
        let told = consumers.removed(Lane::File, 4, 1, many).unwrap();
        assert_eq!(told, (many, vec![TypeCount { r#type: 3, count: many }]));
    }

    #[test]
    fn only_the_last_connection_of_a_name_counts() {
        let mut consumers = Consumers::default();
        consumers.come("a", 1, 5, PerLane::default()).unwrap();
        consumers.come("a", 2, 6, PerLane::default()).unwrap();
        consumers.acknowledge("a", 1, 7, Lane::File, place(1, 5));
        consumers.go("a", 1, 7);
        assert_eq!(consumers.all_have(Lane::File), Some(place(0, 0)));
        assert!(consumers.on("a", 2).is_some());
        consumers.acknowledge("a", 2, 7, Lane::File, place(1, 5));
        consumers.acknowledge("a", 2, 7, Lane::File, place(1, 4));
        assert_eq!(consumers.all_have(Lane::File), Some(place(1, 5)));
    }

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("consumers.json");
        assert!(Consumers::read(&Machine, &path).unwrap().known.is_empty());
        let mut consumers = Consumers::default();
        consumers.come("a", 1, 5, PerLane::default()).unwrap();
        consumers.acknowledge("a", 1, 7, Lane::File, place(1, 5));
        consumers.remove(Lane::File, 4, &record(1, 2));
        let bytes = consumers.changed().unwrap();
        assert!(consumers.changed().is_none());
        replace(&Machine, &path, &bytes).unwrap();
        let read = Consumers::read(&Machine, &path).unwrap();
        assert_eq!(read.all_have(Lane::File), Some(place(1, 5)));
        assert!(read.removed(Lane::File, 4, 1, 2).is_some());
        std::fs::write(&path, "{").unwrap();
        assert_eq!(Consumers::read(&Machine, &path).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
