//! Whether what a heartbeat tells adds up: the equations are at
//! `activity.sensor.v1.Heartbeat`.

use crate::v1::{Heartbeat, TypeTerms};

impl TypeTerms {
    /// Acts of which a hook did not count what became of them: 0.
    #[must_use]
    pub fn kernel_error(&self) -> i64 {
        let known = [
            self.kernel_filtered,
            self.folded,
            self.ring_full,
            self.unreadable,
            self.not_covered,
            self.recorded,
        ];
        difference(&[self.hits], &known)
    }

    /// Records of which the sensor has not counted what became of them: those that
    /// are in the ring buffers or wait their turn, and else 0.
    #[must_use]
    pub fn pipeline_error(&self) -> i64 {
        let known = [self.rejected, self.internal, self.filtered, self.shed, self.published, self.lost];
        difference(&[self.recorded, self.own, self.totals], &known)
    }

    /// Both together.
    #[must_use]
    pub fn conservation_error(&self) -> i64 {
        self.kernel_error().wrapping_add(self.pipeline_error())
    }

    /// Whether nothing of this type was ever seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self { r#type: self.r#type, ..Self::default() }
    }
}

impl Heartbeat {
    /// Acts of which nobody says what became of them: what is in the ring buffers at
    /// this moment. It is 0 when nothing is under way, and never below.
    #[must_use]
    pub fn conservation_error(&self) -> i64 {
        let types = self.types.iter().map(TypeTerms::conservation_error);
        types.fold(self.in_flight.cast_signed().wrapping_neg(), i64::wrapping_add)
    }

    /// One of the counts over all types.
    #[must_use]
    pub fn total(&self, term: impl Fn(&TypeTerms) -> u64) -> u64 {
        self.types.iter().map(term).fold(0, u64::wrapping_add)
    }
}

/// What the terms on the left are more than those on the right. The terms come from
/// elsewhere: any of them may be any number.
fn difference(left: &[u64], right: &[u64]) -> i64 {
    let sum = |terms: &[u64]| terms.iter().copied().fold(0, u64::wrapping_add);
    sum(left).wrapping_sub(sum(right)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::EventType;

    fn opens() -> TypeTerms {
        TypeTerms {
            r#type: EventType::Open.into(),
            hits: 100,
            kernel_filtered: 10,
            folded: 20,
            ring_full: 3,
            unreadable: 1,
            not_covered: 2,
            recorded: 64,
            rejected: 1,
            internal: 3,
            filtered: 20,
            shed: 10,
            // Two of them tell of the folded; one is the sensor's own.
            published: 33,
            own: 1,
            totals: 2,
            lost: 0,
        }
    }

    #[test]
    fn each_term_counts_on_its_side() {
        assert_eq!((opens().kernel_error(), opens().pipeline_error()), (0, 0));
        let change = |change: fn(&mut TypeTerms)| {
            let mut terms = opens();
            change(&mut terms);
            (terms.kernel_error(), terms.pipeline_error())
        };
        assert_eq!(change(|terms| terms.hits += 1), (1, 0));
        for lost in [
            change(|terms| terms.kernel_filtered += 1),
            change(|terms| terms.folded += 1),
            change(|terms| terms.ring_full += 1),
            change(|terms| terms.unreadable += 1),
            change(|terms| terms.not_covered += 1),
        ] {
            assert_eq!(lost, (-1, 0));
        }
        assert_eq!(change(|terms| terms.recorded += 1), (-1, 1));
        for done in [
            change(|terms| terms.rejected += 1),
            change(|terms| terms.internal += 1),
            change(|terms| terms.filtered += 1),
            change(|terms| terms.shed += 1),
            change(|terms| terms.published += 1),
            change(|terms| terms.lost += 1),
        ] {
            assert_eq!(done, (0, -1));
        }
        for without_record in [change(|terms| terms.own += 1), change(|terms| terms.totals += 1)] {
            assert_eq!(without_record, (0, 1));
        }
    }

    #[test]
    fn what_is_under_way_is_no_error_and_what_is_in_the_rings_is() {
        let mut terms = opens();
        terms.published -= 7;
        let mut heartbeat = Heartbeat { types: vec![terms], in_flight: 7, ..Heartbeat::default() };
        assert_eq!(heartbeat.conservation_error(), 0);
        heartbeat.in_flight = 4;
        assert_eq!(heartbeat.conservation_error(), 3);
        assert_eq!(heartbeat.total(|terms| terms.hits), 100);
    }

    #[test]
    fn no_number_from_elsewhere_is_too_large() {
        let types = vec![TypeTerms { hits: u64::MAX, recorded: 1, own: u64::MAX, ..TypeTerms::default() }];
        let heartbeat = Heartbeat { types, in_flight: u64::MAX, ..Heartbeat::default() };
        let _ = heartbeat.conservation_error();
        assert_eq!(heartbeat.total(|terms| terms.hits), u64::MAX);
    }
}
