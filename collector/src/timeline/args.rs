//! `timeline` on the command line.

use std::{convert::Infallible, fmt, str::FromStr};

use activity_proto::json::escape_bytes;
use clap::{Args, ValueEnum};

use crate::{cli::StoreArgs, state::ViewingArgs};

/// Show what a person did, in order.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TimelineArgs {
    /// Whose acts: a name, or the number of a user
    #[arg(long, value_name = "NAME")]
    pub user: Who,
    /// From when: 24h, 7d (ago), today, 2026-01-31, 2026-01-31T08:00
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub since: String,
    /// Until when
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub until: String,
    /// On which machine; * stands for anything
    #[arg(long, value_name = "NAME", default_value = "*")]
    pub host: String,
    /// Whose clock: a time zone such as Europe/Berlin, UTC, or this machine's
    #[arg(long, value_name = "ZONE", default_value = "local")]
    pub zone: String,
    /// Also what says little: programs that ended, login uids, credentials of single threads
    #[arg(long)]
    pub all: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
    /// Print to the terminal, not into $PAGER
    #[arg(long)]
    pub no_pager: bool,
    /// Which events.
    #[command(flatten)]
    pub store: StoreArgs,
    /// What for.
    #[command(flatten)]
    pub viewing: ViewingArgs,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By the name of the account they logged in as.
    Name(String),
    /// By its number.
    Uid(u32),
}

impl FromStr for Who {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Uid))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(&escape_bytes(name.as_bytes())),
            Self::Uid(uid) => write!(f, "uid {uid}"),
        }
    }
}

/// How to print it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Text,
    /// One object a line
    Json,
}

const EXAMPLES: &str = "\
Acts are grouped by session (host, where from, by which method and key), sessions in the order
of their first act. A step to another user stands out (^), and what follows is marked with the
user it was done as. Acts that repeat within five minutes are told once with how often (x12).
What was not recorded stands where it is missing.

A terminal gets colours and a pager ($PAGER, otherwise less); NO_COLOR and --no-pager turn them off.

Examples:
  activity-collector timeline --user alice
  activity-collector timeline --user alice --since 2026-03-02 --until 2026-03-09 --host 'web-*'
  activity-collector timeline --user 1001 --since 7d --format json | jq -r 'select(.type == \"exec\") | .argv | join(\" \")'";
