//! `query` on the command line.

use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser},
};

use super::named::NAMED;
use crate::{
    cli::{Format, StoreArgs},
    state::ViewingArgs,
};

/// Answer SQL over what is stored.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct QueryArgs {
    /// One read-only SQL statement over `events` and the views
    #[arg(value_name = "SQL", required_unless_present_any = ["name", "list", "describe"])]
    pub sql: Option<String>,
    /// A question that is asked often, instead of a statement; `--list` shows them
    #[arg(long, value_name = "NAME", conflicts_with = "sql", value_parser = names(), hide_possible_values = true)]
    pub name: Option<String>,
    /// A value for a place `$NAME` in the statement or the question; may be given more than once
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    pub parameters: Vec<(String, String)>,
    /// Show the questions, their parameters, the views and our functions
    #[arg(long, conflicts_with_all = ["sql", "name", "describe"])]
    pub list: bool,
    /// Show the columns of a view and what they mean
    #[arg(long, value_name = "VIEW", conflicts_with_all = ["sql", "name"])]
    pub describe: Option<String>,
    /// Which events.
    #[command(flatten)]
    pub store: StoreArgs,
    /// What for.
    #[command(flatten)]
    pub viewing: ViewingArgs,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// For completion: each name with what it asks. One that is not there is told with the
/// nearest that is.
fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(NAMED.iter().map(|named| PossibleValue::new(named.name).help(named.about)))
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("give it as NAME=VALUE")?;
    Ok((name.trim_start_matches('$').to_owned(), value.to_owned()))
}

const EXAMPLES: &str = "\
`events` has a row for each event; sessions, logins, execs, opens, connects, file_changes,
privilege_changes, gaps, silences and sensors are views over it with readable names. `--list`
shows them, `--describe VIEW` their columns. NULL is unset. Lists (argv, access) are counted
from 1. A column called `user` is written events.user.

Examples:
  What is asked often has a name: who used sudo this month?
      activity-collector query --list
      activity-collector query --name sudo --param since=30d --param human=alice

  Which programs did alice start in the last hour?
      SELECT time, argv, cwd FROM execs
      WHERE human = 'alice' AND time > now() - INTERVAL '1 hour' ORDER BY time

  A value from a script is bound, not pasted:
      activity-collector query \"SELECT time, argv FROM execs WHERE human = $who\" --param who=\"$name\"

  Who tried to read what they may not?
      SELECT human, path, sum(acts) FROM opens
      WHERE error IN ('EACCES', 'EPERM') GROUP BY human, path

  Who called curl with an address, and where did it connect?
      SELECT human, argv[2], address, port FROM connects WHERE exe = '/usr/bin/curl'

  What was not recorded, and why?
      SELECT time, host, lane, reason, missing FROM gaps

  Which sensors fell silent, and which of them are back?
      SELECT host, address, reason, since, ended FROM silences ORDER BY since

  Did any sensor lose something without telling?
      SELECT time, host, conservation_error FROM events WHERE type = 'heartbeat' AND conservation_error <> 0";
