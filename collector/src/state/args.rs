//! `viewers`, and what looking has in common, on the command line.

use clap::{Args, ValueEnum};

use crate::cli::StoreArgs;

/// What every look has.
#[derive(Clone, Debug, Default, Args)]
pub struct ViewingArgs {
    /// What for; noted, with who you are and what you ask, in the store's log of viewers
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
}

/// Show who looked at what is stored.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ViewersArgs {
    /// From when: 30d (ago), today, 2026-01-31
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub since: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
    /// Which events.
    #[command(flatten)]
    pub store: StoreArgs,
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
`query`, `timeline` and `report` note who asked what, when, what for (--purpose), how many rows
came and how long it took, before they read anything. With `[query] require_purpose = true` in
the configuration of `run` there is no answer without a purpose, with `require_log = true` none
that is not noted.

Examples:
  activity-collector viewers
  activity-collector viewers --since 365d --format json | jq -r 'select(.purpose == null) | .who'";
