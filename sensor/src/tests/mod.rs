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
