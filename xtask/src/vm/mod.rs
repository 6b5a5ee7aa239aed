//! `cargo xtask vm`: other kernels, in virtual machines.

mod base;
mod boot;
mod capture;
mod debian;
pub mod guest;
mod initramfs;
mod job;
mod kernel;
mod mirror;
mod modules;
mod plan;
mod rootfs;
mod suite;
mod table;
mod targets;
mod tree;

use std::path::PathBuf;

pub use {kernel::Kernel, plan::Plan};

use clap::{Args, ValueEnum};

use self::{
    boot::Processors,
    plan::PlanChoice,
    rootfs::Rootfs,
    suite::{Selection, Suite},
    table::Tables,
};
use crate::{
    exit::{self, Result, failure},
    run::signals,
    setup,
    tally::Tally,
};

/// What follows the list of options.
pub const AFTER_HELP: &str = "\
Examples:
  cargo xtask vm --kernel 6.1                              the tests in which the kernel has a say, on
                                                           Linux 6.1, with each plan
  cargo xtask vm --kernel all --filter files::             the tests of files on every kernel
  cargo xtask vm --kernel all --filter table:: --table docs/evasion.md
                                                           the ways around the sensor, everywhere
  cargo xtask vm --kernel 6.12 --rootfs debian             real logins on a machine with systemd
  cargo xtask vm --kernel 5.10 --run probe.sh              a script in a guest
  cargo xtask vm --kernel 6.12 --run act.sh --include data --capture events.jsonl
                                                           a script, and the events of what it did

Kernels are Debian's, fetched from this machine's own mirror into $ACTIVITY_SENSOR_CACHE, by default \
~/.cache/activity-sensor, under kernels/; remove that directory to fetch newer ones. Guests are \
emulated: everything takes 10 to 20 times as long there. Logs are in log/vm-* there.

In a guest, the script lies in /root with what is included; programs are this machine's own, with busybox for \
the rest. Exit codes: the script's own with --run; else 0 fine, 1 a test failed.";

/// What `cargo xtask vm` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The kernel: the one of that version in Debian, the newest that Debian has, or all.
    #[arg(long, value_enum, value_name = "VERSION")]
    kernel: KernelChoice,
    /// How the sensor hooks the kernel [default: both; with --run auto].
    #[arg(long, value_enum)]
    plan: Option<PlanChoice>,
    /// Only tests with this in their name; may be given several times.
    #[arg(long, value_name = "PART", conflicts_with = "run")]
    filter: Vec<String>,
    /// All tests, with their full counts.
    #[arg(long, conflicts_with = "run")]
    long: bool,
    /// Put the table of the evasion suite into this document, in the place of the one there.
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    table: Option<PathBuf>,
    /// Run this script in the guest instead of the tests, as root without a login, and end with its code.
    #[arg(long, value_name = "SCRIPT")]
    run: Option<PathBuf>,
    /// Put this file beside the script; may be given several times.
    #[arg(long, value_name = "FILE", requires = "run")]
    include: Vec<PathBuf>,
    /// Run the sensor beside the script, with --all, and write every event to this file, one JSON
    /// object a line.
    #[arg(long, value_name = "FILE", requires = "run")]
    capture: Option<PathBuf>,
    /// One processor, whose clock counts the instructions it has done, as nanoseconds.
    #[arg(long, requires = "run")]
    instructions: bool,
    /// What the script or the tests find around them; the tests in a whole Debian are those of people and
    /// their logins.
    #[arg(long, value_enum, default_value_t = Rootfs::Minimal)]
    rootfs: Rootfs,
}

/// `--kernel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KernelChoice {
    /// Of Debian's bullseye.
    #[value(name = "5.10")]
    V5_10,
    /// Of bookworm.
    #[value(name = "6.1")]
    V6_1,
    /// Of trixie.
    #[value(name = "6.12")]
    V6_12,
    /// Of sid.
    Newest,
    /// Each of them.
    All,
}

impl KernelChoice {
    fn kernels(self) -> &'static [Kernel] {
        match self {
            Self::V5_10 => &[Kernel::V5_10],
            Self::V6_1 => &[Kernel::V6_1],
            Self::V6_12 => &[Kernel::V6_12],
            Self::Newest => &[Kernel::Newest],
            Self::All => &Kernel::ALL,
        }
    }
}

/// `cargo xtask vm`.
pub fn run(arguments: Arguments) -> Result {
    tools()?;
    let plan = arguments.plan;
    if let Some(script) = arguments.run {
        let &[kernel] = arguments.kernel.kernels() else {
            return Err(failure(exit::USAGE, "a script runs in one guest: name one --kernel"));
        };
        let plan = match plan.unwrap_or(PlanChoice::Auto).plans() {
            &[plan] => plan,
            _ => return Err(failure(exit::USAGE, "a script runs once: name one --plan")),
        };
        let request = capture::Request {
            rootfs: arguments.rootfs,
            kernel,
            plan,
            script,
            include: arguments.include,
            capture: arguments.capture,
            processors: if arguments.instructions { Processors::Counted } else { Processors::Parallel },
        };
        return capture::run(&request, &signals()?, &mut std::io::stdout().lock());
    }
    let suite = Suite::build(Selection {
        rootfs: arguments.rootfs,
        filters: arguments.filter,
        long: arguments.long,
    })?;
    let signals = signals()?;
    let (mut tally, mut tables) = (Tally::default(), Tables::default());
    for &kernel in arguments.kernel.kernels() {
        let plans = plan.map_or(kernel.plans(), PlanChoice::plans);
        suite.run(kernel, plans, &signals, &mut tally, &mut tables)?;
    }
    if let Some(document) = arguments.table {
        tables.write(&document)?;
    }
    println!("{}", tally.summary());
    if tally.failed.is_empty() { Ok(()) } else { Err(failure(1, "")) }
}

/// A script whose time is counted in instructions.
pub struct Counting {
    /// The kernel.
    pub kernel: Kernel,
    /// What to run.
    pub script: PathBuf,
    /// Files beside it.
    pub include: Vec<PathBuf>,
}

/// Runs a script in a guest with one processor, whose nanoseconds are instructions.
pub fn count_instructions(counting: &Counting, out: &mut dyn std::io::Write) -> Result {
    tools()?;
    let request = capture::Request {
        rootfs: Rootfs::Minimal,
        kernel: counting.kernel,
        plan: Plan::Auto,
        script: counting.script.clone(),
        include: counting.include.clone(),
        capture: None,
        processors: Processors::Counted,
    };
    capture::run(&request, &signals()?, out)
}

/// What `cargo xtask test` runs in guests, after everything was built: on every
/// kernel and with either plan that the programs load and that a person's acts
/// come out, and in a whole Debian what systemd does for people; with --long all
/// end-to-end tests. Where guests cannot be had they count as skipped.
pub fn test(long: bool, tally: &mut Tally) -> Result {
    if let Err(error) = tools() {
        tally.skip("guests with other kernels", &format!("{error:#}"));
        return Ok(());
    }
    let filters = if long { Vec::new() } else { CORE.map(str::to_owned).to_vec() };
    let suite = Suite::of_built(Selection { filters, long, ..Selection::default() })?;
    let signals = signals()?;
    let mut tables = Tables::default();
    Kernel::ALL
        .iter()
        .try_for_each(|&kernel| suite.run(kernel, kernel.plans(), &signals, tally, &mut tables))?;
    let filters = if long { Vec::new() } else { vec![OF_SYSTEMD.to_owned()] };
    let system = Suite::of_built(Selection { rootfs: Rootfs::Debian, filters, long })?;
    let plans = if long { PlanChoice::Both } else { PlanChoice::Auto }.plans();
    system.run(Kernel::V6_12, plans, &signals, tally, &mut tables)
}

/// The tests in guests that are part of every run.
const CORE: [&str; 3] = [
    "acceptance::what_a_person_does_is_in_the_stream",
    "errors::doctor_is_content",
    "files::a_failed_open_has_its_error",
];

/// The tests for which there has to be systemd.
const OF_SYSTEMD: &str = "systemd::";

/// What guests need of this machine beside what building needs.
fn tools() -> Result {
    setup::debian_tool("qemu-system-x86_64", "qemu-system-x86")?;
    setup::debian_tool("busybox", "busybox-static")
}
