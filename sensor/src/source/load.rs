//! Puts the programs into the kernel and attaches them.

use std::{io, path::Path};

use aya::{
    Ebpf, EbpfLoader,
    maps::{MapData, PerCpuArray, RingBuf},
    programs::BtfTracePoint,
};
use aya_log::{EbpfLogger, Level};
use rustix::io::Errno;
use thiserror::Error;
use zerocopy::IntoBytes as _;

use super::{
    btf::{self, Btf, BtfError},
    counters::KernelCounters,
    plan::{self, Findings, Hook, TRACEPOINT},
};
use crate::config::HooksConfig;

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

/// What became of a hook.
#[derive(Clone, Debug)]
pub struct HookState {
    /// What it records.
    pub name: &'static str,
    /// The tracepoint.
    pub attached_to: &'static str,
    /// Why it is not live; `None` when it is.
    pub obstacle: Option<String>,
}

/// What the kernel programs log, which is rare.
pub type KernelLog = EbpfLogger<&'static dyn log::Log>;

/// Keeps programs and links alive. Dropping it takes them out of the kernel,
/// and so does the end of the process, whatever ends it.
pub struct Programs {
    _ebpf: Ebpf,
}

/// The programs at work and what they give.
pub struct Kernel {
    /// The programs.
    pub programs: Programs,
    /// Process, credential and network records.
    pub process_ring: RingBuf<MapData>,
    /// File records.
    pub file_ring: RingBuf<MapData>,
    /// What the programs count.
    pub counters: KernelCounters,
    /// What the programs log.
    pub log: KernelLog,
    /// Every hook and whether it is live.
    pub hooks: Vec<HookState>,
}

/// Loads and attaches all hooks the configuration wants; `everybody` records
/// also the opens and connects of processes that belong to nobody.
///
/// # Errors
/// When the kernel does not allow it, or a wanted hook is missing and
/// `allow_degraded` is not set.
pub fn load(config: &HooksConfig, everybody: bool, allow_degraded: bool) -> Result<Kernel, LoadError> {
    let findings = Findings::of(&Btf::read(Path::new(btf::VMLINUX))?);
    let wanted = |hook: &Hook| match hook.name {
        "open" => config.open,
        "connect" => config.connect,
        _ => true,
    };
    let obstacles: Vec<_> = TRACEPOINT.iter().map(|hook| findings.obstacle(hook)).collect();
    if !allow_degraded
        && let Some((hook, Some(reason))) =
            TRACEPOINT.iter().zip(&obstacles).find(|(hook, obstacle)| wanted(hook) && obstacle.is_some())
    {
        return Err(LoadError::HookMissing { hook: hook.name, reason: reason.clone() });
    }

    // The programs are loaded without the code of what is not logged.
    let log_level = if tracing::enabled!(tracing::Level::DEBUG) { Level::Debug } else { Level::Warn } as u8;
    let settings = plan::settings(config, everybody, &findings);
    let types = aya::Btf::from_sys_fs().map_err(|error| LoadError::Refused(chain(&error)))?;
    let mut ebpf = EbpfLoader::new()
        .btf(Some(&types))
        .override_global("OFFSETS", findings.offsets.as_slice(), true)
        .override_global(aya_log::LEVEL, &log_level, true)
        .override_global("SETTINGS", settings.as_bytes(), true)
        .map_max_entries("PROCESS_RING", config.process_ring_bytes)
        .map_max_entries("FILE_RING", config.file_ring_bytes)
        .load(OBJECT)
        .map_err(refused)?;

    let mut hooks: Vec<HookState> = Vec::new();
    for (hook, obstacle) in TRACEPOINT.iter().zip(obstacles) {
        let known = hooks.iter().find(|state| state.attached_to == hook.program);
        let obstacle = match known.map(|state| state.obstacle.clone()) {
            Some(obstacle) => obstacle,
            None if !wanted(hook) && hook.program != "sys_exit" => Some(SWITCHED_OFF.into()),
            None if obstacle.is_some() => obstacle,
            None => attach(&mut ebpf, hook, &types)?,
        };
        let obstacle = if wanted(hook) { obstacle } else { Some(SWITCHED_OFF.into()) };
        if let (Some(reason), true, false) = (&obstacle, wanted(hook), allow_degraded) {
            return Err(LoadError::HookMissing { hook: hook.name, reason: reason.clone() });
        }
        hooks.push(HookState { name: hook.name, attached_to: hook.program, obstacle });
    }

    drop(types);
    give_memory_back();

    Ok(Kernel {
        process_ring: take_ring(&mut ebpf, "PROCESS_RING")?,
        file_ring: take_ring(&mut ebpf, "FILE_RING")?,
        counters: KernelCounters::new(
            PerCpuArray::try_from(take(&mut ebpf, "COUNTERS")?)
                .map_err(|error| LoadError::Refused(chain(&error)))?,
        ),
        log: EbpfLogger::init(&mut ebpf).map_err(|error| LoadError::Refused(chain(&error)))?,
        programs: Programs { _ebpf: ebpf },
        hooks,
    })
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

const SWITCHED_OFF: &str = "switched off in the configuration";

/// Loads and attaches one program; `Some` says why the kernel refused it.
fn attach(ebpf: &mut Ebpf, hook: &Hook, types: &aya::Btf) -> Result<Option<String>, LoadError> {
    let program: &mut BtfTracePoint = ebpf
        .program_mut(hook.program)
        .ok_or_else(|| LoadError::Refused(format!("the object has no program {}", hook.program)))?
        .try_into()
        .map_err(|error: aya::programs::ProgramError| LoadError::Refused(chain(&error)))?;
    match program.load(hook.program, types).and_then(|()| program.attach()) {
        Ok(_) => Ok(None),
        Err(error) if is_permission(&error) => Err(LoadError::NotPermitted),
        Err(error) => {
            tracing::debug!(hook = hook.name, "the kernel's whole answer: {error:?}");
            Ok(Some(chain(&error)))
        }
    }
}

fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<aya::maps::Map, LoadError> {
    ebpf.take_map(name).ok_or_else(|| LoadError::Refused(format!("the object has no map {name}")))
}

fn take_ring(ebpf: &mut Ebpf, name: &'static str) -> Result<RingBuf<MapData>, LoadError> {
    RingBuf::try_from(take(ebpf, name)?).map_err(|error| LoadError::Refused(chain(&error)))
}

fn refused(error: aya::EbpfError) -> LoadError {
    if is_permission(&error) { LoadError::NotPermitted } else { LoadError::Refused(chain(&error)) }
}

/// Whether the kernel's answer somewhere down the chain was EPERM.
fn is_permission(error: &(dyn std::error::Error + 'static)) -> bool {
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
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
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
pub fn object_sha256() -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(OBJECT).iter().map(|byte| format!("{byte:02x}")).collect()
}
