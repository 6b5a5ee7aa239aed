//! Where records come from: which hooks this kernel allows, the programs
//! loaded into it, and the ring buffers read out.

pub mod batch;
pub mod btf;
pub mod counters;
pub mod load;
pub mod plan;
pub mod reader;
pub mod recording;

pub use load::{Kernel, LoadError};
