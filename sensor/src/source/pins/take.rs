//! Takes over what is pinned: to go on with it, or to read it out and let it go.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use aya::{
    maps::{Map, MapData, RingBuf},
    programs::links::{FdLink, PinnedLink},
};
use aya_log::EbpfLogger;
use rustix::thread::{MembarrierCommand, membarrier};

use super::{
    Description, remove,
    seam::{OVERLAP_NS, Seam},
    tally,
};
use crate::{
    losses,
    source::{
        batch::{Batch, BatchOrigin, time_of},
        kernel::{Kernel, KernelLog, claim, folds, left_out_maps, programs_of, ring},
        left_out::LeftOut,
        load::{LoadError, chain},
        skipped::Skipped,
    },
    tally::Left,
};

/// Goes on with the programs that are there.
pub fn take_over(standing: &Description) -> Result<Kernel, LoadError> {
    let maps = &mut |name| pinned(&standing.directory, name);
    claim(&mut maps("OWN")?)?;
    let tally = tally::open(&standing.directory.join("maps").join(tally::NAME))?;
    let programs = program_ids(&standing.directory)?;
    let skipped = Skipped::new(programs_of(&programs));
    let log = log_of(&programs)?;
    let mut kernel = Kernel::assemble(maps, log, skipped, tally, standing.hooks.clone())?;
    let left_out = LeftOut::after_another(left_out_maps(maps)?);
    kernel.left_out = left_out.map_err(|error| LoadError::Refused(format!("{error:#}")))?;
    kernel.seam = Seam::new(standing.since_ns, &kernel.before);
    kernel.stays = true;
    Ok(kernel)
}

/// Has the programs of another generation go, and what they told before `since_ns` be
/// told by these. What goes wrong is said; these go on in any case.
pub fn hand_over(directory: &Path, format: u32, since_ns: u64, kernel: &mut Kernel) {
    if !directory.exists() {
        return;
    }
    match drain(directory, format, since_ns.saturating_add(OVERLAP_NS)) {
        Ok(Drained { batch, left, skipped }) => {
            tracing::info!(records = batch.len(), skipped, "the hooks of before were read out, and go");
            kernel.seam = Seam::new(since_ns, &batch);
            (kernel.before, kernel.left) = (batch, Some(left));
            kernel.skipped.follow(skipped);
        }
        Err(error) => {
            tracing::error!(%error, "what the hooks of before had recorded is lost, nobody knows how much");
        }
    }
    remove(directory);
}

/// What was read out of programs that are gone.
pub struct Drained {
    /// Their records.
    pub batch: Batch,
    /// What the last run that worked with them had in its hands, and what of their
    /// records this build cannot read.
    pub left: Left,
    /// How often the kernel passed them over.
    pub skipped: u64,
}

impl Drained {
    /// How many records that is.
    pub fn records(&self) -> u64 {
        let left = self.left.records.iter().map(|(_, count)| count).sum::<u64>();
        self.batch.len() as u64 + left + self.left.repeats
    }
}

/// Detaches programs, and takes what they recorded before a moment.
pub fn drain(directory: &Path, format: u32, until_ns: u64) -> Result<Drained, LoadError> {
    let refused = |error: &dyn std::fmt::Display| LoadError::Refused(error.to_string());
    // Held, so that their counts can be read when they have ended. There are none where a run
    // was killed that was here already.
    let skipped = Skipped::new(programs_of(&program_ids(directory).unwrap_or_default()));
    match fs::remove_dir_all(directory.join("links")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(&error)),
        _ => {}
    }
    // Until every program that runs has ended.
    let _ = membarrier(MembarrierCommand::Global);
    let maps = &mut |name| pinned(directory, name);
    let tally = tally::open(&directory.join("maps").join(tally::NAME))?;
    let mut left = tally.current().unwrap_or_default();
    let mut batch = Batch::from(BatchOrigin::Before);
    for name in ["FILE_RING", "PROCESS_RING"] {
        read_out(&mut ring(maps, name)?, until_ns, &mut batch);
    }
    folds(maps, tally)?.rest(&mut batch).map_err(|error| refused(&error))?;
    batch.sort();
    if format != sensor_types::FORMAT {
        for record in std::mem::take(&mut batch).iter() {
            left.add(losses::type_of(record));
        }
    }
    Ok(Drained { batch, left, skipped: skipped.count().unwrap_or_default() })
}

fn read_out(ring: &mut RingBuf<MapData>, until_ns: u64, batch: &mut Batch) {
    while let Some(record) = ring.next() {
        if time_of(&record) < until_ns {
            batch.push(&record);
        }
    }
}

fn pinned(directory: &Path, name: &str) -> Result<Map, LoadError> {
    let path = directory.join("maps").join(name);
    let map = MapData::from_pin(&path).and_then(Map::from_map_data);
    map.map_err(|error| LoadError::Refused(format!("{}: {}", path.display(), chain(&error))))
}

/// The programs that are attached.
fn program_ids(directory: &Path) -> Result<BTreeSet<u32>, LoadError> {
    let refused = |error: &(dyn std::error::Error + 'static)| LoadError::Refused(chain(error));
    let entries = fs::read_dir(directory.join("links")).map_err(|error| refused(&error))?;
    let paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let id = |path: &PathBuf| {
        let link = FdLink::from(PinnedLink::from_pin(path).map_err(|error| refused(&error))?);
        Ok(link.info().map_err(|error| refused(&error))?.program_id())
    };
    paths.iter().map(id).collect()
}

/// The log of one of them: they share it.
fn log_of(programs: &BTreeSet<u32>) -> Result<KernelLog, LoadError> {
    let logs = programs.iter().map(|id| EbpfLogger::init_from_id(*id));
    let mut failed = "no program is attached".to_owned();
    for log in logs {
        match log {
            Ok(log) => return Ok(log),
            Err(error) => failed = chain(&error),
        }
    }
    Err(LoadError::Refused(failed))
}
