//! A message of events: to JSON, and back to the same bytes as far as they are known.

#![no_main]

use activity_proto::{json, v1::SubscribeResponse};
use prost::Message as _;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(response) = SubscribeResponse::decode(bytes) else { return };
    for event in &response.events {
        let text = json::to_json(event).to_string();
        assert!(!text.contains(|c| c < ' '), "{text:?}");
    }
    let encoded = response.encode_to_vec();
    assert_eq!(SubscribeResponse::decode(&*encoded).map(|same| same.encode_to_vec()), Ok(encoded));
});
