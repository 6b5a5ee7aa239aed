//! The kernel side of the sensor: one object for every kernel from 5.10 on.
//!
//! Programs live in `hook/`, one file per family, those of both plans beside
//! one another: a plan is which of them the daemon attaches. They read kernel structures only through `kernel`, write records only through
//! `ring`, and find every map and setting in `maps`.

#![no_std]
#![no_main]
// One idle instruction, see `kernel::hidden`; building for this target takes a
// compiler with unstable features anyway.
#![feature(asm_experimental_arch)]

mod hook;
mod identity;
mod kernel;
mod maps;
mod mask;
mod path;
mod program;
mod ring;
mod session;
