//! Very many short-lived processes with few ids.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::FileExt as _,
    process::Command,
    time::{Duration, Instant},
};

use crate::{Act, Scene, tell};

pub const ACTS: &[(&str, Act)] = &[("burst", burst)];

/// So many processes share the ids.
const IDS: usize = 20;

/// Starts programs one after another, each with its number as an argument, and
/// has the kernel begin with the same ids again and again. Writes a line with
/// id and number of each to `truth`. Arguments: how many, and for how many
/// seconds at most.
fn burst(scene: &Scene) {
    let program = scene.program("program");
    let last = OpenOptions::new().write(true).open("/proc/sys/kernel/ns_last_pid");
    let last = last.unwrap_or_else(|error| tell::cannot(format_args!("ns_last_pid: {error}")));
    let most: usize = fs::read_to_string("/proc/sys/kernel/pid_max").unwrap().trim().parse().unwrap();
    // Far from where others get theirs, and below the end.
    let first = (std::process::id() as usize + most / 2) % (most - 2000) + 1000;
    let mut truth = std::io::BufWriter::new(fs::File::create(scene.path("truth")).unwrap());
    tell::begin();
    let begun = Instant::now();
    let seconds = Duration::from_secs(scene.number(1) as u64);
    for number in (0..scene.number(0)).take_while(|_| begun.elapsed() < seconds) {
        if number.is_multiple_of(IDS) {
            last.write_all_at(first.to_string().as_bytes(), 0).unwrap();
        }
        let mut child =
            Command::new(&program).arg("nothing").arg("/").arg(number.to_string()).spawn().unwrap();
        child.wait().unwrap();
        writeln!(truth, "{} {number}", child.id()).unwrap();
    }
}
