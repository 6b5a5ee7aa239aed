//! Opens that the kernel programs counted together, taken once in a while.
//!
//! The programs count in one of two maps. To take what is in it, they are told to
//! use the other one, and membarrier(2) waits until every program that still uses
//! the first has ended (`MEMBARRIER_CMD_GLOBAL` is the kernel's
//! `synchronize_rcu`, and programs run as RCU readers). So nothing is counted
//! between the look and the removal.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    thread,
    time::Duration,
};

use aya::maps::{Array, HashMap, MapData};
use rustix::thread::{MembarrierCommand, membarrier};
use sensor_types::file::{FIRST_MAP, FoldKey, Folded, SECOND_MAP};
use zerocopy::{IntoBytes as _, transmute};

use super::batch::{Batch, BatchOrigin};
use crate::tally::Tally;

/// How long opens are counted together.
const WINDOW: Duration = Duration::from_secs(1);

/// The value that has nothing counted together.
const OFF: u32 = 0;

type Map = HashMap<MapData, [u64; size_of::<FoldKey>() / 8], [u64; size_of::<Folded>() / 8]>;

/// The maps in which opens are counted together.
pub struct Folds {
    turn: Array<MapData, u32>,
    first: Map,
    second: Map,
    now: u32,
    tally: Tally,
}

impl Folds {
    /// Takes over the maps, and what is counted in them by whose turn it is; in new ones
    /// that is nothing until [`Self::take`] is called for the first time.
    pub fn new(turn: Array<MapData, u32>, first: Map, second: Map, tally: Tally) -> Self {
        let now = turn.get(&0, 0).unwrap_or(OFF);
        Self { turn, first, second, now, tally }
    }

    /// Takes all that was counted, after the programs are gone.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn rest(mut self, batch: &mut Batch) -> anyhow::Result<()> {
        self.empty(FIRST_MAP, batch)?;
        self.empty(SECOND_MAP, batch)
    }

    /// Takes what was counted, once in a while and once more at the end, until told
    /// to stop. With `stays`, somebody goes on where this ends.
    pub fn run(mut self, stop: &AtomicBool, stays: bool, batches: &SyncSender<Batch>) {
        loop {
            let stopping = stop.load(Ordering::Acquire);
            if stopping && stays {
                return;
            }
            let mut batch = Batch::from(BatchOrigin::Folds);
            if let Err(error) = self.take(if stopping { OFF } else { self.other() }, &mut batch) {
                tracing::info!(%error, "opens that repeat are not counted together");
                return;
            }
            if (!batch.is_empty() && batches.send(batch).is_err()) || stopping {
                return;
            }
            thread::park_timeout(WINDOW);
        }
    }

    fn other(&self) -> u32 {
        if self.now == FIRST_MAP { SECOND_MAP } else { FIRST_MAP }
    }

    /// Has the programs count where `next` says from now on, and takes what they
    /// counted before.
    fn take(&mut self, next: u32, batch: &mut Batch) -> anyhow::Result<()> {
        let last = std::mem::replace(&mut self.now, next);
        let map = self.map(last);
        // An idle machine is left alone.
        if next != OFF && map.as_ref().is_some_and(|map| map.keys().next().is_none()) {
            self.now = last;
            return Ok(());
        }
        // Also before the first turn: where there is no barrier, nothing is begun.
        if last == OFF {
            membarrier(MembarrierCommand::Global)?;
        }
        self.turn.set(0, next, 0)?;
        if last == OFF {
            return Ok(());
        }
        membarrier(MembarrierCommand::Global)?;
        self.empty(last, batch)
    }

    fn map(&mut self, turn: u32) -> Option<&mut Map> {
        match turn {
            FIRST_MAP => Some(&mut self.first),
            SECOND_MAP => Some(&mut self.second),
            _ => None,
        }
    }

    fn empty(&mut self, turn: u32, batch: &mut Batch) -> anyhow::Result<()> {
        let tally = self.tally;
        let Some(map) = self.map(turn) else { return Ok(()) };
        let keys: Vec<_> = map.keys().collect::<Result<_, _>>()?;
        for key in keys {
            let folded: Folded = transmute!(map.get(&key, 0)?);
            tally.repeats_taken.fetch_add(tell(&folded, batch), Ordering::Relaxed);
            map.remove(&key)?;
        }
        batch.sort();
        Ok(())
    }
}

/// Puts the record of repetitions into a batch, where there were any: that of the
/// first, with the time of the last. How many those are.
fn tell(folded: &Folded, batch: &mut Batch) -> u64 {
    if folded.count == 0 {
        return 0;
    }
    let mut open = folded.open;
    open.header.boottime_ns = folded.last_ns;
    open.repeated = u32::try_from(folded.count).unwrap_or(u32::MAX);
    let text = folded.text.get(..open.path.length as usize).unwrap_or_default();
    batch.push(&[open.as_bytes(), text].concat());
    open.repeated.into()
}

/// Starts taking on a thread of its own.
///
/// # Errors
/// When there is no room for a thread.
pub fn start(
    folds: Folds,
    stop: Arc<AtomicBool>,
    stays: bool,
    batches: SyncSender<Batch>,
) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("folds".into()).spawn(move || folds.run(&stop, stays, &batches))
}

#[cfg(test)]
mod tests {
    use sensor_types::file::{FOLDED_TEXT_MAX, Open};
    use zerocopy::FromZeros as _;

    use super::*;

    #[test]
    fn what_repeats_is_a_record_with_the_time_of_the_last_and_how_many() {
        let mut folded = Folded::new_zeroed();
        let mut batch = Batch::default();
        tell(&folded, &mut batch);
        assert!(batch.is_empty(), "nothing but the first");

        (folded.count, folded.last_ns) = (3, 70);
        folded.open.path.length = 4;
        folded.text[..5].copy_from_slice(b"etc\0x");
        tell(&folded, &mut batch);
        let record = batch.iter().next().unwrap();
        let (open, text) = <Open as zerocopy::FromBytes>::read_from_prefix(record).unwrap();
        assert_eq!((open.repeated, open.header.boottime_ns, text), (3, 70, &b"etc\0"[..]));

        folded.open.path.length = FOLDED_TEXT_MAX as u32 + 1;
        tell(&folded, &mut batch);
        assert_eq!(batch.len(), 2, "of the wrong form, for the decoder to count");
    }
}
