//! A script in a guest, and the events of what it does.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::Receiver,
};

use anyhow::{Context, bail};

use super::{
    base,
    boot::{Machine, Processors, Said},
    debian, initramfs,
    job::{Job, ScriptJob},
    kernel::{self, Kernel},
    modules,
    plan::Plan,
    rootfs::Rootfs,
    targets,
    tree::Tree,
};
use crate::exit::{Result, failure};

/// Where script and included files lie in a guest.
const PLACE: &str = "/root";

/// What to run where.
pub struct Request {
    /// The system.
    pub rootfs: Rootfs,
    /// The kernel.
    pub kernel: Kernel,
    /// The sensor's plan.
    pub plan: Plan,
    /// What to run.
    pub script: PathBuf,
    /// Files beside it.
    pub include: Vec<PathBuf>,
    /// Where the events go.
    pub capture: Option<PathBuf>,
    /// How its processors run.
    pub processors: Processors,
}

/// Runs it. What it writes comes out as it is written; its exit code is ours.
pub fn run(request: &Request, signals: &Receiver<i32>, out: &mut dyn std::io::Write) -> Result {
    let fetched = kernel::fetch(request.kernel)?;
    let sensor = request.capture.as_ref().map(|_| targets::sensor()).transpose()?;
    let private = tempfile::Builder::new().prefix("activity-vm-").tempdir()?;
    let archive = private.path().join("initramfs");
    write(request, &fetched.modules, sensor.as_deref(), &archive)?;
    let machine = Machine {
        name: format!("{} script", request.kernel),
        kernel: &fetched,
        initramfs: &archive,
        memory: request.rootfs.memory(),
        processors: request.processors,
        patience: None,
    };
    eprintln!("vm: booting Linux {}", fetched.release);
    let mut captured = None;
    let code = machine.run(signals, |said| {
        match said {
            Said::Out(bytes) => put(out, &bytes)?,
            Said::Err(bytes) => put(&mut std::io::stderr().lock(), &bytes)?,
            Said::File(bytes) => captured = Some(bytes),
            Said::Word(_) => {}
        }
        Ok(())
    })?;
    if let Some(to) = &request.capture {
        let captured = captured.context("the guest sent no events")?;
        let events = keep(&captured, to)?;
        eprintln!("vm: {events} events are in {}", to.display());
    }
    match u8::try_from(code) {
        Ok(0) => Ok(()),
        // The script has said what it had to say.
        code => Err(failure(code.unwrap_or(1), "")),
    }
}

/// Writes the guest's files.
fn write(request: &Request, kernels_modules: &Path, sensor: Option<&Path>, to: &Path) -> Result {
    let system = request.rootfs == Rootfs::Debian;
    let installed = if system { Some(debian::installed()) } else { sensor.map(Path::to_path_buf) };
    let job = Job::Script(ScriptJob {
        script: inside(&request.script)?,
        sensor: sensor.and(installed).map(|path| path.display().to_string()),
        plan: request.plan.name().to_owned(),
        system,
    });
    let mut tree = if system { debian::above(&job, sensor)? } else { base::tree(&job)? };
    modules::add(kernels_modules, &mut tree)?;
    for file in request.include.iter().chain([&request.script]) {
        include(&mut tree, file)?;
    }
    if system {
        return debian::write(&tree, to);
    }
    if let Some(sensor) = sensor {
        tree.program(sensor)?;
    }
    tree.libraries()?;
    initramfs::write(&tree, to)
}

fn put(to: &mut dyn std::io::Write, bytes: &[u8]) -> Result {
    to.write_all(bytes)?;
    to.flush()?;
    Ok(())
}

/// A file's path in the guest.
fn inside(file: &Path) -> Result<String> {
    let name = file.file_name().with_context(|| format!("{} is not a file", file.display()))?;
    let name = name.to_str().with_context(|| format!("{} is not UTF-8", file.display()))?;
    Ok(format!("{PLACE}/{name}"))
}

fn include(tree: &mut Tree, file: &Path) -> Result {
    let metadata = fs::metadata(file).with_context(|| file.display().to_string())?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o400 == 0 {
        bail!("{} is not a file that can be read", file.display());
    }
    let inside = inside(file)?;
    if tree.has(&inside) {
        bail!("two files would be {inside} in the guest");
    }
    tree.file(inside, &std::path::absolute(file)?)
}

/// Writes the events down; returns how many they are.
fn keep(compressed: &[u8], to: &Path) -> Result<usize> {
    let file = File::create(to).with_context(|| to.display().to_string())?;
    let mut unpack =
        Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(file).spawn().context("gzip")?;
    if let Some(mut input) = unpack.stdin.take() {
        input.write_all(compressed)?;
    }
    let status = unpack.wait()?;
    if !status.success() {
        bail!("what the guest sent cannot be unpacked ({status})");
    }
    let text = fs::read(to).with_context(|| to.display().to_string())?;
    Ok(text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count())
}
