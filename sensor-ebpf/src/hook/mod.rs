//! The hooks, one file per family.

mod file;
mod network;
mod process;
mod syscall;
