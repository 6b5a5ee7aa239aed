//! Runs test programs, one after the other.

use std::{
    io::{self, Write as _},
    process::Stdio,
};

use anyhow::Context;
use rustix::termios::tcdrain;

use super::{
    command,
    report::{Report, port},
};
use crate::{
    exit::Result,
    vm::job::{MARK_ENDED, MARK_PLAN, OUT, SuiteJob},
};

/// Does the job; its output goes out line by line.
pub fn run(job: &SuiteJob, _report: &Report) -> Result<i32> {
    let mut out = port(OUT)?;
    for plan in &job.plans {
        writeln!(out, "{MARK_PLAN}{plan}")?;
        for program in &job.programs {
            let (mut reader, writer) = io::pipe()?;
            let mut test = command(program);
            for (name, value) in job.environment.iter().filter_map(|setting| setting.split_once('=')) {
                test.env(name, value);
            }
            test.env("ACTIVITY_TEST_PLAN", plan).arg("--color=never").args(&job.filters);
            if job.long {
                test.env("ACTIVITY_TEST_LONG", "1").arg("--include-ignored");
            }
            test.stdout(writer.try_clone()?).stderr(writer);
            let mut child = test.stdin(Stdio::null()).spawn().with_context(|| program.clone())?;
            // The pipe ends when nobody else has it.
            drop(test);
            io::copy(&mut reader, &mut out)?;
            let status = child.wait()?;
            writeln!(out, "{MARK_ENDED}{} {program}", status.code().unwrap_or(-1))?;
        }
    }
    tcdrain(&out)?;
    Ok(0)
}
