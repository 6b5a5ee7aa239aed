//! Attaches the chosen hooks, one program after another.

use std::collections::BTreeMap;

use anyhow::Context as _;
use aya::{
    Ebpf,
    maps::{HashMap, ProgramArray},
    programs::{BtfTracePoint, FEntry, FExit, Program, ProgramError, links::FdLink},
};
use sensor_types::{
    act::Act,
    syscall::Jump,
    system::{LINK, MAP, PROGRAM},
};

use super::{
    choice::{Choice, Choices, Refused, is_trampoline},
    kernel::HookState,
    load::{LoadError, chain, is_permission},
    plan::{Hook, How, SYS_EXIT, WAYS},
};

/// What the kernel says to every trampoline where it is set up to refuse them.
const NO_TRAMPOLINES: &str = "this machine does not permit trampolines (fentry, fexit)";

/// The place of an act without a hook of its own.
const NOTICED: &str = "the thread's next act";

/// Attaches programs of one object.
pub struct Attacher<'a> {
    /// The object.
    pub ebpf: &'a mut Ebpf,
    types: &'a aya::Btf,
    /// What became of each program that was tried.
    tried: BTreeMap<&'static str, Result<(), String>>,
    /// What keeps programs attached, by their names.
    pub links: Vec<(&'static str, FdLink)>,
}

/// Why a program is not attached.
enum Failed {
    /// The kernel answered EPERM.
    NotPermitted,
    /// Anything else.
    Other(String),
}

impl<'a> Attacher<'a> {
    /// Nothing attached yet.
    pub fn new(ebpf: &'a mut Ebpf, types: &'a aya::Btf) -> Self {
        Self { ebpf, types, tried: BTreeMap::new(), links: Vec::new() }
    }

    /// Attaches the hooks of each choice. What the kernel refuses of the
    /// trampolines goes into `refused`, after which the choice is void. False:
    /// it refuses them all.
    ///
    /// # Errors
    /// When the kernel does not permit any program.
    pub fn attach(
        &mut self,
        choices: &mut [Choice],
        refused: &mut Refused,
        states: &mut Vec<HookState>,
    ) -> Result<bool, LoadError> {
        for choice in choices.iter_mut().filter(|choice| choice.obstacle.is_none()) {
            for (hook, place) in choice.hooks.clone() {
                match self.once(hook, place) {
                    Ok(()) => states.push(state(choice.act, hook.how, place, None)),
                    Err(Failed::NotPermitted) if !is_trampoline(hook) => return Err(LoadError::NotPermitted),
                    Err(Failed::NotPermitted) => {
                        let all = WAYS.iter().filter(|way| !way.trampolines.is_empty());
                        refused.extend(all.map(|way| (way.act as u32, NO_TRAMPOLINES.to_owned())));
                        return Ok(false);
                    }
                    Err(Failed::Other(reason)) if is_trampoline(hook) => {
                        refused.insert(choice.act as u32, reason);
                        break;
                    }
                    Err(Failed::Other(reason)) => {
                        states.push(state(choice.act, hook.how, place, Some(reason.clone())));
                        choice.obstacle = Some(reason);
                        break;
                    }
                }
            }
        }
        let noticed = choices
            .iter()
            .filter(|choice| choice.hooks.is_empty() && !choice.calls && choice.obstacle.is_none());
        states.extend(noticed.map(|choice| state(choice.act, How::Tracepoint, NOTICED, None)));
        for choice in choices.iter().filter(|choice| choice.hooks.is_empty() || choice.obstacle.is_some()) {
            if let Some(reason) = &choice.obstacle
                && !states.iter().any(|state| state.act == choice.act && state.obstacle.is_some())
            {
                states.push(state(choice.act, How::Tracepoint, "", Some(reason.clone())));
            }
        }
        Ok(true)
    }

    /// Loads the programs for the system calls that are looked at, and attaches
    /// the one that leads to them.
    ///
    /// # Errors
    /// When the kernel does not permit it.
    pub fn attach_calls(
        &mut self,
        choices: &mut Choices,
        states: &mut Vec<HookState>,
    ) -> Result<(), LoadError> {
        let mut jumps: Vec<Jump> = choices.calls().map(|call| call.jump()).collect();
        jumps.sort_unstable_by_key(|jump| *jump as u32);
        jumps.dedup();
        if jumps.is_empty() {
            return Ok(());
        }
        let mut failed: BTreeMap<u32, String> = BTreeMap::new();
        for jump in &jumps {
            if let Err(reason) = self.load_jump(*jump) {
                failed.insert(*jump as u32, reason);
            }
        }
        let attached = match self.once(&SYS_EXIT, "sys_exit") {
            Ok(()) => None,
            Err(Failed::NotPermitted) => return Err(LoadError::NotPermitted),
            Err(Failed::Other(reason)) => Some(reason),
        };
        let calls: Vec<_> = choices.calls().collect();
        for choice in choices.0.iter_mut().filter(|choice| choice.calls && choice.obstacle.is_none()) {
            let own = calls.iter().filter(|call| call.act() == choice.act);
            let reason = own.into_iter().find_map(|call| failed.get(&(call.jump() as u32)));
            choice.obstacle = attached.clone().or_else(|| reason.cloned());
            states.push(state(choice.act, How::Tracepoint, "sys_exit", choice.obstacle.clone()));
        }
        Ok(())
    }

    fn load_jump(&mut self, jump: Jump) -> Result<(), String> {
        let name = Jump::ALL.iter().find(|(known, _)| *known == jump).map_or("", |(_, name)| name);
        let program: &mut BtfTracePoint = program(self.ebpf, name)?;
        program.load("sys_exit", self.types).map_err(|error| refusal(name, &error))?;
        let fd = program.fd().and_then(|fd| Ok(fd.try_clone()?)).map_err(|error| chain(&error))?;
        let jumps = self.ebpf.map_mut("JUMPS").ok_or("the object has no map JUMPS")?;
        let mut jumps = ProgramArray::try_from(jumps).map_err(|error| chain(&error))?;
        jumps.set(jump as u32, &fd, 0).map_err(|error| chain(&error))
    }

    /// Attaches a program unless it is: several acts may share one.
    fn once(&mut self, hook: &'static Hook, place: &'static str) -> Result<(), Failed> {
        if let Some(known) = self.tried.get(hook.program) {
            return known.clone().map_err(Failed::Other);
        }
        let result = self.put(hook, place);
        let known = match &result {
            Ok(()) => Ok(()),
            Err(Failed::NotPermitted) => Err("not permitted".to_owned()),
            Err(Failed::Other(reason)) => Err(reason.clone()),
        };
        self.tried.insert(hook.program, known);
        result
    }

    fn put(&mut self, hook: &'static Hook, place: &'static str) -> Result<(), Failed> {
        let types = self.types;
        macro_rules! attached {
            ($kind:ty) => {{
                let program: &mut $kind = program(self.ebpf, hook.program).map_err(Failed::Other)?;
                let attached = program.load(place, types).and_then(|()| program.attach());
                attached.and_then(|link| program.take_link(link)).map(FdLink::from)
            }};
        }
        let done = match hook.how {
            How::Tracepoint => attached!(BtfTracePoint),
            How::Entry => attached!(FEntry),
            How::Return => attached!(FExit),
        };
        let done = done.map(|link| self.links.push((hook.program, link)));
        done.map_err(|error| match is_permission(&error) {
            true => Failed::NotPermitted,
            false => Failed::Other(refusal(hook.program, &error)),
        })
    }
}

/// Tells the programs which kernel objects are the sensor's own, so that
/// they know when somebody touches them: all that this process has open.
///
/// # Errors
/// When the kernel refuses.
pub fn remember_ours(object: &mut Ebpf) -> anyhow::Result<()> {
    for (_, program) in object.programs() {
        // One that was not loaded has no information.
        let Ok(info) = program.info() else { continue };
        let instructions = info.verified_instruction_count();
        tracing::debug!(program = info.name_as_str(), instructions, "verified");
    }
    let map = object.map_mut("OURS").context("the object has no map OURS")?;
    let mut map: HashMap<_, u64, u32> = HashMap::try_from(map)?;
    for (kind, id) in own_objects().context("/proc/self/fdinfo, which lists the sensor's own objects")? {
        map.insert(u64::from(kind) << 32 | u64::from(id), 1, 0)?;
    }
    Ok(())
}

/// Kinds and ids of the programs, maps and links that this process has open.
fn own_objects() -> std::io::Result<Vec<(u32, u32)>> {
    let mut own = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fdinfo")? {
        // The directory's own descriptor is gone by now.
        let Ok(info) = std::fs::read_to_string(entry?.path()) else { continue };
        own.extend(info.lines().filter_map(object_in));
    }
    Ok(own)
}

/// A line of what `bpf_*_show_fdinfo` of the kernel write.
fn object_in(line: &str) -> Option<(u32, u32)> {
    let (key, id) = line.split_once(':')?;
    let kind = match key {
        "prog_id" => PROGRAM,
        "map_id" => MAP,
        "link_id" => LINK,
        _ => return None,
    };
    Some((kind, id.trim().parse().ok()?))
}

fn state(act: Act, how: How, place: &str, obstacle: Option<String>) -> HookState {
    HookState { act, attached_to: place.to_owned(), how: how.name().to_owned(), obstacle }
}

fn program<'a, P>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, String>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let program = ebpf.program_mut(name).ok_or_else(|| format!("the object has no program {name}"))?;
    program.try_into().map_err(|error: ProgramError| chain(&error))
}

fn refusal(name: &str, error: &ProgramError) -> String {
    tracing::debug!(program = name, "the kernel's whole answer: {error:?}");
    chain(error)
}
