//! `cargo xtask bench --guest`: the same operations in a guest whose clock counts
//! instructions, for kernels and plans that this machine does not have.
//!
//! Emulated times mean nothing, but instructions do: with `-icount shift=0` a
//! nanosecond of the guest is one instruction of its only processor.

use std::io::Write as _;

use anyhow::Context;
use serde_json::Value;

use super::{HELPER, table::Table};
use crate::{
    build::{self, Profile, SENSOR, finish},
    checkout,
    exit::Result,
    vm::{self, Counting, Kernel},
};

/// What runs there.
const SCRIPT: &str = include_str!("guest.sh");

/// One workload beside one thing.
#[derive(Debug, PartialEq)]
struct Line {
    beside: String,
    workload: String,
    /// Instructions of the workload's own thread for one operation.
    own: f64,
}

/// Measures and prints.
pub fn run(kernel: Kernel, profile: Profile) -> Result {
    finish(&mut build::command(&[SENSOR, HELPER], profile))?;
    let private = tempfile::Builder::new().prefix("activity-bench-").tempdir()?;
    let script = private.path().join("guest.sh");
    std::fs::write(&script, SCRIPT)?;
    let include = [SENSOR, HELPER].map(|name| checkout::program(profile.name(), name));
    let mut output = Vec::new();
    vm::count_instructions(&Counting { kernel, script, include: include.to_vec() }, &mut output)?;
    let lines = lines(&String::from_utf8_lossy(&output)).context("the guest did not say what it measured")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "Instructions of one operation, in a guest with Linux {kernel}\n\n{}", table(&lines))?;
    Ok(())
}

fn lines(output: &str) -> Option<Vec<Line>> {
    let results = output.lines().filter_map(|line| line.trim_end().strip_prefix("RESULT "));
    let lines: Option<Vec<_>> = results
        .map(|line| {
            let (beside, object) = line.split_once(' ')?;
            let object: Value = serde_json::from_str(object).ok()?;
            let workload = object.get("workload")?.as_str()?.to_owned();
            Some(Line { beside: beside.to_owned(), workload, own: object.get("ownPerOperation")?.as_f64()? })
        })
        .collect();
    lines.filter(|lines| !lines.is_empty())
}

fn table(lines: &[Line]) -> String {
    let own = |beside: &str, workload: &str| {
        let line = lines.iter().find(|line| line.beside == beside && line.workload == workload);
        line.map(|line| line.own)
    };
    let mut table = Table::new(1, &["workload", "without", "with", "added", "beside"]);
    // How much the same differs, last.
    let (besides, again): (Vec<_>, Vec<_>) = lines
        .iter()
        .filter(|line| line.beside != "warm" && line.beside != "nothing")
        .partition(|line| line.beside != "again");
    for line in besides.into_iter().chain(again) {
        let Some(without) = own("nothing", &line.workload) else { continue };
        let figures = [without, line.own, line.own - without].map(|figure| format!("{figure:.0}"));
        let beside = if line.beside == "again" { "nothing, at the end" } else { &line.beside };
        table.row([line.workload.clone()].into_iter().chain(figures).chain([beside.to_owned()]));
    }
    table.lines()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_the_difference_to_nothing() {
        let output = "\
noise
RESULT nothing {\"workload\":\"open\",\"ownPerOperation\":1000.0}\r
RESULT trampoline/all {\"workload\":\"open\",\"ownPerOperation\":1500.4}
RESULT again {\"workload\":\"open\",\"ownPerOperation\":1001.0}
";
        let table = table(&lines(output).unwrap());
        assert!(table.contains("open         1000  1500    500  trampoline/all\n"), "{table}");
        assert!(table.contains("open         1000  1001      1  nothing, at the end\n"), "{table}");
        assert!(lines("nothing").is_none());
    }
}
