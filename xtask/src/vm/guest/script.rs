//! Runs a script, and the sensor beside it.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    process::{ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::Context;

use super::{
    capture::Capture,
    command,
    report::{Report, copy},
};
use crate::{
    exit::Result,
    vm::job::{ERR, OUT, ScriptJob},
};

/// How long output may come from what the script left behind.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// Does the job. The code is the script's.
pub fn run(job: &ScriptJob, report: &Report) -> Result<i32> {
    let Some(sensor) = &job.sensor else { return script(&job.script).map(code) };
    let mut capture = Capture::start(sensor, job)?;
    capture.await_mark("begin")?;
    let status = script(&job.script)?;
    capture.await_mark("end")?;
    report.file(&capture.finish()?)?;
    Ok(code(status))
}

fn code(status: ExitStatus) -> i32 {
    // As a shell tells a signal.
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

fn script(path: &str) -> Result<ExitStatus> {
    let executable = fs::metadata(path).context(path.to_owned())?.permissions().mode() & 0o111 != 0;
    let mut run = if executable { command(path) } else { command("sh") };
    if !executable {
        run.arg(path);
    }
    let mut child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context(path.to_owned())?;
    let (done, all_said) = mpsc::channel();
    let ports = [
        child.stdout.take().map(|out| copy(out, OUT)).transpose()?,
        child.stderr.take().map(|err| copy(err, ERR)).transpose()?,
    ];
    thread::spawn(move || {
        ports.into_iter().flatten().for_each(|port| drop(port.join()));
        let _ = done.send(());
    });
    let status = child.wait()?;
    // What it leaves behind in the background may hold its output open.
    let _ = all_said.recv_timeout(AFTERWARDS);
    Ok(status)
}
