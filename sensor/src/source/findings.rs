//! What this kernel has of what the hooks need: asked of the kernel's types,
//! never guessed from its version.

use std::collections::{BTreeMap, BTreeSet};

use sensor_types::policy::{Form, Forms, MISSING, Offsets, Settings};

use super::{
    btf::{Btf, Parameter},
    plan::{DESCRIPTOR, Hook, How, IDENTITY, OPTIONAL, PATH, SYS_EXIT, WAYS},
};

/// What the kernel's types say before anything is loaded.
pub struct Findings {
    /// Offsets in the order of [`Offsets::FIELDS`], [`MISSING`] where there is none.
    pub offsets: Vec<u32>,
    /// Structures of which a field was not found.
    incomplete: BTreeSet<&'static str>,
    /// Parameters of the functions and arguments of the tracepoints there are.
    functions: BTreeMap<&'static str, Vec<Parameter>>,
    tracepoints: BTreeMap<&'static str, Vec<Parameter>>,
}

impl Findings {
    /// Looks up all that either plan needs.
    pub fn of(btf: &Btf) -> Self {
        let found = btf.offsets(Offsets::FIELDS);
        let incomplete = Offsets::FIELDS
            .iter()
            .zip(&found)
            .filter(|((structure, _), offset)| offset.is_none() && !OPTIONAL.contains(structure))
            // thread_info.status is x86's; elsewhere there is no 32-bit mode to tell apart this way.
            .filter(|((_, field), _)| *field != "thread_info.status" || cfg!(target_arch = "x86_64"))
            .map(|((structure, _), _)| *structure)
            .collect();
        let (tracepoints, functions): (Vec<&Hook>, Vec<&Hook>) =
            all_hooks().partition(|hook| hook.how == How::Tracepoint);
        let places = |hooks: Vec<&'static Hook>| -> Vec<&'static str> {
            hooks.into_iter().flat_map(|hook| hook.places).copied().collect()
        };
        let mut functions = places(functions);
        functions.extend(Forms::FUNCTIONS);
        functions.push(TYPED_TASK);
        let tracepoints = places(tracepoints);
        Self {
            offsets: found.into_iter().map(|offset| offset.unwrap_or(MISSING)).collect(),
            incomplete,
            functions: present(&functions, btf.functions(&functions)),
            tracepoints: present(&tracepoints, btf.tracepoints(&tracepoints)),
        }
    }

    /// Where a hook can be attached on this kernel.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn place(&self, hook: &Hook) -> Result<&'static str, String> {
        let known = match hook.how {
            How::Tracepoint => &self.tracepoints,
            How::Entry | How::Return => &self.functions,
        };
        let kind = if hook.how == How::Tracepoint { "tracepoint" } else { "function" };
        let place = hook
            .places
            .iter()
            .find(|place| known.contains_key(**place))
            .ok_or_else(|| format!("this kernel has no {kind} {}", hook.places.join(" or ")))?;
        let parameters = known.get(place).map_or(&[][..], Vec::as_slice);
        let as_expected = parameters.len() >= hook.parameters.len()
            && hook
                .parameters
                .iter()
                .zip(parameters)
                .all(|(wanted, is)| *wanted == "*" || *wanted == is.name);
        if !as_expected {
            return Err(format!("the parameters of this kernel's {place} are not as known"));
        }
        let structures = [IDENTITY, PATH, hook.structures].into_iter().flatten();
        self.complete(structures.copied()).map(|()| *place)
    }

    /// Whether the way out of system calls can be used.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn calls(&self) -> Result<(), String> {
        self.place(&SYS_EXIT)?;
        self.complete(DESCRIPTOR.iter().copied())
    }

    fn complete(&self, structures: impl Iterator<Item = &'static str>) -> Result<(), String> {
        let lacking: Vec<_> = structures.filter(|structure| self.incomplete.contains(structure)).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        Err(format!("this kernel's {} has a form that is not known", lacking.join(", ")))
    }

    /// What the programs are told before load, but for the acts.
    pub fn settings(&self) -> Settings {
        let exit = self.tracepoints.get("sched_process_exit").map_or(0, Vec::len);
        let form = |name: &str| {
            let Some(parameters) = self.functions.get(name) else {
                return Form { parameters: MISSING, dentry: MISSING };
            };
            let dentry =
                parameters.iter().position(|parameter| parameter.pointer && parameter.name == "dentry");
            Form { parameters: number(parameters.len()), dentry: dentry.map_or(MISSING, number) }
        };
        Settings {
            exit_says_group_dead: (exit >= 2).into(),
            io_uring_operation: self.io_uring_operation(),
            patient: (release() >= PATIENT_SINCE).into(),
            typed: self.functions.contains_key(TYPED_TASK).into(),
            forms: Forms {
                do_file_open_root: form("do_file_open_root"),
                vfs_unlink: form("vfs_unlink"),
                vfs_rmdir: form("vfs_rmdir"),
                vfs_rename: form("vfs_rename"),
                vfs_link: form("vfs_link"),
                vfs_symlink: form("vfs_symlink"),
                inet_csk_accept: form("inet_csk_accept"),
                security_bpf: form("security_bpf"),
            },
            ..Settings::NONE
        }
    }

    /// Which argument of the tracepoint has the operation; the first is the
    /// request itself on newer kernels.
    fn io_uring_operation(&self) -> u32 {
        let names = ["io_uring_submit_req", "io_uring_submit_sqe"];
        let arguments =
            names.iter().find_map(|name| self.tracepoints.get(name)).map_or(&[][..], Vec::as_slice);
        if arguments.first().is_some_and(|first| first.name == "io_kiocb") {
            return MISSING;
        }
        arguments.iter().position(|argument| argument.name == "u8").map_or(0, number)
    }
}

/// Every hook, some of them more than once.
pub fn all_hooks() -> impl Iterator<Item = &'static Hook> {
    let hooks = |way: &'static super::plan::Way| {
        way.always.iter().chain(way.trampolines).chain(way.tracepoints).copied()
    };
    WAYS.iter().flat_map(hooks).chain([&SYS_EXIT])
}

fn present(
    names: &[&'static str],
    found: Vec<Option<Vec<Parameter>>>,
) -> BTreeMap<&'static str, Vec<Parameter>> {
    names.iter().zip(found).filter_map(|(name, parameters)| Some((*name, parameters?))).collect()
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(MISSING)
}
/// The helper that gives the running task with its type.
const TYPED_TASK: &str = "bpf_get_current_task_btf";

/// Verifiers before this one remember fewer of the states they have seen, go
/// through the same code again and again, and give up on the longest programs.
const PATIENT_SINCE: (u32, u32) = (6, 12);

/// The kernel's version; `(0, 0)` where it does not look like one.
fn release() -> (u32, u32) {
    let name = rustix::system::uname();
    let mut parts = name.release().to_bytes().split(|byte| !byte.is_ascii_digit());
    let mut part = || std::str::from_utf8(parts.next()?).ok()?.parse().ok();
    (part().unwrap_or(0), part().unwrap_or(0))
}
