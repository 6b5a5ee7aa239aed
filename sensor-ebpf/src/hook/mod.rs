//! The hooks, one file per family.

mod exec;
mod file;
mod network;
mod process;
mod syscall;
