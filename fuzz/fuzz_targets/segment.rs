//! A segment: what is whole is found, every byte is accounted for, and what is written
//! again from it is read again.

#![no_main]

use activity_segments::{Frames, HEADER};
use bytes::Bytes;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let frames = Frames::new(u64::from_le_bytes(*b"marker!\n"), 1 << 20);
    let scan = frames.scan(Bytes::copy_from_slice(bytes));
    let whole: usize = scan.payloads.iter().map(|payload| HEADER + payload.len()).sum();
    assert!(whole + scan.torn <= bytes.len());
    assert_eq!(whole + scan.torn == bytes.len(), scan.damaged == 0);
    let mut again = Vec::new();
    for payload in &scan.payloads {
        again.extend(frames.header(&[payload]).expect("it was no longer before"));
        again.extend_from_slice(payload);
    }
    let second = frames.scan(Bytes::from(again));
    assert_eq!((second.payloads, second.damaged, second.torn), (scan.payloads, 0, 0));
});
