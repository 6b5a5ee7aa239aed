//! Frames: how a payload lies in a segment.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | marker of the segment, little endian |
//! | 4 | length of the payload, little endian |
//! | 4 | CRC-32 (IEEE) of the length field and the payload, little endian |
//! | length | payload |
//!
//! A segment has no header: its name has the marker, a random number, and so all
//! that is needed to read it; no damage inside makes all of it unreadable. Who meets
//! bytes that are no whole frame looks for the next marker from which one checks out.
//! The marker is not known to those whose doings are recorded, so none of their
//! arguments or file names can pass for a frame.

use bytes::{Buf as _, Bytes};

/// Bytes before a payload.
pub const HEADER: usize = 16;

/// What the frames of one segment have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frames {
    marker: u64,
    most: u32,
}

/// What a segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// The payloads of whole frames, in order.
    pub payloads: Vec<Bytes>,
    /// Places where something that is no frame was skipped.
    pub damaged: u64,
    /// Bytes after the last frame that make none: a write that was cut.
    pub torn: usize,
}

impl Frames {
    /// Those with this marker, of payloads of up to `most` bytes.
    #[must_use]
    pub fn new(marker: u64, most: u32) -> Self {
        Self { marker, most }
    }

    /// The header of a payload that is made of `parts`; `None` when it is too large.
    #[must_use]
    pub fn header(&self, parts: &[&[u8]]) -> Option<[u8; HEADER]> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).ok().filter(|length| *length <= self.most)?.to_le_bytes();
        let [a, b, c, d, e, f, g, h] = self.marker.to_le_bytes();
        let [i, j, k, l] = length;
        let [m, n, o, p] = checksum(length, parts).to_le_bytes();
        Some([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// Length of the whole frame of which these are the first bytes; `None` where
    /// they are no header.
    #[must_use]
    pub fn length(&self, header: &[u8; HEADER]) -> Option<usize> {
        let (marker, rest) = header.split_first_chunk::<8>()?;
        let (length, _) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        let fits = u64::from_le_bytes(*marker) == self.marker && length <= self.most;
        fits.then_some(HEADER + length as usize)
    }

    /// Takes the frame that `bytes` begin with and gives its payload, which shares
    /// their memory; leaves them alone where there is none.
    pub fn take(&self, bytes: &mut Bytes) -> Option<Bytes> {
        let header = bytes.first_chunk::<HEADER>()?;
        let end = self.length(header)?;
        let payload = bytes.get(HEADER..end)?;
        let (_, rest) = header.split_first_chunk::<8>()?;
        let (length, crc) = rest.split_first_chunk::<4>()?;
        if checksum(*length, &[payload]).to_le_bytes() != *crc {
            return None;
        }
        let payload = bytes.slice(HEADER..end);
        bytes.advance(end);
        Some(payload)
    }

    /// How far into `bytes`, beyond their beginning, the next whole frame begins.
    #[must_use]
    pub fn find(&self, bytes: &Bytes) -> Option<usize> {
        let marker = self.marker.to_le_bytes();
        let candidates = memchr::memmem::find_iter(bytes, &marker).filter(|at| *at > 0);
        candidates.into_iter().find(|&at| self.take(&mut bytes.slice(at..)).is_some())
    }

    /// Reads every frame that can be read.
    #[must_use]
    pub fn scan(&self, mut bytes: Bytes) -> Scan {
        let mut scan = Scan::default();
        while !bytes.is_empty() {
            if let Some(payload) = self.take(&mut bytes) {
                scan.payloads.push(payload);
            } else if let Some(skip) = self.find(&bytes) {
                scan.damaged += 1;
                bytes.advance(skip);
            } else {
                scan.torn = bytes.len();
                break;
            }
        }
        scan
    }
}

fn checksum(length: [u8; 4], parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAMES: Frames = Frames { marker: 0x0123_4567_89ab_cdef, most: 1 << 20 };

    fn written(payloads: &[&[u8]]) -> Vec<u8> {
        let framed = |payload: &&[u8]| [&FRAMES.header(&[payload]).unwrap()[..], payload].concat();
        payloads.iter().flat_map(framed).collect()
    }

    const THREE: [&[u8]; 3] = [b"first", b"the second one", b"third"];

    fn ends() -> Vec<usize> {
        (1..=3).map(|n| written(&THREE[..n]).len()).collect()
    }

    #[test]
    fn a_payload_in_parts_is_one_payload() {
        let (whole, parts) = (FRAMES.header(&[b"abcd"]), FRAMES.header(&[b"ab", b"", b"cd"]));
        assert_eq!(whole, parts);
    }

    #[test]
    fn a_cut_at_any_byte_costs_only_the_frame_that_was_cut() {
        let bytes = written(&THREE);
        for cut in 0..=bytes.len() {
            let scan = FRAMES.scan(Bytes::copy_from_slice(&bytes[..cut]));
            let whole = ends().iter().filter(|&&end| end <= cut).count();
            assert_eq!(scan.payloads, THREE[..whole], "cut at {cut}");
            let torn = cut - if whole == 0 { 0 } else { ends()[whole - 1] };
            assert_eq!((scan.damaged, scan.torn), (0, torn), "cut at {cut}");
        }
    }

    #[test]
    fn a_flip_of_any_bit_costs_only_the_frame_it_is_in() {
        let whole = written(&THREE);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let scan = FRAMES.scan(Bytes::from(bytes));
            let hit = ends().iter().filter(|&&end| end <= bit / 8).count();
            let mut left = THREE.to_vec();
            left.remove(hit);
            assert_eq!(scan.payloads, left, "bit {bit}");
            // Nothing follows the last frame, so it looks like a cut write.
            let counted = (scan.damaged, scan.torn > 0);
            assert_eq!(counted, if hit == 2 { (0, true) } else { (1, false) }, "bit {bit}");
        }
    }

    #[test]
    fn a_frame_inside_a_payload_of_another_segment_is_not_taken_for_one() {
        let other = Frames::new(7, 1 << 20);
        let inner = written(&[b"forged"]);
        let mut outer = [&other.header(&[&inner]).unwrap()[..], &inner].concat();
        outer[0] ^= 1;
        assert!(other.scan(outer.into()).payloads.is_empty());
    }

    #[test]
    fn a_payload_that_is_too_large_has_no_header() {
        assert!(Frames::new(1, 4).header(&[b"12", b"345"]).is_none());
        assert!(Frames::new(1, 5).header(&[b"12", b"345"]).is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = FRAMES.scan(Bytes::from(bytes));
        }

        #[test]
        fn what_is_framed_is_read(payloads: Vec<Vec<u8>>) {
            let slices: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(FRAMES.scan(written(&slices).into()).payloads, payloads);
        }
    }
}
