//! `[export.NAME]`: where a collector passes events on to by itself.

use std::path::PathBuf;

use activity_formats::Format;
use activity_peers::Name;
use jiff::Zoned;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    export::{Secrets, Target, format},
    query::moment,
};

/// One of them, as in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportTable {
    #[serde(deserialize_with = "parsed")]
    to: Target,
    #[serde(deserialize_with = "known", default = "own")]
    format: Format,
    /// Where a cursor begins that is new.
    #[serde(deserialize_with = "time", default)]
    since: Option<i64>,
    authority: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    credentials: Option<PathBuf>,
}

/// What is passed on, and where.
#[derive(Clone, Debug)]
pub struct ExportConfig {
    /// Its name, which is that of its cursor.
    pub name: Name,
    /// Where to.
    pub to: Target,
    /// In which form.
    pub format: Format,
    /// Not what was before, nanoseconds since 1970.
    pub since: Option<i64>,
    /// Files that the way there needs.
    pub secrets: Secrets,
}

impl ExportTable {
    /// With its name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn named(self, name: &str) -> Result<ExportConfig, String> {
        let wrong = |why: &str| format!("export.{name}: {why}");
        if self.certificate.is_some() != self.key.is_some() {
            return Err(wrong("`certificate` and `key` belong together: give both or none"));
        }
        if self.to == Target::Stdout {
            return Err(wrong("`to` cannot be standard output here: give a file, syslog or NATS"));
        }
        let named = name.parse().map_err(|error| wrong(&format!("{error}")))?;
        let Self { to, format, since, authority, certificate, key, credentials } = self;
        let secrets = Secrets { authority, certificate, key, credentials };
        // What a file of it lacks is told at the start rather than when it is needed.
        to.open(&secrets).map_err(|error| wrong(&error.to_string()))?;
        Ok(ExportConfig { name: named, to, format, since, secrets })
    }
}

fn own() -> Format {
    Format::Json
}

fn parsed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Format, D::Error> {
    let name = String::deserialize(deserializer)?;
    format(&name).ok_or_else(|| {
        let names = Format::ALL.map(|(name, _)| name).join(", ");
        D::Error::custom(format!("`{name}` is no format; there are {names}"))
    })
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = moment::moment(&text, &Zoned::now()).map_err(D::Error::custom)?;
    Ok(Some(moment::nanoseconds(time)))
}
