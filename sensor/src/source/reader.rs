//! Reads the ring buffers.
//!
//! The kernel programs wake nobody: a wakeup for every record would cost many
//! times what the record costs. This thread looks instead, more often while
//! there is something to find.
//!
//! Both rings are brought into one order of time, because what a process
//! opened has to meet the process table as it was then. The file ring is
//! emptied first: whatever is in it was put there before the process ring is
//! emptied, so the exec that an open belongs to is always in hand. Process
//! records that are later than that moment wait for the next round.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    thread,
    time::Duration,
};

use aya::maps::{MapData, RingBuf};

use super::batch::Batch;
use crate::{clock, losses, tally::Tally};

/// Most records taken from one ring in one round.
const ROUND: usize = 2048;
/// The shortest and the longest wait between two looks. The longest is what a
/// record on an idle machine waits at most.
const WAIT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(16));

/// The rings, and where what is taken from them is counted.
pub struct Reader {
    /// Process, credential and network records.
    pub process_ring: RingBuf<MapData>,
    /// File records.
    pub file_ring: RingBuf<MapData>,
    /// Counts what is taken.
    pub tally: Tally,
    /// Somebody reads on where this ends, so nothing has to be read out.
    pub stays: bool,
}

impl Reader {
    /// Reads until told to stop and nothing is left, or until nobody takes the batches
    /// any more. When the taker is slow, this waits, the rings fill and the kernel counts.
    pub fn read(&mut self, stop: &AtomicBool, batches: &SyncSender<Batch>) {
        let mut waiting = Batch::default();
        let mut wait = WAIT.0;
        loop {
            let stopping = stop.load(Ordering::Acquire);
            let now = clock::boottime_ns();
            let mut batch = std::mem::take(&mut waiting);
            let mut full = false;
            if !(stopping && self.stays) {
                full = take(&mut self.file_ring, &self.tally, &mut batch);
                take(&mut self.process_ring, &self.tally, &mut batch);
            }
            batch.sort();
            let cut = if stopping {
                u64::MAX
            } else if full {
                batch.last_time().map_or(now, |last| last.min(now))
            } else {
                now
            };
            waiting = batch.split_after(cut);

            if batch.is_empty() {
                if stopping {
                    return;
                }
                thread::sleep(wait);
                wait = (wait * 2).min(WAIT.1);
            } else {
                wait = WAIT.0;
                let busy = batch.len() >= ROUND / 2;
                if batches.send(batch).is_err() {
                    return;
                }
                if !busy && !stopping {
                    thread::sleep(WAIT.0);
                }
            }
        }
    }
}

/// Copies out what is there; true when more may be left.
fn take(ring: &mut RingBuf<MapData>, tally: &Tally, batch: &mut Batch) -> bool {
    for _ in 0..ROUND {
        let Some(record) = ring.next() else { return false };
        let event_type = losses::type_of(&record);
        batch.push(&record);
        // Just before it leaves the ring: killed between the two, it is told rather once
        // too often than not at all.
        tally.taken.add(event_type);
        drop(record);
    }
    true
}
