//! Where the records of other programs end and those of these begin: each act is told
//! once.

use sensor_types::header::Header;
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::super::batch::{Batch, time_of};

/// How far apart in time two programs see one act. They run one behind the other.
pub const OVERLAP_NS: u64 = 20_000;

/// The moment, and what the programs before told around it.
#[derive(Debug, Default)]
pub struct Seam {
    since_ns: u64,
    told: Vec<Header>,
}

impl Seam {
    /// Acts before this moment, in nanoseconds since the boot, are told by the programs
    /// before; 0 where there were none. `before` is what they told, up to
    /// [`OVERLAP_NS`] later.
    pub fn new(since_ns: u64, before: &Batch) -> Self {
        let near = before.iter().filter(|record| time_of(record) >= since_ns.saturating_sub(OVERLAP_NS));
        Self { since_ns, told: near.filter_map(header).collect() }
    }

    /// Whether the programs before have told what this record of these tells.
    pub fn has_told(&mut self, record: &[u8]) -> bool {
        let time = time_of(record);
        if time < self.since_ns {
            return true;
        }
        if self.told.is_empty() || time > self.since_ns.saturating_add(2 * OVERLAP_NS) {
            return false;
        }
        let Some(this) = header(record) else { return false };
        let apart = |other: &Header| other.boottime_ns.abs_diff(time);
        let same = |other: &Header| {
            apart(other) <= OVERLAP_NS && Header { boottime_ns: time, ..*other }.as_bytes() == this.as_bytes()
        };
        let candidates = self.told.iter().enumerate().filter(|(_, other)| same(other));
        let nearest = candidates.min_by_key(|(_, other)| apart(other)).map(|(place, _)| place);
        nearest.map(|place| self.told.swap_remove(place)).is_some()
    }
}

fn header(record: &[u8]) -> Option<Header> {
    Header::read_from_prefix(record).ok().map(|(header, _)| header)
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use super::*;

    fn record(tid: u32, time: u64) -> Vec<u8> {
        let mut header = Header::new_zeroed();
        (header.tid, header.boottime_ns) = (tid, time);
        header.as_bytes().to_vec()
    }

    #[test]
    fn an_act_that_both_saw_around_the_moment_is_told_once() {
        const SINCE: u64 = 1_000_000;
        let mut before = Batch::default();
        // The first saw these, some of them after the moment.
        for (tid, time) in [(1, SINCE - 500_000), (1, SINCE - 1_000), (2, SINCE + 2_000), (1, SINCE + 9_000)]
        {
            before.push(&record(tid, time));
        }
        let mut seam = Seam::new(SINCE, &before);
        let mut has_told = |tid, time| seam.has_told(&record(tid, time));
        assert!(has_told(3, SINCE - 1), "before the moment it is theirs");
        assert!(has_told(1, SINCE + 500), "they saw it before the moment, these after it");
        assert!(has_told(2, SINCE + 3_000));
        assert!(has_told(1, SINCE + 10_000));
        assert!(!has_told(1, SINCE + 12_000), "another one of the same thread");
        assert!(!has_told(3, SINCE + 2_000), "another thread's");
        assert!(!has_told(2, SINCE + 3_000), "each of theirs is one act");
    }

    #[test]
    fn without_programs_before_everything_is_new() {
        let mut seam = Seam::default();
        assert!(!seam.has_told(&record(1, 7)) && !seam.has_told(b"short"));
    }
}
