//! `activity-sensor doctor`: can the sensor do its job here, and what does it
//! not see.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    time::Instant,
};

use anstyle::{AnsiColor, Style};
use sensor_types::act::Act;
use serde::Serialize;

use super::policy;
use crate::{
    cli::{DoctorArgs, DoctorFormat, Plan},
    config::{Config, HooksConfig},
    failure::{Failure, printed},
    source::{
        LoadError,
        btf::{self, Btf},
        choice::{Choice, Choices, Refused},
        findings::Findings,
        kernel::HookState,
        load::{self, LoadOptions},
        plan::{NEVER_COVERED, REQUIRED},
    },
};

/// How a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Standing {
    Good,
    /// Works, but less is known than could be.
    Weak,
    /// The sensor cannot do its job.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    name: &'static str,
    standing: Standing,
    pub(super) says: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<&'static str>,
}

impl Finding {
    pub(super) fn good(name: &'static str, says: impl Into<String>) -> Self {
        Self { name, standing: Standing::Good, says: says.into(), mend: None }
    }

    pub(super) fn weak(name: &'static str, says: impl Into<String>, mend: &'static str) -> Self {
        Self { name, standing: Standing::Weak, says: says.into(), mend: Some(mend) }
    }

    fn bad(name: &'static str, says: impl Into<String>, mend: &'static str) -> Self {
        Self { name, standing: Standing::Bad, says: says.into(), mend: Some(mend) }
    }
}

/// What was found, and what the plan on this kernel does not see.
type Look = (Vec<Finding>, Vec<String>);

/// Looks, prints, and fails when the sensor cannot do its job.
///
/// # Errors
/// When a finding is bad.
pub fn doctor(args: &DoctorArgs) -> Result<(), Failure> {
    let (findings, not_covered) = findings();
    printed(match args.format {
        DoctorFormat::Text => print_text(&findings, &not_covered),
        DoctorFormat::Json => print_json(&findings, &not_covered),
    })?;
    match findings.iter().find(|finding| finding.standing == Standing::Bad) {
        None => Ok(()),
        Some(finding) if finding.name == "privilege" => {
            Err(Failure::not_permitted("run the doctor as root, so that it can look at everything"))
        }
        Some(finding) => {
            Err(Failure::unavailable(format!("the sensor cannot do its job here: {}", finding.says)))
        }
    }
}

fn findings() -> Look {
    let privileged = privilege();
    let root = privileged.standing == Standing::Good;
    let mut findings = vec![kernel(), privileged, configuration()];
    let mut not_covered = NEVER_COVERED.iter().map(|what| (*what).to_owned()).collect();
    let btf = Btf::read(Path::new(btf::VMLINUX));
    findings.push(types(&btf));
    match btf {
        Ok(_) if root => {
            let (tried, gaps) = trial();
            findings.extend(tried);
            not_covered = gaps;
        }
        Ok(btf) => findings.extend(hooks(&Findings::of(&btf))),
        Err(_) => {}
    }
    findings.extend([lockdown(), audit(), pam(), cgroup(), socket()]);
    findings.extend(policy::of_daemon(&Config::default().stream));
    (findings, not_covered)
}

fn kernel() -> Finding {
    let name = rustix::system::uname();
    let (release, machine) = (name.release().to_string_lossy(), name.machine().to_string_lossy());
    Finding::good("kernel", format!("{release} on {machine}"))
}

fn privilege() -> Finding {
    if rustix::process::geteuid().is_root() {
        Finding::good("privilege", "root")
    } else {
        Finding::bad("privilege", "not root", "run `sudo activity-sensor doctor`")
    }
}

fn configuration() -> Finding {
    match Config::load(None) {
        Ok(_) => Finding::good("configuration", "fine"),
        Err(error) => {
            Finding::bad("configuration", error.to_string(), "mend the file; `check-config` says more")
        }
    }
}

fn types(btf: &Result<Btf, btf::BtfError>) -> Finding {
    match btf {
        Ok(_) => Finding::good("btf", format!("the kernel's types are at {}", btf::VMLINUX)),
        Err(error) => Finding::bad(
            "btf",
            error.to_string(),
            "use a kernel with CONFIG_DEBUG_INFO_BTF=y; every distribution's since 2021 has it",
        ),
    }
}

/// Every act by what the kernel's types say; whether it loads is for the trial.
fn hooks(found: &Findings) -> Vec<Finding> {
    let choices = Choices::make(found, HooksConfig::default().acts(), Plan::Auto, &Refused::new());
    choices.0.iter().map(by_types).collect()
}

fn by_types(choice: &Choice) -> Finding {
    match &choice.obstacle {
        None => Finding::good("hook", format!("{}: this kernel has what it needs", choice.act.name())),
        Some(reason) => without(choice.act, reason),
    }
}

/// What it means that an act cannot be recorded.
fn without(act: Act, reason: &str) -> Finding {
    let says = format!("{}: {reason}", act.name());
    if REQUIRED.contains(&act) {
        Finding::bad("hook", says, "use a kernel from 5.10 on")
    } else {
        Finding::weak("hook", says, "the sensor runs without it; a newer kernel may have it")
    }
}

/// Loads and attaches everything for a moment, and tells what became of it.
fn trial() -> Look {
    let options = LoadOptions { everybody: false, shortcuts: true, allow_degraded: true, plan: Plan::Auto };
    let begun = Instant::now();
    match load::load(&HooksConfig::default(), options) {
        Ok(kernel) => {
            let mut findings: Vec<_> = kernel.hooks.states.iter().map(tried).collect();
            let plan = kernel.hooks.plan;
            let time = begun.elapsed().as_millis();
            findings.push(Finding::good(
                "trial",
                format!("the programs load and attach in {time} ms; plan: {plan}"),
            ));
            findings.extend(kernel.hooks.fallback.map(no_trampolines));
            (findings, kernel.hooks.not_covered)
        }
        Err(error) => {
            let mend = match error {
                LoadError::NotPermitted => "give the container CAP_BPF and CAP_PERFMON, or run outside of it",
                _ => "see the reason; report it if it is unclear",
            };
            (vec![Finding::bad("trial", error.to_string(), mend)], Vec::new())
        }
    }
}

fn no_trampolines(reason: String) -> Finding {
    Finding::weak(
        "plan",
        reason,
        "nothing to do for a sensor that works; a kernel that permits fentry sees more and costs less",
    )
}

fn tried(hook: &HookState) -> Finding {
    match &hook.obstacle {
        None => Finding::good("hook", format!("{}: {} {}", hook.act.name(), hook.how, hook.attached_to)),
        Some(reason) => without(hook.act, reason),
    }
}

fn lockdown() -> Finding {
    match fs::read_to_string("/sys/kernel/security/lockdown") {
        Ok(text) if text.contains("[confidentiality]") => Finding::bad(
            "lockdown",
            "the kernel is locked down for confidentiality and lets no program read its memory",
            "boot with lockdown=integrity",
        ),
        Ok(text) if text.contains("[integrity]") => {
            Finding::good("lockdown", "integrity, which is no obstacle")
        }
        _ => Finding::good("lockdown", "none"),
    }
}

fn audit() -> Finding {
    match fs::read_to_string("/proc/self/loginuid") {
        Ok(text) if text.trim() == "4294967295" => Finding::weak(
            "login uid",
            "this kernel keeps it, but this shell has none",
            "normal for a service or a console without PAM; a login by ssh must have one, see `pam`",
        ),
        Ok(text) => Finding::good("login uid", format!("this shell's is {}", text.trim())),
        Err(_) => Finding::weak(
            "login uid",
            "this kernel does not keep it, so nothing says who logged in",
            "use a kernel with CONFIG_AUDIT=y",
        ),
    }
}

/// pam_loginuid is what sets the login uid at a login.
fn pam() -> Finding {
    let services = ["sshd", "login", "cron", "crond", "gdm-password", "lightdm", "sddm"];
    let present: Vec<_> = services
        .into_iter()
        .filter_map(|service| {
            let text = fs::read_to_string(Path::new("/etc/pam.d").join(service)).ok()?;
            Some((service, text))
        })
        .collect();
    let sets =
        |text: &String| text.lines().any(|line| line.contains("pam_loginuid") && !line.starts_with('#'));
    let without: Vec<_> =
        present.iter().filter(|(_, text)| !sets(text)).map(|(service, _)| *service).collect();
    if present.is_empty() {
        Finding::weak("pam", "no login program is configured here", "install one, such as openssh-server")
    } else if without.is_empty() {
        Finding::good("pam", "every login program sets the login uid")
    } else {
        Finding::weak(
            "pam",
            format!("pam_loginuid is missing for {}", without.join(", ")),
            "add `session required pam_loginuid.so` to its file in /etc/pam.d",
        )
    }
}

fn cgroup() -> Finding {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let unified = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (_, path, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == "cgroup2").then_some(path)
    });
    match unified {
        Some(path) => Finding::good("cgroup", format!("the unified hierarchy is at {path}")),
        None => Finding::weak(
            "cgroup",
            "no unified hierarchy is mounted, so containers have no names",
            "mount it: mount -t cgroup2 none /sys/fs/cgroup",
        ),
    }
}

fn socket() -> Finding {
    let path = Config::default().stream.socket;
    match std::os::unix::net::UnixStream::connect(&path) {
        Ok(_) => Finding::good("daemon", format!("answers at {}", path.display())),
        Err(_) => Finding::weak(
            "daemon",
            format!("none answers at {}", path.display()),
            "start it: systemctl start activity-sensor",
        ),
    }
}

fn print_json(findings: &[Finding], not_covered: &[String]) -> io::Result<()> {
    #[derive(Serialize)]
    struct Report<'a> {
        findings: &'a [Finding],
        #[serde(rename = "notCovered")]
        not_covered: &'a [String],
    }
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &Report { findings, not_covered })?;
    writeln!(out)
}

fn print_text(findings: &[Finding], not_covered: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for finding in findings {
        let (mark, ink) = match finding.standing {
            Standing::Good => ("ok  ", AnsiColor::Green),
            Standing::Weak => ("note", AnsiColor::Yellow),
            Standing::Bad => ("FAIL", AnsiColor::Red),
        };
        let style = if colour { Style::new().fg_color(Some(ink.into())) } else { Style::new() };
        writeln!(out, "{style}{mark}{style:#}  {:<14} {}", finding.name, finding.says)?;
        if let Some(mend) = finding.mend {
            writeln!(out, "{:20} -> {mend}", "")?;
        }
    }
    writeln!(out, "\nNot covered by this plan:")?;
    for what in not_covered {
        writeln!(out, "  {what}")?;
    }
    Ok(())
}
