//! `policy`: what the rules would do.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use activity_proto::v1::{Access, EventType};
use clap::{Args, Subcommand, ValueEnum};

use super::{DoctorFormat, PlanArg, parse_type};

/// `policy`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say which rule decides about an act, and why the others do not
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Box<ExplainArgs>),
    /// Judge live activity by a configuration; nothing is recorded
    #[command(after_help = DRY_RUN_EXAMPLES)]
    DryRun(DryRunArgs),
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  activity-sensor policy explain --type open --path /etc/shadow --user alice
  activity-sensor policy explain --type open --path /srv/x --access write --errno EACCES --user alice
  activity-sensor policy explain --type connect --address 10.0.0.1 --port 22 --exe /usr/bin/ssh
  activity-sensor policy explain --type exec --path /usr/bin/gcc --under /usr/bin/make --format json";

const DRY_RUN_EXAMPLES: &str = "\
Examples:
  activity-sensor policy dry-run --config new.toml --for 60s
  activity-sensor policy dry-run --config new.toml --format json    until Ctrl-C";

/// `policy explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Configuration file [default: /etc/activity-sensor/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: DoctorFormat,
    /// The act's type
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_type)]
    pub event_type: EventType,
    #[command(flatten)]
    pub who: WhoArgs,
    #[command(flatten)]
    pub object: ObjectArgs,
    /// It went well [default]
    #[arg(long, conflicts_with = "errno", help_heading = "Outcome")]
    pub success: bool,
    /// It failed with this error, such as ENOENT
    #[arg(long, value_name = "NAME", value_parser = parse_errno, help_heading = "Outcome")]
    pub errno: Option<u32>,
}

/// Who acts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Who acts")]
pub struct WhoArgs {
    /// Who logged in [default: nobody]
    #[arg(long, visible_alias = "login-uid", value_name = "NAME|UID")]
    pub user: Option<String>,
    /// Real and effective user [default: who logged in, or root]
    #[arg(long, value_name = "NAME|UID")]
    pub uid: Option<String>,
    /// Real and effective group [default: the number of the user]
    #[arg(long, value_name = "GID")]
    pub gid: Option<u32>,
    /// Kind of the login session, such as ssh [default: none]
    #[arg(long, value_name = "KIND")]
    pub session: Option<String>,
    /// Terminal
    #[arg(long, value_name = "NAME")]
    pub tty: Option<String>,
    /// The executable
    #[arg(long, value_name = "PATH")]
    pub exe: Option<String>,
    /// An executable that led to it; may be given several times
    #[arg(long, value_name = "PATH")]
    pub under: Vec<String>,
    /// Control group
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<String>,
    /// In another mount namespace than the host's
    #[arg(long)]
    pub container: bool,
}

/// What the act is about.
#[derive(Debug, Args)]
#[command(next_help_heading = "What it is about")]
pub struct ObjectArgs {
    /// The file, or the unix socket
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// The new name, of rename and link
    #[arg(long, value_name = "PATH")]
    pub new_path: Option<String>,
    /// What an open asks for [default: read]
    #[arg(long, value_name = "ACCESS", value_delimiter = ',', value_parser = parse_access)]
    pub access: Vec<Access>,
    /// What the file is
    #[arg(long, value_enum, default_value_t)]
    pub file_kind: FileKindArg,
    /// The file has no name, such as a pipe
    #[arg(long)]
    pub unnamed: bool,
    /// The other end
    #[arg(long, value_name = "IP")]
    pub address: Option<IpAddr>,
    /// The port of the service
    #[arg(long, value_name = "NUMBER")]
    pub port: Option<u32>,
}

/// `--file-kind`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FileKindArg {
    /// A regular file
    #[default]
    Regular,
    /// A directory
    Directory,
    /// A character device
    CharacterDevice,
    /// A socket
    Socket,
}

/// `policy dry-run`
#[derive(Debug, Args)]
pub struct DryRunArgs {
    /// Configuration file [default: /etc/activity-sensor/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How long, such as 60s, 5m or 1h [default: until Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
    pub time: Option<Duration>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: DoctorFormat,
    #[command(flatten)]
    pub plan: PlanArg,
}

fn parse_access(name: &str) -> Result<Access, String> {
    Access::from_short_name(name)
        .ok_or_else(|| format!("there is no such access; there are {}", Access::SHORT_NAMES.join(", ")))
}

fn parse_errno(name: &str) -> Result<u32, String> {
    crate::policy::errno_of(name).ok_or_else(|| "give the name of an error, such as ENOENT".to_owned())
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let unit = |suffix: char| text.strip_suffix(suffix);
    let (digits, seconds) = match (unit('s'), unit('m'), unit('h')) {
        (Some(digits), ..) => (digits, 1),
        (_, Some(digits), _) => (digits, 60),
        (.., Some(digits)) => (digits, 3600),
        _ => (text, 1),
    };
    let number = digits.parse::<u32>().ok().filter(|number| *number > 0);
    let time = number.map(|number| Duration::from_secs(u64::from(number) * seconds));
    time.ok_or_else(|| "give a time such as 60s, 5m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        let seconds = |text| parse_time(text).ok().map(|time| time.as_secs());
        assert_eq!(
            [seconds("90"), seconds("60s"), seconds("5m"), seconds("1h")].map(Option::unwrap),
            [90, 60, 300, 3600]
        );
        for wrong in ["", "s", "0s", "-1s", "1d", "1.5s", "99999999999"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
