//! The kernel programs' own counts.

use anyhow::Context as _;
use aya::maps::{MapData, PerCpuArray};
use sensor_types::{act::Act, counters::Counters};
use zerocopy::transmute;

/// Reads the counts of all CPUs added up.
pub struct KernelCounters(PerCpuArray<MapData, [u64; 7]>);

impl KernelCounters {
    /// Takes over the map.
    pub fn new(map: PerCpuArray<MapData, [u64; 7]>) -> Self {
        Self(map)
    }

    /// The counts of each act, in the order of [`Act::ALL`].
    ///
    /// # Errors
    /// When the kernel refuses the look-up.
    pub fn read(&self) -> anyhow::Result<[Counters; Act::ALL.len()]> {
        let mut all = [Counters::default(); Act::ALL.len()];
        for (act, sum) in Act::ALL.iter().zip(&mut all) {
            let per_cpu =
                self.0.get(&(*act as u32), 0).context("the kernel programs' counters cannot be read")?;
            for cpu in per_cpu.iter() {
                let cpu: Counters = transmute!(*cpu);
                sum.hits += cpu.hits;
                sum.filtered += cpu.filtered;
                sum.recorded += cpu.recorded;
                sum.ring_full += cpu.ring_full;
                sum.unreadable += cpu.unreadable;
                sum.not_covered += cpu.not_covered;
                sum.folded += cpu.folded;
            }
        }
        Ok(all)
    }
}
