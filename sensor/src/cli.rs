//! The command line.

mod policy;

use std::path::PathBuf;

use activity_proto::v1::EventType;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use policy::{DryRunArgs, ExplainArgs, FileKindArg, ObjectArgs, PolicyCommand, WhoArgs};

/// Records which human did what on this machine: the programs they ran, the
/// files they opened, where they connected.
#[derive(Debug, Parser)]
#[command(name = "activity-sensor", version, about, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Begin with `activity-sensor doctor`, then `activity-sensor watch`.

Exit codes: 0 fine, 64 wrong usage, 69 something needed is not there,
77 not permitted, 78 wrong configuration.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon: record, and serve subscribers over gRPC
    Run(RunArgs),
    /// Show what people do, as it happens
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(WatchArgs),
    /// List who is on, since when, from where, as whom now
    Sessions(SessionsArgs),
    /// Say what this kernel allows and what is not covered, each with its mend
    Doctor(DoctorArgs),
    /// Check a configuration file: says what is wrong, with line and key
    CheckConfig {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Bring a recording to collectors, without the kernel: to see how much they take
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Take hooks that outlive the sensor (hooks.pin) out of the kernel
    #[command(after_help = UNLOAD_EXAMPLES)]
    Unload(UnloadArgs),
    /// Say what the rules of a configuration would do
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print a completion script for a shell
    #[command(hide = true)]
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages: one for the whole, one for each command
    #[command(hide = true)]
    Manual {
        /// Where, a directory.
        directory: PathBuf,
    },
}

const REPLAY_EXAMPLES: &str = "\
Makes so many events a second of what is in the recording, with the time of now, keeps them in
a spool of its own and delivers them to the collectors of the configuration (stream.push), as
one more sensor. Prints at the end how many were acknowledged, and how long that took.

Example:
  activity-sensor run --record day.records &        and Ctrl-C after a while
  activity-sensor replay day.records --config try.toml --state /tmp/try --rate 1000 --seconds 60";

const UNLOAD_EXAMPLES: &str = "\
With hooks.pin the hooks stay in the kernel when the sensor ends, and what happens meanwhile waits
in their rings for the next run. Stop the sensor first. What nobody has read by then is gone: to
have it delivered, let the sensor run once more before.

Example:
  systemctl stop activity-sensor && activity-sensor unload";

const WATCH_EXAMPLES: &str = "\
Examples:
  activity-sensor watch                        everything a person does
  activity-sensor watch --user alice           also what alice does as root
  activity-sensor watch --type exec,connect    programs and connections only
  activity-sensor watch --format json | jq .   for scripts";

/// `run`
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Directory of the sensor's id and epoch [default: /var/lib/activity-sensor]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Start although a hook is missing; the stream says what is not covered
    #[arg(long)]
    pub allow_degraded: bool,
    /// Also write the kernel's records to FILE, for `replay` and reports of defects
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    #[command(flatten)]
    pub plan: PlanArg,
}

/// `unload`
#[derive(Debug, Args)]
pub struct UnloadArgs {
    /// Configuration file [default: /etc/activity-sensor/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of the sensor's id and epoch [default: /var/lib/activity-sensor]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// `replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// What `activity-sensor run --record FILE` wrote
    #[arg(value_name = "FILE")]
    pub recording: PathBuf,
    /// Configuration file: collectors, certificates, spool [default:
    /// /etc/activity-sensor/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of this sensor's id, epoch and spool: not the one of the daemon
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// Events in a second
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
    /// How long
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
}

/// What `run` and `watch` share.
#[derive(Debug, Args)]
pub struct CommonArgs {
    /// Configuration file [default: /etc/activity-sensor/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Unix socket of the daemon [default: /run/activity-sensor/sensor.sock]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Everything, instead of what the policy chooses
    #[arg(long)]
    pub all: bool,
}

/// `--plan`
#[derive(Debug, Args)]
pub struct PlanArg {
    /// How to hook the kernel
    #[arg(long, value_enum, default_value_t)]
    pub plan: Plan,
}

/// The ways to hook the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Plan {
    /// The best that this kernel allows
    #[default]
    Auto,
    /// Trampolines at the kernel's functions, tracepoints where they fit
    Trampoline,
    /// Tracepoints only
    Tracepoint,
}

/// `watch`
#[derive(Debug, Args)]
pub struct WatchArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: WatchFormat,
    /// Only this user's doings, whoever they have become since the login
    #[arg(long, value_name = "NAME|UID")]
    pub user: Option<String>,
    /// Only this audit session
    #[arg(long, value_name = "ID")]
    pub session: Option<u32>,
    /// Only these types
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = parse_type)]
    pub types: Vec<EventType>,
    /// Show exits that went well, too
    #[arg(long)]
    pub exits: bool,
    #[command(flatten)]
    pub plan: PlanArg,
}

/// `--format` of `watch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WatchFormat {
    /// Columns for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// `sessions`
#[derive(Debug, Args)]
pub struct SessionsArgs {
    /// Configuration file [default: /etc/activity-sensor/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Unix socket of the daemon [default: /run/activity-sensor/sensor.sock]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: WatchFormat,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: DoctorFormat,
}

/// `--format` of what prints once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DoctorFormat {
    /// For people
    #[default]
    Text,
    /// For scripts
    Json,
}

fn parse_type(name: &str) -> Result<EventType, String> {
    EventType::from_short_name(name)
        .ok_or_else(|| format!("there is no such type; the types are {}", EventType::SHORT_NAMES.join(", ")))
}
