//! Recordings of real activity, decoded and enriched without a kernel.

use activity_proto::json;
use proptest::prelude::*;

use super::*;
use crate::{
    config::PolicyConfig,
    enrich::Enriched,
    policy::{Policy, Verdict},
    source::recording::records,
};

/// The JSON lines of a recording, as far as the default policy keeps them.
fn replay(recording: &[u8]) -> Vec<String> {
    let (decoder, mut enricher) = (decoder(), Enricher::knowing_nothing());
    let policy = Policy::new(&PolicyConfig::default(), None).unwrap();
    let mut lines = Vec::new();
    for record in records(recording) {
        let Some(mut event) = enricher.event_of(decoder.decode(record, 0).unwrap()) else { continue };
        let is_new = enricher.enrich(&mut event) == Enriched::New;
        if is_new && policy.decide(&event, &enricher.ancestry(&event)) == Verdict::Keep {
            lines.push(json::to_json(&event).to_string());
        }
    }
    lines
}

#[test]
fn a_recorded_login_comes_out_as_it_did_when_it_was_reviewed() {
    insta::assert_snapshot!(replay(RECORDING).join("\n"));
}

#[test]
fn every_cut_of_a_record_is_decoded_or_refused() {
    let decoder = decoder();
    for record in records(RECORDING) {
        for length in 0..record.len().min(1024) {
            let _ = decoder.decode(&record[..length], 0);
        }
    }
}

proptest! {
    #[test]
    fn a_record_with_any_bytes_changed_is_decoded_or_refused(
        index in 0_usize..64, changes in prop::collection::vec((0_usize..4096, any::<u8>()), 1..16)
    ) {
        let decoder = decoder();
        let all: Vec<&[u8]> = records(RECORDING).collect();
        let mut record = all[index % all.len()].to_vec();
        for (at, byte) in changes {
            let at = at % record.len();
            record[at] = byte;
        }
        if let Ok(Decoded::Event(mut event)) = decoder.decode(&record, 0) {
            Enricher::knowing_nothing().enrich(&mut event);
            let _ = json::to_json(&event).to_string();
        }
    }
}

/// Enrichment is on the way of every event. Printed with `--nocapture`; held to
/// its limit where the build is optimized.
#[test]
fn an_event_is_enriched_in_two_microseconds() {
    const ROUNDS: usize = 50;
    let decoder = decoder();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut enricher = Enricher::knowing_nothing();
        for record in records(RECORDING) {
            let Some(mut event) = enricher.event_of(decoder.decode(record, 0).unwrap()) else {
                continue;
            };
            let begun = std::time::Instant::now();
            enricher.enrich(&mut event);
            times.push(begun.elapsed());
        }
    }
    times.sort_unstable();
    let median = times[times.len() / 2];
    println!("enriching takes {median:?} at the median of {} events", times.len());
    assert!(cfg!(debug_assertions) || median.as_nanos() <= 2_000, "{median:?}");
}
