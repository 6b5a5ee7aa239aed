//! The body of a message of events after a number in one byte: so many are left out
//! without decoding them, and what is left is what would be left of the decoded ones.

#![no_main]

use activity_proto::{EncodedEvents, v1::SubscribeResponse};
use bytes::Bytes;
use prost::Message as _;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&skipped, bytes)) = input.split_first() else { return };
    let body = EncodedEvents::from_bytes(Bytes::copy_from_slice(bytes));
    let rest = body.without_first(skipped.into());
    assert!(rest.len() <= body.len() && bytes.ends_with(rest.bytes()));
    let whole = SubscribeResponse::decode(bytes);
    if let (Ok(mut whole), false) = (whole, rest.is_empty()) {
        let rest = SubscribeResponse::decode(rest.bytes().clone());
        whole.events.drain(..usize::from(skipped).min(whole.events.len()));
        assert_eq!(rest.map(|rest| rest.encode_to_vec()), Ok(whole.encode_to_vec()));
    }
});
