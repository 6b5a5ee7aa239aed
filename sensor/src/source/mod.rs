//! Where records come from: which hooks this kernel allows, the programs
//! loaded into it, and the ring buffers read out.

mod attach;
pub mod batch;
pub mod btf;
pub mod choice;
pub mod counters;
pub mod findings;
pub mod folds;
pub mod kernel;
pub mod left_out;
pub mod load;
pub mod pins;
pub mod plan;
pub mod reader;
pub mod recording;
mod sessions;
pub mod skipped;

pub use kernel::Kernel;
pub use load::LoadError;
pub use sessions::LoginProgramMap;
