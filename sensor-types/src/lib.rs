//! What the kernel programs and the daemon share: the records that travel
//! through the ring buffers, the counters, and the settings the daemon hands
//! over before load. Plain old data only; layout is proven at compile time.

#![no_std]

pub mod act;
pub mod counters;
pub mod credentials;
pub mod file;
pub mod header;
pub mod network;
pub mod policy;
pub mod process;
pub mod session;
pub mod span;
pub mod syscall;
pub mod system;
