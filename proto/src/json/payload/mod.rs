//! What each type of event says, one file for each family.

mod alive;
mod credentials;
mod file;
mod network;
mod own;
mod process;
mod session;
mod system;
