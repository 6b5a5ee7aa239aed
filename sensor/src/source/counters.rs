//! The kernel programs' own counts.

use anyhow::Context as _;
use aya::maps::{MapData, PerCpuArray};
use sensor_types::counters::{Counters, Hook};
use zerocopy::transmute;

/// Reads the counts of all CPUs added up.
pub struct KernelCounters(PerCpuArray<MapData, [u64; 5]>);

impl KernelCounters {
    /// Takes over the map.
    pub fn new(map: PerCpuArray<MapData, [u64; 5]>) -> Self {
        Self(map)
    }

    /// The counts of each hook, in the order of [`Hook::ALL`].
    ///
    /// # Errors
    /// When the kernel refuses the look-up.
    pub fn read(&self) -> anyhow::Result<[Counters; Hook::ALL.len()]> {
        let mut all = [Counters::default(); Hook::ALL.len()];
        for (hook, sum) in Hook::ALL.iter().zip(&mut all) {
            let per_cpu =
                self.0.get(&(*hook as u32), 0).context("the kernel programs' counters cannot be read")?;
            for cpu in per_cpu.iter() {
                let cpu: Counters = transmute!(*cpu);
                sum.hits += cpu.hits;
                sum.filtered += cpu.filtered;
                sum.recorded += cpu.recorded;
                sum.ring_full += cpu.ring_full;
                sum.unreadable += cpu.unreadable;
            }
        }
        Ok(all)
    }
}
