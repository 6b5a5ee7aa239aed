//! The public interface of the sensor: package `activity.sensor.v1` as Rust
//! types, its clients and its servers, and the one way an event becomes JSON.

mod conservation;
mod encoded;
pub mod json;
mod names;
mod raw;

pub use encoded::{Delivered, EncodedBatch, EncodedDelivery, EncodedEvents};
pub use raw::{RawDelivered, RawDelivery, RawEvents};

/// Messages and the clients of `activity.sensor.v1`, generated from `proto/`.
#[expect(clippy::allow_attributes_without_reason, reason = "generated")]
#[expect(missing_docs, reason = "generated; the documentation is in the .proto files")]
pub mod v1 {
    tonic::include_proto!("activity.sensor.v1");
}

/// The server sides of `activity.sensor.v1`.
#[expect(clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated")]
pub mod server {
    include!(concat!(env!("OUT_DIR"), "/server/activity.sensor.v1.rs"));
}

/// The encoded `FileDescriptorSet` of the package, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

/// Largest gRPC message that either side sends or accepts, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
