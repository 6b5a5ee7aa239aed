//! Builds the kernel object and names it in `SENSOR_EBPF_OBJECT`.

use std::process::ExitCode;

fn main() -> ExitCode {
    sensor_ebpf_builder::embed("sensor-ebpf", "SENSOR_EBPF_OBJECT")
}
