//! Where bytes from outside are understood: what fuzzers call, and a test with their
//! corpora. Whatever the bytes are, nothing here may panic, and no answer take long.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use activity_proto::{
    json,
    v1::{ConsumeRequest, Event, Filter, consume_request::Request},
};
use prost::Message as _;

use crate::{
    config::{Config, PolicyConfig, RedactionConfig},
    decode::{Decoded, Decoder, redact::Redactor},
    enrich::Enricher,
    logins,
    policy::Policy,
    source::recording::records,
    spool::{self, NotAConsumer},
    stream::Wanted,
};

static DECODER: LazyLock<Option<Decoder>> = LazyLock::new(|| {
    let redactor = Redactor::new(&RedactionConfig::default()).ok()?;
    Some(Decoder::new("00000000-boot", Arc::new(redactor)))
});

static POLICY: LazyLock<Option<Policy>> = LazyLock::new(|| Policy::new(&PolicyConfig::default(), None).ok());

/// Records of the kernel, as a recording has them: to JSON, and to a verdict.
pub fn record(bytes: &[u8]) {
    let (Some(decoder), Some(policy)) = (&*DECODER, &*POLICY) else { return };
    let mut enricher = Enricher::knowing_nothing();
    for record in records(bytes) {
        match decoder.decode(record, 0) {
            Ok(Decoded::Fork(fork)) => enricher.forked(&fork),
            Ok(Decoded::Level(level)) => enricher.led_to(level),
            Ok(Decoded::Event(mut event)) => {
                enricher.enrich(&mut event);
                let _ = policy.decide(&event, &enricher.ancestry(&event));
                let _ = json::to_json(&event).to_string();
            }
            Err(_) => {}
        }
    }
}

/// A configuration file: to settings, a policy and rules of redaction, or to sentences.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(text, Path::new("config.toml")) {
        Ok(config) => {
            let _ = Policy::new(&config.policy, None);
            let _ = Redactor::new(&config.redaction);
        }
        Err(error) => drop(error.to_string()),
    }
}

/// A subscriber's filter, after its length in one byte, and an event that it is about.
pub fn filter(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first() else { return };
    let Some((filter, event)) = rest.split_at_checked((*length).into()) else { return };
    let (Ok(filter), Ok(event)) = (Filter::decode(filter), Event::decode(event)) else { return };
    if let Ok(wanted) = Wanted::new(Some(filter)) {
        assert!(wanted.matches(&event) || !wanted.is_everything());
    }
}

/// What a consumer says.
pub fn request(bytes: &[u8]) {
    let Ok(ConsumeRequest { request: Some(Request::Start(start)) }) = ConsumeRequest::decode(bytes) else {
        return;
    };
    if let Ok(name) = NotAConsumer::or_name(None, &start.consumer) {
        assert!(!name.contains(|c: char| c.is_control() || c == '/'));
    }
}

/// A segment of the spool.
pub fn spool(bytes: &[u8]) {
    spool::understand(bytes);
}

/// A line of sshd's log.
pub fn login(bytes: &[u8]) {
    logins::understand(bytes);
}
