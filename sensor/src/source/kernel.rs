//! The programs at work, as the pipeline takes them over.

use std::collections::BTreeSet;

use aya::{
    Ebpf,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf},
    programs::{ProgramFd, links::FdLink, loaded_programs},
};
use aya_log::EbpfLogger;
use sensor_types::act::Act;
use serde::{Deserialize, Serialize};

use super::{
    batch::Batch,
    counters::KernelCounters,
    folds::Folds,
    left_out::{self, LeftOut},
    load::{LoadError, chain},
    pins::Seam,
    sessions::LoginProgramMap,
    skipped::Skipped,
};
use crate::tally::{Left, Tally};

/// What became of a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookState {
    /// What it records.
    #[serde(with = "by_number")]
    pub act: Act,
    /// The tracepoint or function.
    pub attached_to: String,
    /// `tracepoint`, `fentry` or `fexit`.
    pub how: String,
    /// Why it is not live; `None` when it is.
    pub obstacle: Option<String>,
}

mod by_number {
    use sensor_types::act::Act;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(act: &Act, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(*act as u32)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Act, D::Error> {
        let number = u32::deserialize(deserializer)?;
        Act::from_number(number).ok_or_else(|| D::Error::custom("no such act"))
    }
}

/// How the kernel is hooked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// Every hook and whether it is live.
    pub states: Vec<HookState>,
    /// `tracepoint`, `trampoline` or `mixed`.
    pub plan: String,
    /// Ways around the plan that its hooks cannot see.
    pub not_covered: Vec<String>,
    /// Why trampolines are not used, where the plan would have had them.
    pub fallback: Option<String>,
}

/// What the kernel programs log, which is rare.
pub type KernelLog = EbpfLogger<&'static dyn log::Log>;

/// Keeps programs attached. Dropping it takes them out of the kernel, unless they are
/// pinned, and so does the end of the process, whatever ends it.
#[derive(Default)]
pub struct Programs {
    // Before the object: detached first.
    _links: Vec<FdLink>,
    _object: Option<Ebpf>,
}

impl Programs {
    /// What was loaded, and what keeps it attached.
    pub fn new(object: Ebpf, links: Vec<FdLink>) -> Self {
        Self { _links: links, _object: Some(object) }
    }
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
    /// How often they were passed over.
    pub skipped: Skipped,
    /// What they count together.
    pub folds: Folds,
    /// What they leave out by themselves.
    pub left_out: LeftOut,
    /// The programs that begin sessions.
    pub login_programs: LoginProgramMap,
    /// What the programs log.
    pub log: KernelLog,
    /// What the pipeline counts.
    pub tally: Tally,
    /// How the kernel is hooked.
    pub hooks: Hooks,
    /// Whether the programs stay when the process ends.
    pub stays: bool,
    /// Where the records of other programs end and those of these begin.
    pub seam: Seam,
    /// What these had recorded.
    pub before: Batch,
    /// What a run that worked with these had in its hands when it was killed.
    pub left: Option<Left>,
}

/// Where the maps are: each is taken once, by its name.
pub type Maps<'a> = &'a mut dyn FnMut(&'static str) -> Result<Map, LoadError>;

impl Kernel {
    /// Of programs that were attached, new or by a run before.
    pub fn assemble(
        maps: Maps<'_>,
        log: KernelLog,
        skipped: Skipped,
        tally: Tally,
        hooks: Hooks,
    ) -> Result<Self, LoadError> {
        Ok(Self {
            programs: Programs::default(),
            process_ring: ring(maps, "PROCESS_RING")?,
            file_ring: ring(maps, "FILE_RING")?,
            counters: KernelCounters::new(PerCpuArray::try_from(maps("COUNTERS")?).map_err(refused)?),
            login_programs: LoginProgramMap::new(
                HashMap::try_from(maps("LOGIN_PROGRAMS")?).map_err(refused)?,
            ),
            log,
            skipped,
            folds: folds(maps, tally)?,
            left_out: LeftOut::new(left_out_maps(maps)?),
            tally,
            hooks,
            stays: false,
            seam: Seam::default(),
            before: Batch::default(),
            left: None,
        })
    }
}

/// A ring buffer.
pub fn ring(maps: Maps<'_>, name: &'static str) -> Result<RingBuf<MapData>, LoadError> {
    RingBuf::try_from(maps(name)?).map_err(refused)
}

/// What is counted together.
pub fn folds(maps: Maps<'_>, tally: Tally) -> Result<Folds, LoadError> {
    let (turn, first, second) = (maps("FOLD_TURN")?, maps("FOLDED")?, maps("FOLDED_TOO")?);
    Ok(Folds::new(
        Array::try_from(turn).map_err(refused)?,
        HashMap::try_from(first).map_err(refused)?,
        HashMap::try_from(second).map_err(refused)?,
        tally,
    ))
}

/// The maps of what is left out.
pub fn left_out_maps(maps: Maps<'_>) -> Result<left_out::Maps, LoadError> {
    let (files, processes) = (maps("LEFT_OUT_FILES")?, maps("LEFT_OUT_PROCESSES")?);
    let (now, counts) = (maps("LEFT_OUT_NOW")?, maps("LEFT_OUT_BY")?);
    Ok(left_out::Maps {
        files: HashMap::try_from(files).map_err(refused)?,
        processes: HashMap::try_from(processes).map_err(refused)?,
        now: Array::try_from(now).map_err(refused)?,
        counts: PerCpuArray::try_from(counts).map_err(refused)?,
    })
}

/// Tells the programs whose doings are never recorded: this process's.
///
/// # Errors
/// When the kernel refuses.
pub fn claim(own: &mut Map) -> Result<(), LoadError> {
    let mut own: Array<_, u32> = Array::try_from(own).map_err(refused)?;
    own.set(0, std::process::id(), 0).map_err(refused)
}

/// The programs with these ids.
pub fn programs_of(ids: &BTreeSet<u32>) -> Vec<ProgramFd> {
    let programs = loaded_programs().filter_map(Result::ok).filter(|program| ids.contains(&program.id()));
    programs.filter_map(|program| program.fd().ok()).collect()
}

fn refused(error: MapError) -> LoadError {
    LoadError::Refused(chain(&error))
}
