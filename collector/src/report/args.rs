//! `report` on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{cli::StoreArgs, state::ViewingArgs};

/// Write the periodic review.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// From when: 30d (ago), 2026-03-01, 2026-03-01T08:00
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub since: String,
    /// Until when; a day is its first moment
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub until: String,
    /// Who works here: a TOML or CSV file with kinds, contracts, hours and hosts
    #[arg(long, value_name = "FILE")]
    pub roster: Option<PathBuf>,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Form::Html)]
    pub format: Form,
    /// Where to write it to [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Whose clock: a time zone such as Europe/Berlin, UTC, or this machine's
    #[arg(long, value_name = "ZONE", default_value = "local")]
    pub zone: String,
    /// The own networks, with commas between them [default: those that are private]
    #[arg(long, value_name = "NETWORKS")]
    pub inside: Option<String>,
    /// What stands above it
    #[arg(long, value_name = "TEXT", default_value = "Access review")]
    pub title: String,
    /// Which events.
    #[command(flatten)]
    pub store: StoreArgs,
    /// What for.
    #[command(flatten)]
    pub viewing: ViewingArgs,
}

/// How to write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One file for a browser and for paper, with nothing to load
    Html,
    /// Markdown
    Md,
    /// One object with all that the others show
    Json,
}

const EXAMPLES: &str = "\
What needs an answer stands first: acts after the end of a contract, on hosts that are not
allowed, outside of working hours, of people who are not on the roster. Then what is missing
(gaps, silent sensors, hours in which nothing was heard), so that nobody signs a hole. Then each
person and each host.

Examples:
  activity-collector report --since 2026-03-01 --until 2026-04-01 --roster roster.toml --out march.html
  activity-collector report --since 7d --format md
  activity-collector report --since 30d --format json | jq '.findings[]'

A roster as TOML (all but `person` may be left out; the last day of a contract is part of it):
  [[person]]
  person = \"bob\"                      # the account
  name = \"Bob Example\"
  kind = \"contractor\"                 # or employee, service, …
  company = \"Example GmbH\"
  start = 2026-01-01
  end = 2026-03-20
  hours = \"Mon-Fri 08:00-18:00\"       # or \"Mon,Wed,Sat 22:00-06:00\", \"any\"
  hosts = [\"web-*\", \"db-1\"]

As CSV, with spaces between hosts:
  person,name,kind,company,start,end,hours,hosts
  bob,Bob Example,contractor,Example GmbH,2026-01-01,2026-03-20,Mon-Fri 08:00-18:00,web-* db-1";
