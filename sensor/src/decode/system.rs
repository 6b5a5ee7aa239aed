//! Reaching into other processes and into the kernel.

use activity_proto::v1::{self, Event, Outcome, Process, PtraceOperation, TamperObject, event::Payload};
use sensor_types::system::{
    ATTACH, Bpf, DESCRIPTOR, LINK, MAP, MEMORY_READ, MEMORY_WRITE, Module, PROGRAM, Ptrace, REQUEST,
};

use super::{DecodeError, Decoder, bpf_command, fixed, outcome, until_nul};

/// Another process was reached into.
pub fn ptrace(record: &[u8], event: &mut Event, decoder: &Decoder) -> Result<(), DecodeError> {
    let ptrace: Ptrace = fixed(record)?;
    let operation = match ptrace.operation {
        ATTACH => PtraceOperation::Attach,
        REQUEST => PtraceOperation::Request,
        MEMORY_WRITE => PtraceOperation::MemoryWrite,
        MEMORY_READ => PtraceOperation::MemoryRead,
        DESCRIPTOR => PtraceOperation::Descriptor,
        _ => PtraceOperation::Unspecified,
    };
    let start = ptrace.target_start_ns;
    event.outcome = Some(outcome(ptrace.result));
    event.payload = Some(Payload::Ptrace(v1::Ptrace {
        operation: operation.into(),
        target: Some(Process {
            pid: ptrace.target_pid,
            // Without the start it could be any process that ever had the pid.
            uid: if start == 0 { String::new() } else { decoder.process_uid(ptrace.target_pid, start) },
            start_boottime_ns: start,
            comm: until_nul(&ptrace.target_comm),
            ..Process::default()
        }),
        request: (operation == PtraceOperation::Request).then_some(ptrace.request),
    }));
    Ok(())
}

/// A program was loaded into the kernel, or ours were touched.
pub fn bpf(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let bpf: Bpf = fixed(record)?;
    let name = until_nul(&bpf.name);
    event.outcome = Some(outcome(bpf.result));
    event.payload = Some(if bpf.ours == 1 {
        let object = match bpf.object {
            PROGRAM => TamperObject::Program,
            MAP => TamperObject::Map,
            LINK => TamperObject::Link,
            _ => TamperObject::Unspecified,
        };
        let command = bpf_command::name(bpf.command);
        Payload::Tamper(v1::Tamper { command, object: object.into(), object_id: bpf.id, name })
    } else if bpf.command == bpf_command::PROG_LOAD {
        let program_id = (bpf.id != 0).then_some(bpf.id);
        Payload::BpfLoad(v1::BpfLoad { name, program_type: bpf.program_type, program_id })
    } else {
        return Err(DecodeError::NotRecorded);
    });
    Ok(())
}

/// A module was loaded.
pub fn module(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let module: Module = fixed(record)?;
    // Only those that the kernel took are recorded.
    event.outcome = Some(Outcome { success: true, errno: None });
    event.payload = Some(Payload::ModuleLoad(v1::ModuleLoad { name: until_nul(&module.name) }));
    Ok(())
}
