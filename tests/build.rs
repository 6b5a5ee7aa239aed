//! Builds the control's kernel object and names it in `CONTROL_EBPF_OBJECT`.

use std::process::ExitCode;

fn main() -> ExitCode {
    sensor_ebpf_builder::embed("control", "CONTROL_EBPF_OBJECT")
}
