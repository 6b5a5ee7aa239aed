//! Others that watch, where they are installed. Nothing is installed for this.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};

use super::{
    Bench,
    contestant::{Contestant, Started},
};
use crate::{
    background::{Running, detached},
    exit::Result,
    setup::on_path,
};

/// How long they are given to attach; they do not say when they have.
const ATTACH: Duration = Duration::from_secs(3);

/// The same acts as the sensor's.
const BPFTRACE: &str = "\
tracepoint:syscalls:sys_enter_openat { printf(\"open %d %s %s\\n\", pid, comm, str(args->filename)); } \
tracepoint:syscalls:sys_enter_execve { printf(\"exec %d %s %s\\n\", pid, comm, str(args->filename)); } \
tracepoint:syscalls:sys_enter_connect { printf(\"connect %d %s\\n\", pid, comm); }";

/// One rule for auditd, without the word that adds or deletes it.
const RULE: [&str; 7] =
    ["always,exit", "-F", "arch=b64", "-S", "openat,execve,connect", "-k", "activity-bench"];

/// How Debian configures auditd, but for the place of its log and the dispatcher.
const AUDITD: &str = "\
log_format = RAW
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = 8
num_logs = 5
max_log_file_action = ROTATE
space_left = 75
space_left_action = SYSLOG
admin_space_left = 50
admin_space_left_action = SUSPEND
";

/// Programs of libbpf-tools with what they are told.
const TOOLS: [(&str, &[&str]); 3] = [("opensnoop", &[]), ("execsnoop", &[]), ("tcpconnect", &[])];

/// Why a contestant cannot run here.
pub fn obstacle(contestant: Contestant) -> Option<String> {
    let needed: &[&str] = match contestant {
        Contestant::Auditd => &["auditd", "auditctl"],
        Contestant::Bpftrace => &["bpftrace"],
        Contestant::LibbpfTools => &["opensnoop", "execsnoop", "tcpconnect"],
        _ => &[],
    };
    let missing: Vec<_> = needed.iter().filter(|name| program(name).is_none()).copied().collect();
    if !missing.is_empty() {
        return Some(format!("not installed ({})", missing.join(", ")));
    }
    let runs = contestant == Contestant::Auditd && is_running("auditd");
    runs.then(|| "auditd runs already, and its rules are not ours to change".to_owned())
}

/// Also where only root looks.
fn program(name: &str) -> Option<PathBuf> {
    let usual = || {
        ["/usr/sbin", "/sbin"].map(|dir| Path::new(dir).join(name)).into_iter().find(|path| path.is_file())
    };
    on_path(name).or_else(usual)
}

fn is_running(name: &str) -> bool {
    let Ok(entries) = fs::read_dir("/proc") else { return false };
    let comm = |path: PathBuf| fs::read_to_string(path.join("comm")).unwrap_or_default();
    entries.flatten().any(|entry| comm(entry.path()).trim() == name)
}

fn command(name: &str) -> Result<Command> {
    program(name).map(Command::new).with_context(|| format!("{name} is not installed"))
}

/// Starts a program; what it writes is part of what it does, but nobody reads it.
fn run(bench: &Bench, name: &'static str, command: &mut Command) -> Result<Running> {
    detached(name, command, bench.private.path().join(format!("{name}.log")))
}

/// One line of bpftrace.
pub fn bpftrace(bench: &Bench) -> Result<Started> {
    let mut bpftrace = command("bpftrace")?;
    let running = run(bench, "bpftrace", bpftrace.args(["-e", BPFTRACE]))?;
    attached(bench, Started { programs: vec![running], ..Started::default() })
}

/// Several tools at once, to see what the sensor sees. Those that this kernel does not
/// take (one without kprobes has no tcpconnect) are left out, and it is said.
pub fn libbpf_tools(bench: &Bench) -> Result<Started> {
    let start =
        |(name, arguments): &(&'static str, &[&str])| run(bench, name, command(name)?.args(*arguments));
    let mut programs = TOOLS.iter().map(start).collect::<Result<Vec<_>>>()?;
    bench.stop.wait(ATTACH)?;
    programs.retain_mut(|program| match program.ended() {
        None => true,
        Some(status) => {
            eprintln!("bench: {} does not run here ({status}), so the others run without it", program.name);
            false
        }
    });
    if programs.is_empty() {
        bail!("none of the libbpf-tools runs on this kernel; leave out --peers");
    }
    Ok(Started { programs, ..Started::default() })
}

/// auditd with a configuration of its own.
pub fn auditd(bench: &Bench) -> Result<Started> {
    let dir = bench.private.path().join("audit");
    fs::create_dir_all(dir.join("rules.d"))?;
    let log = dir.join("audit.log");
    fs::write(dir.join("auditd.conf"), format!("log_file = {}\n{AUDITD}", log.display()))?;
    let mut auditd = command("auditd")?;
    let running = run(bench, "auditd", auditd.args(["-n", "-s", "enable", "-c"]).arg(&dir))?;
    let rules = Rules::add()?;
    attached(bench, Started { programs: vec![running], rules: Some(rules), ..Started::default() })
}

/// A rule in the kernel until this is dropped.
pub struct Rules(());

impl Rules {
    fn add() -> Result<Self> {
        auditctl("-a")?;
        Ok(Self(()))
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        if let Err(error) = auditctl("-d") {
            eprintln!(
                "bench: a rule stays in the kernel; `auditctl -D -k activity-bench` removes it: {error:#}"
            );
        }
    }
}

fn auditctl(action: &str) -> Result {
    let mut auditctl = command("auditctl")?;
    let output =
        auditctl.arg(action).args(RULE).stdin(Stdio::null()).output().context("auditctl does not start")?;
    if !output.status.success() {
        bail!("auditctl {action} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn attached(bench: &Bench, mut started: Started) -> Result<Started> {
    bench.stop.wait(ATTACH)?;
    for program in &mut started.programs {
        if let Some(status) = program.ended() {
            bail!("{} ended at its start ({status}):{}", program.name, program.last_words());
        }
    }
    Ok(started)
}

/// Which version of a peer it is.
pub fn version(contestant: Contestant) -> Option<String> {
    let (name, option) = match contestant {
        Contestant::Auditd => ("auditctl", "-v"),
        Contestant::Bpftrace => ("bpftrace", "--version"),
        Contestant::LibbpfTools => ("opensnoop", "--version"),
        _ => return None,
    };
    Some(first_line(command(name).ok()?.arg(option)))
}

/// The first line that a program prints; empty when it prints none.
pub fn first_line(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or_default().to_owned()
}
