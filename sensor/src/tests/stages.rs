//! What each stage takes for an event. `cargo xtask stages` runs this under
//! callgrind, which counts the instructions within the functions `stage_…`.

use activity_proto::EncodedEvents;
use prost::Message as _;

use super::*;
use crate::{
    config::PolicyConfig,
    policy::{Policy, Verdict},
    source::recording::records,
};

/// How often the recording is gone through.
const ROUNDS: usize = 20;

#[inline(never)]
fn stage_decode(decoder: &Decoder, records: &[&[u8]]) -> Vec<Decoded> {
    records.iter().map(|record| decoder.decode(record, 0).unwrap()).collect()
}

#[inline(never)]
fn stage_enrich(enricher: &mut Enricher, decoded: Vec<Decoded>) -> Vec<Event> {
    let mut events = Vec::with_capacity(decoded.len());
    for decoded in decoded {
        if let Some(mut event) = enricher.event_of(decoded) {
            enricher.enrich(&mut event);
            events.push(event);
        }
    }
    events
}

#[inline(never)]
fn stage_judge(policy: &Policy, enricher: &Enricher, events: &[Event]) -> usize {
    let keeps = |event: &&Event| policy.decide(event, &enricher.ancestry(event)) == Verdict::Keep;
    events.iter().filter(keeps).count()
}

/// As the pipeline does it: one after another into one buffer, with what all share.
#[inline(never)]
fn stage_encode(common: &[u8], events: &[Event]) -> usize {
    let mut buffer = Vec::with_capacity(events.len() * 1024);
    for event in events {
        EncodedEvents::append(&mut buffer, common, event);
    }
    buffer.len()
}

#[test]
fn every_stage_handles_the_recording() {
    let policy = Policy::new(&PolicyConfig::default(), None).unwrap();
    let (decoder, records) = (decoder(), records(RECORDING).collect::<Vec<_>>());
    let common = Event { host: "web-1".to_owned(), ..Event::default() }.encode_to_vec();
    let mut events = 0;
    for _ in 0..ROUNDS {
        let mut enricher = Enricher::knowing_nothing();
        let all = stage_enrich(&mut enricher, stage_decode(&decoder, &records));
        assert!(stage_judge(&policy, &enricher, &all) > 0);
        assert!(stage_encode(&common, &all) > all.len() * 100);
        events += all.len();
    }
    println!("events: {events}");
}
