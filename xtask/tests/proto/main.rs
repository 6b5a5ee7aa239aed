//! The .proto files keep every promise of the last release.
//!
//! `proto/released.bin` holds the descriptors as they were released. A release
//! records its own with `cargo xtask lint --accept-proto`.

#![expect(clippy::expect_used, reason = "a test program fails by panicking")]

mod breaking;

use std::{env, fs, path::Path};

use prost::Message as _;
use prost_types::FileDescriptorSet;

use self::breaking::breaking;

const RELEASED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/released.bin");

/// Our own files, without what is only there for people.
fn current() -> FileDescriptorSet {
    let mut set = FileDescriptorSet::decode(activity_proto::FILE_DESCRIPTOR_SET).expect("descriptors decode");
    set.file.retain(|file| file.package().starts_with("activity."));
    for file in &mut set.file {
        file.source_code_info = None;
    }
    assert!(!set.file.is_empty());
    set
}

#[test]
fn nothing_that_was_released_is_gone_or_changed() {
    let current = current();
    let released = Path::new(RELEASED);
    if env::var_os("ACTIVITY_ACCEPT_PROTO").is_some() {
        fs::write(released, current.encode_to_vec()).expect("proto/released.bin is written");
    }
    let bytes = fs::read(released).expect("proto/released.bin is there");
    let released = FileDescriptorSet::decode(&*bytes).expect("proto/released.bin decodes");
    let broken = breaking(&released, &current);
    assert!(broken.is_empty(), "other programs rely on:\n{}", broken.join("\n"));
}
