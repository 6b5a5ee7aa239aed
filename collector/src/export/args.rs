//! `export` on the command line.

use std::path::PathBuf;

use activity_formats::Format;
use activity_peers::Name;
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use super::target::{Secrets, Target};
use crate::{cli::StoreArgs, state::ViewingArgs};

/// Pass on what is stored.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// In whose terms: OCSF 1.8 (JSON), Elastic Common Schema 9.4 (JSON), CEF, or our own JSON
    #[arg(long, value_name = "FORMAT", value_parser = parser(), default_value = "json")]
    pub format: Format,
    /// Where to: - for standard output, file:///PATH, syslog://HOST:514, syslog+tls://HOST:6514,
    /// nats://HOST:4222/SUBJECT or nats+tls://HOST:4222/SUBJECT
    #[arg(long, value_name = "URL", default_value = "-")]
    pub to: Target,
    /// Only events from then on: 24h, 7d (ago), today, 2026-01-31, 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only events before then, said in the same way
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Go on with what comes, until SIGINT or SIGTERM; what cannot be sent is tried again
    #[arg(long)]
    pub follow: bool,
    /// Remember in the store, under this name, how far it came, and begin there the next time
    #[arg(long, value_name = "NAME")]
    pub cursor: Option<Name>,
    /// Certificates of those who sign the other side's, for TLS
    #[arg(long, value_name = "FILE")]
    pub authority: Option<PathBuf>,
    /// Our certificate, where the other side asks for one
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// A credentials file of NATS
    #[arg(long, value_name = "FILE")]
    pub credentials: Option<PathBuf>,
    /// Which events.
    #[command(flatten)]
    pub store: StoreArgs,
    /// What for.
    #[command(flatten)]
    pub viewing: ViewingArgs,
}

impl ExportArgs {
    /// The files that the way there needs.
    pub fn secrets(&self) -> Secrets {
        Secrets {
            authority: self.authority.clone(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            credentials: self.credentials.clone(),
        }
    }
}

fn parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(|(name, _)| name))
        .map(|name| format(&name).unwrap_or(Format::Json))
}

/// The format of that name.
pub fn format(name: &str) -> Option<Format> {
    Format::ALL.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
}

const EXAMPLES: &str = "\
Every event comes at least once, one on a line, in no particular order. Each has
an identity by which a receiver drops what it has already (OCSF metadata.uid,
ECS event.id, CEF externalId, NATS Nats-Msg-Id). With --cursor the next call
begins where this one came to; what was sent and not yet remembered comes again.

Examples:
  Yesterday, in OCSF:
      activity-collector export --format ocsf --since yesterday --until today > day.jsonl

  What people do, as they do it:
      activity-collector export --format ecs --since now --follow | jq -r .event.action

  To a SIEM over syslog and TLS, also after a restart of either:
      activity-collector export --format cef --to syslog+tls://siem.example:6514 \\
          --authority siem-ca.pem --cursor siem --follow

  To NATS JetStream, as messages on activity.exec, activity.open and so on:
      activity-collector export --format ocsf --to nats://nats.example:4222/activity --cursor nats

`activity-collector run` does so by itself with this in its configuration:
  [export.siem]
  to = \"syslog+tls://siem.example:6514\"
  format = \"cef\"
  authority = \"/etc/activity-collector/siem-ca.pem\"";
