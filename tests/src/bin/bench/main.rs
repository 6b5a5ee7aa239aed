//! What `cargo xtask bench` starts beside the sensor:
//!
//! | call | what it does |
//! |---|---|
//! | `bench workload NAME …` | does one thing many times and says how long each took |
//! | `bench count SOCKET` | subscribes to the sensor and counts what arrives |
//! | `bench floor PROGRAM` | keeps a bare program in the kernel |
//! | `bench sensors EVENTS DIRECTORY` | sends a month of twenty hosts to a collector |
//!
//! Each says `{"ready":…}` on standard output, goes on as it is told on standard
//! input, answers with one JSON object a line, and ends when standard input does.

mod count;
mod floor;
mod sensors;
mod talk;
mod workload;

use std::{env, error::Error, process::ExitCode};

/// What goes wrong is one sentence; there is nobody who would tell kinds apart.
type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let ended = match arguments.split_first() {
        Some((role, rest)) if role == "workload" => workload::run(rest),
        Some((role, rest)) if role == "count" => count::run(rest),
        Some((role, rest)) if role == "floor" => floor::run(rest),
        Some((role, rest)) if role == "sensors" => sensors::run(rest),
        _ => Err("usage: bench workload|count|floor|sensors …; `cargo xtask bench` calls it".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("bench: {sentence}");
            ExitCode::FAILURE
        }
    }
}
