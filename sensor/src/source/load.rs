//! Puts the programs into the kernel and attaches them.

use std::{io, path::Path, sync::LazyLock};

use aya::{Ebpf, EbpfLoader, Endianness, maps::HashMap, programs::links::FdLink};
use aya_log::{EbpfLogger, Level};
use rustix::io::Errno;
use sensor_types::{act::Act, policy::Settings};
use thiserror::Error;
use zerocopy::IntoBytes as _;

use super::{
    attach::{Attacher, remember_ours},
    btf::{self, Btf, BtfError},
    choice::{Choice, Choices, Refused},
    findings::Findings,
    kernel::{HookState, Hooks, Kernel, Programs, claim},
    pins::PinError,
    plan::WAYS,
    sessions,
    skipped::Skipped,
};
use crate::{cli::Plan, config::HooksConfig, tally::Tally};

/// The kernel programs, as the build script made them.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("SENSOR_EBPF_OBJECT"));

/// Why recording could not begin.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The kernel's types are missing or strange.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// Not root and without the capabilities.
    #[error(
        "loading programs into the kernel is not permitted; run as root, or with CAP_BPF and CAP_PERFMON"
    )]
    NotPermitted,
    /// The programs cannot be kept there for the next run.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The object does not load.
    #[error("the kernel refused the programs ({0}); run `activity-sensor doctor` to see what it lacks")]
    Refused(String),
    /// A hook that must be there is not.
    #[error(
        "the {hook} hook cannot be used: {reason}; `--allow-degraded` starts without it, and says in the stream what is missing"
    )]
    HookMissing {
        /// What it would record.
        hook: &'static str,
        /// Why not.
        reason: String,
    },
}

/// How to load.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// Record also the acts of processes that belong to nobody.
    pub everybody: bool,
    /// The programs count opens that repeat together, unless the configuration does
    /// not want it, and those that the policy leaves out again and again.
    pub shortcuts: bool,
    /// Go on without a hook that is missing.
    pub allow_degraded: bool,
    /// How to hook the kernel.
    pub plan: Plan,
}

/// Loads and attaches all hooks the configuration wants, for as long as this process
/// lives.
///
/// # Errors
/// When the kernel does not allow it, or an act that the sensor should not do
/// without cannot be recorded and `allow_degraded` is not set.
pub fn load(config: &HooksConfig, options: LoadOptions) -> Result<Kernel, LoadError> {
    attach(config, options)?.into_kernel(Tally::default())
}

/// Programs that are attached.
pub struct Loaded {
    /// What was loaded.
    pub object: Ebpf,
    /// What keeps the programs attached, by their names.
    pub links: Vec<(&'static str, FdLink)>,
    /// What came of it.
    pub hooks: Hooks,
}

/// Loads and attaches.
///
/// A trampoline that the kernel refuses is found out by trying; then all is
/// begun anew with its act told by tracepoints.
///
/// # Errors
/// As [`load`].
pub fn attach(config: &HooksConfig, options: LoadOptions) -> Result<Loaded, LoadError> {
    let btf = Btf::read(Path::new(btf::VMLINUX))?;
    let findings = Findings::of(&btf);
    let types = names(btf)?;
    let mut refused = Refused::new();
    loop {
        let choices = Choices::make(&findings, config.acts(), options.plan, &refused);
        let permit = |choices: &Choices| match choices.missing().filter(|_| !options.allow_degraded) {
            Some((act, reason)) => {
                Err(LoadError::HookMissing { hook: act.name(), reason: reason.to_owned() })
            }
            None => Ok(()),
        };
        permit(&choices)?;
        let loaded = attempt(config, options, &findings, choices, &types, &mut refused, permit)?;
        if let Some(loaded) = loaded {
            drop(types);
            give_memory_back();
            return Ok(loaded);
        }
    }
}

impl Loaded {
    /// What the pipeline needs of it.
    ///
    /// # Errors
    /// When a map is missing.
    pub fn into_kernel(self, tally: Tally) -> Result<Kernel, LoadError> {
        let Self { mut object, links, hooks } = self;
        remember_ours(&mut object).map_err(|error| LoadError::Refused(format!("{error:#}")))?;
        let log = EbpfLogger::init(&mut object).map_err(|error| LoadError::Refused(chain(&error)))?;
        let skipped = Skipped::of(&object);
        let maps = &mut |name| {
            object.take_map(name).ok_or_else(|| LoadError::Refused(format!("the object has no map {name}")))
        };
        let mut kernel = Kernel::assemble(maps, log, skipped, tally, hooks)?;
        let links = links.into_iter().map(|(_, link)| link).collect();
        kernel.programs = Programs::new(object, links);
        Ok(kernel)
    }
}

/// What the loader looks for in the kernel's types: all of them would take it
/// 50 MB.
fn names(btf: Btf) -> Result<aya::Btf, LoadError> {
    let names = btf.names();
    drop(btf);
    aya::Btf::parse(&names, Endianness::default()).map_err(|error| LoadError::Refused(chain(&error)))
}

/// Loads and attaches what was chosen. `None`: trampolines are not to be had,
/// which is in `refused` now, as is whatever else of them the kernel did not take.
fn attempt(
    config: &HooksConfig,
    options: LoadOptions,
    findings: &Findings,
    mut choices: Choices,
    types: &aya::Btf,
    refused: &mut Refused,
    permit: impl Fn(&Choices) -> Result<(), LoadError>,
) -> Result<Option<Loaded>, LoadError> {
    let before = refused.len();
    let mut ebpf = open(config, options, findings, &choices, types)?;
    let mut attacher = Attacher::new(&mut ebpf, types);
    let mut states = Vec::new();
    let (first, rest) = choices.0.split_at_mut(1);
    attacher.attach(first, refused, &mut states)?;
    seed_sessions(attacher.ebpf)?;
    if !attacher.attach(rest, refused, &mut states)? {
        return Ok(None);
    }
    if refused.len() > before {
        return Ok(None);
    }
    attacher.attach_calls(&mut choices, &mut states)?;
    permit(&choices)?;
    states.extend(switched_off(&choices.0));
    let links = attacher.links;
    let hooks = Hooks {
        states,
        plan: choices.plan().to_owned(),
        not_covered: choices.not_covered().into_iter().map(str::to_owned).collect(),
        fallback: choices.0.into_iter().find_map(|choice| choice.fallback),
    };
    Ok(Some(Loaded { object: ebpf, links, hooks }))
}

/// Hands the object to the kernel as far as its maps; programs follow one by one.
fn open(
    config: &HooksConfig,
    options: LoadOptions,
    findings: &Findings,
    choices: &Choices,
    types: &aya::Btf,
) -> Result<Ebpf, LoadError> {
    // The programs are loaded without the code of what is not logged.
    let log_level = if tracing::enabled!(tracing::Level::DEBUG) { Level::Debug } else { Level::Warn } as u8;
    // Names that change must be noticed, or an open would be told with the old one.
    let notices = Act::Rename.bit() | Act::Mount.bit();
    let shortcuts = options.shortcuts && config.acts() & notices == notices;
    let settings = Settings {
        fold: (shortcuts && config.fold).into(),
        leave_out: shortcuts.into(),
        ..choices.settings(findings, options.everybody)
    };
    let calls = choices.call_table();
    EbpfLoader::new()
        .btf(Some(types))
        .override_global("OFFSETS", findings.offsets.as_slice(), true)
        .override_global(aya_log::LEVEL, &log_level, true)
        .override_global("SETTINGS", settings.as_bytes(), true)
        .override_global("CALLS", calls.as_slice(), true)
        .map_max_entries("PROCESS_RING", config.process_ring_bytes)
        .map_max_entries("FILE_RING", config.file_ring_bytes)
        .load(OBJECT)
        .map_err(refused_object)
        .and_then(|mut object| {
            let own = object.map_mut("OWN");
            claim(own.ok_or_else(|| LoadError::Refused("the object has no map OWN".into()))?)?;
            Ok(object)
        })
}

fn seed_sessions(ebpf: &mut Ebpf) -> Result<(), LoadError> {
    let map = ebpf
        .map_mut("SESSIONS")
        .ok_or_else(|| LoadError::Refused("the object has no map SESSIONS".into()))?;
    let mut map = HashMap::try_from(map).map_err(|error| LoadError::Refused(chain(&error)))?;
    sessions::seed(&mut map).map_err(|error| LoadError::Refused(format!("{error:#}")))
}

/// The acts that the configuration does not want.
fn switched_off(choices: &[Choice]) -> impl Iterator<Item = HookState> {
    let chosen = |act: Act| choices.iter().any(|choice| choice.act == act);
    let counted_only = |act: Act| matches!(act, Act::IoUringOpen | Act::IoUringConnect);
    let missing = WAYS.iter().filter(move |way| !chosen(way.act) && !counted_only(way.act));
    let state = |way: &super::plan::Way| HookState {
        act: way.act,
        attached_to: String::new(),
        how: String::new(),
        obstacle: Some(SWITCHED_OFF.to_owned()),
    };
    missing.map(state).collect::<Vec<_>>().into_iter()
}

/// The kernel's types took tens of megabytes in small pieces, which the
/// allocator would keep for a daemon that never needs as much again.
fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes no pointer and may be called at any time.
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Why an act that the configuration does not want is not recorded.
pub const SWITCHED_OFF: &str = "switched off in the configuration";

fn refused_object(error: aya::EbpfError) -> LoadError {
    if is_permission(&error) { LoadError::NotPermitted } else { LoadError::Refused(chain(&error)) }
}

/// Whether the kernel's answer somewhere down the chain was EPERM.
pub fn is_permission(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // EACCES is the verifier's answer to a program, not to the user.
        let errno = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        if errno == Some(Errno::PERM.raw_os_error()) {
            return true;
        }
        next = error.source();
    }
    false
}

/// An error and its causes on one line; a verifier's log keeps its last lines.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let own = error.to_string();
        let lines: Vec<&str> = own.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let shown = lines.get(lines.len().saturating_sub(4)..).unwrap_or_default().join("; ");
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&shown);
        next = error.source();
    }
    text
}

/// SHA-256 of the object, hexadecimal.
pub fn object_sha256() -> &'static str {
    use sha2::{Digest as _, Sha256};
    // Asked for again and again, and it takes milliseconds.
    static HASH: LazyLock<String> =
        LazyLock::new(|| Sha256::digest(OBJECT).iter().map(|byte| format!("{byte:02x}")).collect());
    &HASH
}
