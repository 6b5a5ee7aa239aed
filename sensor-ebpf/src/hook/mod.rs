//! The hooks, one file per family. In each, what both plans share, the
//! trampolines, and what the way out of a system call leads to.

mod change;
mod credentials;
mod exec;
pub mod fold;
mod io_uring;
mod left_out;
mod names;
mod network;
mod object;
mod open;
mod opened;
mod process;
mod ptrace;
mod socket;
mod syscall;
mod system;
mod user_path;
