//! Reaching into the kernel: programs and modules loaded, the sensor's own
//! programs touched.

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit},
    programs::{BtfTracePointContext, FEntryContext, FExitContext},
};
use sensor_types::{
    act::Act,
    header::NAME_LEN,
    system::{Bpf, LINK, MAP, MODULE_NAME_LEN, Module, PROGRAM},
};

use super::{opened::file_of, syscall::SystemCall};
use crate::{
    identity::Current,
    kernel::{Address, blank, copy_kernel_str},
    maps::{OURS, PROCESS_RING, form, offset, result_of},
    ring::{Lost, count, reserve},
};

/// `enum bpf_cmd` of linux/bpf.h: what loads a program, and what changes maps
/// and links.
mod command {
    pub const MAP_UPDATE: u32 = 2;
    pub const MAP_DELETE: u32 = 3;
    pub const PROGRAM_LOAD: u32 = 5;
    pub const MAP_LOOKUP_AND_DELETE: u32 = 21;
    pub const MAP_FREEZE: u32 = 22;
    pub const MAP_LOOKUP_AND_DELETE_BATCH: u32 = 25;
    pub const MAP_UPDATE_BATCH: u32 = 26;
    pub const MAP_DELETE_BATCH: u32 = 27;
    pub const LINK_UPDATE: u32 = 29;
    pub const LINK_DETACH: u32 = 34;
}

/// Where `map_fd` stands in `union bpf_attr`: first, but behind four words and
/// a half of the batch operations.
const BATCH_MAP: usize = 36;

/// `PERF_BPF_EVENT_PROG_LOAD`
const LOADED: u32 = 1;

/// A kernel object, as far as it matters.
#[derive(Clone, Copy)]
struct Object {
    kind: u32,
    id: u32,
    /// A name of at most [`NAME_LEN`] bytes; null without one.
    name: Address,
    program_type: u32,
    ours: u32,
}

#[inline(always)]
fn record(current: Current, command: u32, object: &Object, result: i32) -> Result<(), Lost> {
    let mut record = reserve::<Bpf>(&PROCESS_RING)?;
    let bpf = record.as_mut_ptr();
    // SAFETY: `bpf` points to the reserved record.
    let header = unsafe {
        (*bpf).command = command;
        (*bpf).result = result;
        (*bpf).object = object.kind;
        (*bpf).id = object.id;
        (*bpf).program_type = object.program_type;
        (*bpf).ours = object.ours;
        blank(&raw mut (*bpf).name);
        if !object.name.is_null() {
            copy_kernel_str((&raw mut (*bpf).name).cast(), NAME_LEN as u32, object.name);
        }
        current.write_header(&raw mut (*bpf).header, Act::Bpf)
    };
    record.finish(header)
}

/// `void perf_event_bpf_event(struct bpf_prog *prog, enum perf_bpf_event_type type, u16 flags)`
///
/// Called once for each program that was loaded, when it has its number; and
/// when one is taken out.
#[fentry]
fn bpf_loaded(ctx: FEntryContext) -> i32 {
    if ctx.arg::<u64>(1) as u32 != LOADED {
        return 0;
    }
    let Some(current) = Current::get() else { return 0 };
    let outcome = program(Address(ctx.arg(0)))
        .ok_or(Lost::Unreadable)
        .and_then(|program| record(current, command::PROGRAM_LOAD, &program, 0));
    count(Act::Bpf, &outcome);
    0
}

/// What `struct bpf_prog` says.
#[inline(always)]
fn program(program: Address) -> Option<Object> {
    let aux = program.follow(offset!(bpf_prog_aux))?;
    Some(Object {
        kind: PROGRAM,
        id: aux.read(offset!(bpf_prog_aux_id))?,
        name: aux.add(offset!(bpf_prog_aux_name)),
        program_type: program.read(offset!(bpf_prog_type))?,
        ours: 0,
    })
}

/// `int security_bpf(int cmd, union bpf_attr *attr, unsigned int size, …)`
///
/// Asked for every call of bpf(2), with its arguments in the kernel's memory;
/// the outcome is the security modules'.
#[fexit]
fn bpf_call(ctx: FExitContext) -> i32 {
    let command = ctx.arg::<u64>(0) as u32;
    if kind_of(command) == 0 {
        return 0;
    }
    let Some(current) = Current::get() else { return 0 };
    let attributes = Address(ctx.arg(1));
    if let Some(descriptor) = attributes.read::<u32>(place_of(command)) {
        touched(current, command, descriptor, result_of(&ctx, form!(security_bpf)) as i32);
    }
    0
}

/// The kind of object that a command changes; 0 for other commands.
#[inline(always)]
fn kind_of(command: u32) -> u32 {
    match command {
        command::MAP_UPDATE
        | command::MAP_DELETE
        | command::MAP_LOOKUP_AND_DELETE
        | command::MAP_FREEZE
        | command::MAP_LOOKUP_AND_DELETE_BATCH
        | command::MAP_UPDATE_BATCH
        | command::MAP_DELETE_BATCH => MAP,
        command::LINK_UPDATE | command::LINK_DETACH => LINK,
        _ => 0,
    }
}

#[inline(always)]
fn place_of(command: u32) -> usize {
    match command {
        command::MAP_LOOKUP_AND_DELETE_BATCH | command::MAP_UPDATE_BATCH | command::MAP_DELETE_BATCH => {
            BATCH_MAP
        }
        _ => 0,
    }
}

/// Records that a map or link was touched, if it is the sensor's own.
#[inline(always)]
fn touched(current: Current, command: u32, descriptor: u32, result: i32) -> Option<()> {
    let kind = kind_of(command);
    let object = file_of(current.task, descriptor)?.follow(offset!(file_private_data))?;
    let (id, name): (u32, Address) = if kind == MAP {
        (object.read(offset!(bpf_map_id))?, object.add(offset!(bpf_map_name)))
    } else {
        (object.read(offset!(bpf_link_id))?, Address::NULL)
    };
    let key = u64::from(kind) << 32 | u64::from(id);
    // SAFETY: nothing of the entry is kept.
    unsafe { OURS.get(&key) }?;
    let object = Object { kind, id, name, program_type: 0, ours: 1 };
    count(Act::Bpf, &record(current, command, &object, result));
    Some(())
}

/// `trace_sys_exit(struct pt_regs *regs, long ret)`, for bpf.
#[btf_tracepoint(function = "sys_exit")]
fn call_bpf(ctx: BtfTracePointContext) -> i32 {
    let Some(call) = SystemCall::of(&ctx) else { return 0 };
    let Some(current) = Current::get() else { return 0 };
    let command = call.arguments[0] as u32;
    if command == command::PROGRAM_LOAD {
        let failed = Object { kind: PROGRAM, id: 0, name: Address::NULL, program_type: 0, ours: 0 };
        let loaded = file_of(current.task, call.result as u32)
            .filter(|_| call.result >= 0)
            .and_then(|file| file.follow(offset!(file_private_data)))
            .and_then(program);
        let result = if call.result < 0 { call.result as i32 } else { 0 };
        count(Act::Bpf, &record(current, command, &loaded.unwrap_or(failed), result));
    } else if kind_of(command) != 0
        && let Some(descriptor) = Address(call.arguments[1]).add(place_of(command)).read_user::<u32>()
    {
        touched(current, command, descriptor, call.result as i32);
    }
    0
}

/// `trace_module_load(struct module *mod)`
#[btf_tracepoint(function = "module_load")]
fn module_load(ctx: BtfTracePointContext) -> i32 {
    let Some(current) = Current::get() else { return 0 };
    count(Act::ModuleLoad, &record_module(current, Address::of(ctx.arg::<*const u8>(0))));
    0
}

#[inline(always)]
fn record_module(current: Current, module: Address) -> Result<(), Lost> {
    let mut record = reserve::<Module>(&PROCESS_RING)?;
    let load = record.as_mut_ptr();
    // SAFETY: `load` points to the reserved record.
    let header = unsafe {
        blank(&raw mut (*load).name);
        let name = (&raw mut (*load).name).cast();
        copy_kernel_str(name, MODULE_NAME_LEN as u32, module.add(offset!(module_name)));
        current.write_header(&raw mut (*load).header, Act::ModuleLoad)
    };
    record.finish(header)
}
