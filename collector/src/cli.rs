//! The command line.

use std::path::PathBuf;

use activity_peers::{Address, Name};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    config::DEFAULT_STORE,
    export::ExportArgs,
    files::FilesArgs,
    pki::{CaCommand, EnrolArgs, RevokeArgs},
    query::QueryArgs,
    report::ReportArgs,
    seal::verify::VerifyArgs,
    state::ViewersArgs,
    store::{Layout, StoreError},
    timeline::TimelineArgs,
};

/// Receives events from activity sensors, keeps them and answers SQL over them.
#[derive(Debug, Parser)]
#[command(name = "activity-collector", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  Keep what the sensor of this machine sends:
      activity-collector run

  Ask what happened, also while that runs:
      activity-collector query \"SELECT time, human, comm, argv FROM events WHERE type = 'exec' LIMIT 10\"
      activity-collector query --name sudo --param since=30d

  What did alice do since yesterday?
      activity-collector timeline --user alice --since yesterday

  The review of a month, to be signed:
      activity-collector report --since 2026-03-01 --until 2026-04-01 --roster roster.toml --out march.html

  Is all that is stored as it was written?
      activity-collector verify

Exit codes: 0 fine, 1 what is stored is not what was sealed, 64 wrong usage or SQL,
69 something needed is not there, 77 not permitted, 78 wrong configuration.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Receive events from sensors and keep them, until SIGINT or SIGTERM
    Run(RunArgs),
    /// Check a configuration file: says what is wrong, with its line
    CheckConfig {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Answer SQL over what is stored, also while `run` writes to it
    Query(QueryArgs),
    /// Show what a person did, in order: sessions, switches to other users, acts, gaps
    Timeline(TimelineArgs),
    /// Write the periodic review: what needs an answer, what is missing, everybody and every host
    Report(ReportArgs),
    /// Pass on what is stored in the terms of a SIEM: OCSF, ECS, CEF; to files, syslog, NATS
    Export(ExportArgs),
    /// List the Parquet files that count, for other programs that read them
    Files(FilesArgs),
    /// Show who looked at what is stored, and what for
    Viewers(ViewersArgs),
    /// Tell whether what is stored is what was sealed, also while `run` writes to it
    Verify(VerifyArgs),
    /// Make and keep an authority that signs the certificates of sensors and collectors
    #[command(subcommand)]
    Ca(CaCommand),
    /// Make a certificate and key for a sensor, a collector or somebody who looks on
    Enrol(EnrolArgs),
    /// Take a certificate back
    Revoke(RevokeArgs),
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

/// Which store, for all that reads one.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// Where events are kept
    #[arg(long, value_name = "URL", default_value = DEFAULT_STORE)]
    pub store: String,
    /// Whose events, where the store has tenants
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<Name>,
}

impl StoreArgs {
    /// Where it lies.
    ///
    /// # Errors
    /// When that is no place for a store.
    pub fn layout(&self) -> Result<Layout, StoreError> {
        Layout::of_tenant(&self.store, self.tenant.as_ref())
    }
}

/// Receive events from sensors and keep them.
#[derive(Debug, Default, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArgs {
    /// Configuration file (TOML); without it, the defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A sensor to receive from: unix:PATH, HOST:PORT, or NAME@HOST:PORT for the one sensor whose
    /// certificate has that name; may be given more than once [default:
    /// unix:/run/activity-sensor/sensor.sock]
    #[arg(long = "sensor", value_name = "ADDRESS")]
    pub sensors: Vec<Address>,
    /// Where sensors come in that dial out (`stream.push` in their configuration): HOST:PORT or
    /// unix:PATH
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<Address>,
    /// Where to keep events: a directory, or file:// and a directory [default:
    /// /var/lib/activity-collector]
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Accept plain text TCP on this machine
    #[arg(long)]
    pub plain_text: bool,
    /// Mutual TLS.
    #[command(flatten)]
    pub tls: TlsArgs,
}

/// What mutual TLS needs.
#[derive(Clone, Debug, Default, Args)]
pub struct TlsArgs {
    /// Our certificate, for sensors over TCP
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Who signs the certificates of sensors
    #[arg(long, value_name = "FILE")]
    pub authority: Option<PathBuf>,
    /// The list of revoked certificates
    #[arg(long, value_name = "FILE")]
    pub revoked: Option<PathBuf>,
}

impl TlsArgs {
    /// Whether any is given.
    pub fn is_given(&self) -> bool {
        [&self.certificate, &self.key, &self.authority, &self.revoked].into_iter().any(Option::is_some)
    }
}

const RUN_EXAMPLES: &str = "\
A sensor that cannot be reached is tried again until it answers. What was
missed while it was not connected is stored as an event of type `gap`. A sensor
from which nothing comes is told by one of type `silence`, within ten seconds
after a heartbeat that did not come.

Examples:
  activity-collector run
  activity-collector run --sensor unix:/run/web-1.sock --sensor unix:/run/web-2.sock
  activity-collector run --sensor localhost:7000 --plain-text --store /srv/activity
  activity-collector run --sensor web-1@192.0.2.1:50051 --certificate certificate.pem \\
      --key key.pem --authority authority.pem --revoked revoked.pem
  activity-collector run --listen 0.0.0.0:50052 --certificate certificate.pem \\
      --key key.pem --authority authority.pem --revoked revoked.pem

Configuration file, with its defaults:
  sensors = [\"unix:/run/activity-sensor/sensor.sock\"]   # none, where `listen` is given
  listen = \"0.0.0.0:50052\"                              # default: none
  store = \"/var/lib/activity-collector\"
  plain_text = false
  [roll]               # when the log becomes a Parquet file
  bytes = 33554432
  seconds = 300
  [retention]          # whole files are removed, oldest first; 0 keeps all
  keep_days = 0        # when the latest event in a file is older
  class_days = {}      # keep_days of single classes: { file = 30, process = 365 }
  max_bytes = 0        # when all files in the directory together are larger
  [archive]            # files of days that are over go to an object store; default: none
  url = \"s3://bucket/prefix\"   # or gs://, az://, abfss://, file:///directory
  after_days = 1       # for so many days they stay here
  options = { region = \"eu-central-1\" }   # endpoint, allow_http, … as the object store needs
  credentials = \"/etc/activity-collector/archive.env\"  # lines NAME=VALUE; default: the
                       # environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AZURE_…, GOOGLE_…)
  [query]
  require_purpose = false   # `query`, `timeline` and `report` ask for --purpose
  require_log = false       # no answer that is not in the log of viewers (`viewers`)
  listen = \"unix:/run/activity-collector/query.sock\"  # QueryService; default: none
  max_rows = 1000000        # of one answer there
  max_seconds = 60
  max_calls = 4             # answers at a time
  [tls]                # for sensors over TCP; default: none
  certificate = \"/etc/activity-collector/tls/certificate.pem\"
  key = \"/etc/activity-collector/tls/key.pem\"
  authority = \"/etc/activity-collector/tls/authority.pem\"
  revoked = \"/etc/activity-collector/tls/revoked.pem\"
  [export.siem]        # passes events on, see `export --help`; default: none
  to = \"syslog+tls://siem.example:6514\"
  format = \"ocsf\"
  authority = \"/etc/activity-collector/siem-ca.pem\"
  [tenants.acme]       # with these, `sensors`, `listen`, `archive`, `tls` and `export` stand under each
  listen = \"0.0.0.0:50053\"
  store = \"/srv/acme\"  # default: `store` and the tenant's name
  [tenants.acme.tls]   # a certificate of this tenant's
  certificate = \"/etc/activity-collector/acme/certificate.pem\"
  key = \"/etc/activity-collector/acme/key.pem\"
  authority = \"/etc/activity-collector/acme/authority.pem\"";

/// How to print an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns; NULL is empty
    Table,
    /// One array of objects, lists as arrays
    Json,
    /// Comma-separated with a header; lists as JSON arrays, NULL is empty
    Csv,
}
