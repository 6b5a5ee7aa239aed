//! Generates the types and services from the .proto files, without `protoc`.

use std::{env, fs, path::PathBuf};

use protox::prost::Message as _;

const FILES: [&str; 4] = [
    "activity/sensor/v1/collector.proto",
    "activity/sensor/v1/event.proto",
    "activity/sensor/v1/query.proto",
    "activity/sensor/v1/sensor.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=activity");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = protox::compile(FILES, ["."])?;
    fs::write(out.join("descriptor.bin"), descriptors.encode_to_vec())?;

    let builder = || tonic_prost_build::configure().bytes(".").emit_rerun_if_changed(false);
    builder().build_server(false).compile_fds(descriptors.clone())?;

    // The server answers with events that are already encoded, once for all, and a
    // collector stores them as they come, so these types are ours.
    let server = out.join("server");
    fs::create_dir_all(&server)?;
    builder()
        .build_client(false)
        .extern_path(".activity.sensor.v1", "crate::v1")
        .extern_path(".activity.sensor.v1.SubscribeResponse", "crate::EncodedEvents")
        .extern_path(".activity.sensor.v1.ConsumeResponse", "crate::EncodedBatch")
        .extern_path(".activity.sensor.v1.DeliverRequest", "crate::RawDelivery")
        .out_dir(server)
        .compile_fds(descriptors)?;
    Ok(())
}
