//! A sum over events that does not depend on their order: whether two sets of files have
//! the same ones.

use crate::seal::Digest;

/// The sum of the BLAKE3 hashes of events, each as four numbers of 64 bits, modulo 2⁶⁴.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum([u64; 4]);

impl Sum {
    /// Adds an event.
    pub fn add(&mut self, event: &[u8]) {
        self.add_sum(Self::from(Digest::from(blake3::hash(event))));
    }

    /// Adds what others summed up.
    pub fn add_sum(&mut self, other: Self) {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            *part = part.wrapping_add(other);
        }
    }
}

impl From<Digest> for Sum {
    fn from(digest: Digest) -> Self {
        let (parts, _) = digest.0.as_chunks::<8>();
        let mut sum = Self::default();
        sum.0.iter_mut().zip(parts).for_each(|(number, part)| *number = u64::from_le_bytes(*part));
        sum
    }
}

impl From<Sum> for Digest {
    fn from(sum: Sum) -> Self {
        let mut digest = Self::default();
        let (parts, _) = digest.0.as_chunks_mut::<8>();
        parts.iter_mut().zip(sum.0).for_each(|(part, number)| *part = number.to_le_bytes());
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(events: &[&str]) -> Sum {
        let mut sum = Sum::default();
        events.iter().for_each(|event| sum.add(event.as_bytes()));
        sum
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        assert_eq!(sum(&["a", "b", "c"]), sum(&["c", "a", "b"]));
        let mut parts = sum(&["a"]);
        parts.add_sum(sum(&["b"]));
        assert_eq!(parts, sum(&["b", "a"]));
        for other in [&["a"][..], &["a", "a"], &["a", "b", "b"], &["ab"]] {
            assert_ne!(sum(&["a", "b"]), sum(other));
        }
        assert_eq!(Sum::from(Digest::from(parts)), parts);
    }
}
