//! Builds the kernel objects of the tests and of the benchmark, and names them in
//! `CONTROL_EBPF_OBJECT` and `FLOOR_EBPF_OBJECT`.

use std::process::ExitCode;

use sensor_ebpf_builder::embed;

fn main() -> ExitCode {
    for (name, variable) in [("control", "CONTROL_EBPF_OBJECT"), ("floor", "FLOOR_EBPF_OBJECT")] {
        if embed(name, variable) != ExitCode::SUCCESS {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
