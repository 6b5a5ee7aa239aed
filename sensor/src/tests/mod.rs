//! What goes through several stages: recordings of real activity, without a kernel.

mod corpus;
mod replay;
mod stages;

use std::sync::Arc;

use activity_proto::v1::Event;

use crate::{
    config::RedactionConfig,
    decode::{Decoded, Decoder, redact::Redactor},
    enrich::Enricher,
};

/// A login with `id`, a read of /etc/shadow, a refused connect, a program that
/// does not exist and a password on a command line.
static RECORDING: &[u8] = include_bytes!("../../testdata/login.records");

fn decoder() -> Decoder {
    Decoder::new("00000000-boot", Arc::new(Redactor::new(&RedactionConfig::default()).unwrap()))
}

/// The event that a record tells of; what it tells else goes to the enricher.
fn event_of(decoded: Decoded, enricher: &mut Enricher) -> Option<Event> {
    match decoded {
        Decoded::Fork(fork) => enricher.forked(&fork),
        Decoded::Level(level) => enricher.led_to(level),
        Decoded::Event(event) => return Some(*event),
    }
    None
}
