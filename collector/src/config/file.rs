//! The configuration file.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use activity_peers::Address;
use serde::Deserialize;

use super::{archive::ArchiveTable, export::ExportTable};
use crate::{failure::Failure, query::Limits, store::Class};

/// How unlike a known key a suggestion may be, from 0 (anything) to 1 (equal).
const SIMILAR: f64 = 0.6;

/// The whole file. What stands outside of `tenants` is for the one tenant there is without
/// them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    pub sensors: Option<Vec<Address>>,
    pub listen: Option<Address>,
    pub store: Option<String>,
    pub plain_text: bool,
    pub roll: Roll,
    pub retention: Keep,
    pub archive: Option<ArchiveTable>,
    pub query: Query,
    pub tls: Tls,
    pub export: BTreeMap<String, ExportTable>,
    pub tenants: BTreeMap<String, Part>,
}

/// What a tenant can have of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Part {
    pub sensors: Option<Vec<Address>>,
    pub listen: Option<Address>,
    pub store: Option<String>,
    pub roll: Option<Roll>,
    pub retention: Option<Keep>,
    pub archive: Option<ArchiveTable>,
    pub query: Door,
    pub tls: Tls,
    pub export: BTreeMap<String, ExportTable>,
}

/// What is missing here may stand on the command line.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub authority: Option<PathBuf>,
    pub revoked: Option<PathBuf>,
}

/// What looking at what is stored needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    pub require_purpose: bool,
    pub require_log: bool,
    pub listen: Option<Address>,
    pub max_rows: u64,
    pub max_seconds: u64,
    pub max_calls: usize,
}

impl Default for Query {
    fn default() -> Self {
        let Limits { rows, time, calls } = Limits::default();
        Self {
            require_purpose: false,
            require_log: false,
            listen: None,
            max_rows: rows,
            max_seconds: time.as_secs(),
            max_calls: calls,
        }
    }
}

impl Query {
    fn fault(&self) -> Option<&'static str> {
        match self {
            Self { max_rows: 0, .. } => Some("`query.max_rows` must be at least 1"),
            Self { max_seconds: 0, .. } => Some("`query.max_seconds` must be at least 1"),
            Self { max_seconds: 86_401.., .. } => Some("`query.max_seconds` must be at most 86400"),
            Self { max_calls: 0, .. } => Some("`query.max_calls` must be at least 1"),
            Self { max_calls: 1025.., .. } => Some("`query.max_calls` must be at most 1024"),
            _ => None,
        }
    }
}

/// What a tenant has of its own of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Door {
    pub listen: Option<Address>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Roll {
    pub bytes: u64,
    pub seconds: u64,
}

/// Zeroes keep everything.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    pub keep_days: u32,
    pub max_bytes: u64,
    pub class_days: ClassDays,
}

/// Days for single classes, instead of `keep_days`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassDays {
    process: Option<u32>,
    file: Option<u32>,
    network: Option<u32>,
    identity: Option<u32>,
    kernel: Option<u32>,
    sensor: Option<u32>,
}

impl ClassDays {
    /// In the order of all classes.
    pub fn all(self) -> [Option<u32>; Class::ALL.len()] {
        Class::ALL.map(|class| match class {
            Class::Process => self.process,
            Class::File => self.file,
            Class::Network => self.network,
            Class::Identity => self.identity,
            Class::Kernel => self.kernel,
            Class::Sensor => self.sensor,
        })
    }
}

impl Default for Roll {
    fn default() -> Self {
        Self { bytes: 32 << 20, seconds: 300 }
    }
}

impl Roll {
    fn fault(&self) -> Option<&'static str> {
        match self {
            Self { bytes: ..0x1_0000, .. } => Some("`roll.bytes` must be at least 65536"),
            Self { bytes: 0x4000_0001.., .. } => Some("`roll.bytes` must be at most 1073741824"),
            Self { seconds: 0, .. } => Some("`roll.seconds` must be at least 1"),
            Self { seconds: 86_401.., .. } => Some("`roll.seconds` must be at most 86400"),
            _ => None,
        }
    }
}

impl Keep {
    fn fault(self, roll: &Roll) -> Option<&'static str> {
        match self {
            Self { keep_days: 36_501.., .. } => {
                Some("`retention.keep_days` must be at most 36500, or 0 for ever")
            }
            Self { class_days, .. } if class_days.all().iter().any(|days| matches!(days, Some(36_501..))) => {
                Some("every day of `retention.class_days` must be at most 36500, or 0 for ever")
            }
            Self { max_bytes: 1.., .. } if self.max_bytes < roll.bytes => {
                Some("`retention.max_bytes` must be at least `roll.bytes`, or 0 for no limit")
            }
            _ => None,
        }
    }
}

impl File {
    /// Reads one.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::config(format!("cannot read the configuration file {}: {error}", path.display()))
        })?;
        Self::parse(&text)
            .map_err(|(line, message)| Failure::config(format!("{}:{line}: {message}", path.display())))
    }

    /// The first table with something that cannot be, and what that is.
    fn fault(&self) -> Option<(&'static str, &'static str)> {
        let of_tenant = |part: &Part| {
            let roll = part.roll.as_ref().unwrap_or(&self.roll);
            fault(roll, part.retention.unwrap_or(self.retention))
        };
        let of_query = || self.query.fault().map(|message| ("query", message));
        fault(&self.roll, self.retention)
            .or_else(of_query)
            .or_else(|| self.tenants.values().find_map(of_tenant))
    }

    /// Reads a file's text, or says which line is wrong and how.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let file: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().unwrap_or_default().start;
            (line(text, at), sentence(error.message()))
        })?;
        match file.fault() {
            Some((table, message)) => {
                Err((line(text, text.find(table).unwrap_or_default()), message.to_owned()))
            }
            None => Ok(file),
        }
    }
}

fn fault(roll: &Roll, keep: Keep) -> Option<(&'static str, &'static str)> {
    let roll_fault = roll.fault().map(|message| ("roll", message));
    roll_fault.or_else(|| keep.fault(roll).map(|message| ("retention", message)))
}

fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// A message of serde as a sentence. For an unknown key it names the unknown
/// and the known ones between backquotes, in this order.
fn sentence(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let mut quoted = message.split('`').skip(1).step_by(2);
    match (message.strip_prefix("unknown field "), quoted.next()) {
        (Some(_), Some(key)) => {
            let likeness = |known: &str| strsim::normalized_damerau_levenshtein(key, known);
            let known: Vec<&str> = quoted.collect();
            let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            match nearest.filter(|known| likeness(known) >= SIMILAR) {
                Some(known) => format!("unknown key `{key}`; did you mean `{known}`?"),
                None => format!("unknown key `{key}`; there are {}", known.join(", ")),
            }
        }
        _ => message.to_owned(),
    }
}
