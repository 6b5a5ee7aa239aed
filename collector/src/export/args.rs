//! `export` on the command line.

use activity_formats::Format;
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser as _},
};

use crate::{cli::StoreArgs, state::ViewingArgs};

/// Print what is stored for other programs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// In whose terms: OCSF 1.8 (JSON), Elastic Common Schema 9.4 (JSON), CEF, or our own JSON
    #[arg(long, value_name = "FORMAT", value_parser = format())]
    pub format: Format,
    /// Only events from then on: 24h, 7d (ago), today, 2026-01-31, 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only events before then, said in the same way
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Which events.
    #[command(flatten)]
    pub store: StoreArgs,
    /// What for.
    #[command(flatten)]
    pub viewing: ViewingArgs,
}

fn format() -> impl clap::builder::TypedValueParser<Value = Format> {
    let names = PossibleValuesParser::new(Format::ALL.map(|(name, _)| name));
    names.map(|name| {
        Format::ALL.iter().find(|(known, _)| *known == name).map_or(Format::Json, |(_, format)| *format)
    })
}

const EXAMPLES: &str = "\
One event on a line, in no particular order. Each has an identity by which a receiver drops what
it has already: OCSF metadata.uid, ECS event.id, CEF externalId.

Examples:
  Yesterday, in OCSF:
      activity-collector export --format ocsf --since yesterday --until today > day.jsonl

  What Elasticsearch takes:
      activity-collector export --format ecs --since 24h | jq -c '{create: {}}, .'";
