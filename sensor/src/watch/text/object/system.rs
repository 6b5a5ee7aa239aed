//! Other processes, and the kernel.

use activity_proto::v1::{BpfLoad, ModuleLoad, Ptrace, PtraceOperation, Tamper};

use super::{
    super::quote::{push_word, word},
    Object,
    process::push_exe,
};

/// What was done to whom.
pub fn ptrace(ptrace: &Ptrace) -> Object {
    let mut body = match ptrace.operation() {
        PtraceOperation::Attach => "attach".to_owned(),
        PtraceOperation::Request => ptrace.request.map_or_else(|| "request".to_owned(), request),
        PtraceOperation::MemoryWrite => "memory write".to_owned(),
        PtraceOperation::MemoryRead => "memory read".to_owned(),
        PtraceOperation::Descriptor => "descriptor".to_owned(),
        PtraceOperation::Unspecified => String::new(),
    };
    if let Some(target) = &ptrace.target {
        body.push(' ');
        if !target.comm.is_empty() {
            push_word(&mut body, &target.comm);
        }
        body.push_str(&format!("[{}]", target.pid));
        if !target.exe.is_empty() {
            body.push(' ');
            push_exe(&mut body, target);
        }
    }
    Object { body, keep_end: 0, ..Object::default() }
}

/// The name of a request of ptrace(2), or its number.
fn request(number: u32) -> String {
    let name = match number {
        0 => "TRACEME",
        1 => "PEEKTEXT",
        2 => "PEEKDATA",
        3 => "PEEKUSER",
        4 => "POKETEXT",
        5 => "POKEDATA",
        6 => "POKEUSER",
        7 => "CONT",
        8 => "KILL",
        9 => "SINGLESTEP",
        12 => "GETREGS",
        13 => "SETREGS",
        16 => "ATTACH",
        17 => "DETACH",
        24 => "SYSCALL",
        0x4200 => "SETOPTIONS",
        0x4204 => "GETREGSET",
        0x4205 => "SETREGSET",
        0x4206 => "SEIZE",
        0x4207 => "INTERRUPT",
        _ => return format!("request {number}"),
    };
    format!("PTRACE_{name}")
}

/// The program by the name its maker gave it.
pub fn bpf_load(load: &BpfLoad) -> Object {
    let id = load.program_id.map(|id| format!(", id {id}")).unwrap_or_default();
    Object {
        body: named(&load.name),
        marks: format!(" [type {}{id}]", load.program_type),
        ..Object::default()
    }
}

/// The module by its name.
pub fn module_load(load: &ModuleLoad) -> Object {
    Object { body: named(&load.name), ..Object::default() }
}

/// What was asked of the kernel, and which object of the sensor it was about.
pub fn tamper(tamper: &Tamper) -> Object {
    let mut body = format!("{} {}", word(tamper.command.as_bytes()), tamper.object().short_name());
    if tamper.object_id != 0 {
        body.push_str(&format!(" {}", tamper.object_id));
    }
    if !tamper.name.is_empty() {
        body.push(' ');
        push_word(&mut body, &tamper.name);
    }
    Object { body, keep_end: 0, ..Object::default() }
}

fn named(name: &[u8]) -> String {
    if name.is_empty() { "[unnamed]".to_owned() } else { word(name) }
}
