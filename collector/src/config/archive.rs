//! The archive, as the configuration file has it.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

use super::Tenant;
use crate::store::{
    ArchiveConfig,
    archive::{Settings, Target},
};

/// The longest time for which files can stay, in days.
const MOST_DAYS: u32 = 36_500;

/// `[archive]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveTable {
    url: String,
    #[serde(default = "one")]
    after_days: u32,
    #[serde(default)]
    options: BTreeMap<String, String>,
    #[serde(default)]
    credentials: Option<PathBuf>,
}

fn one() -> u32 {
    1
}

impl ArchiveTable {
    /// What it asks for, or what is wrong with it.
    pub fn checked(self) -> Result<ArchiveConfig, String> {
        let Self { url, after_days, options, credentials } = self;
        if after_days > MOST_DAYS {
            return Err(format!("`archive.after_days` must be at most {MOST_DAYS}"));
        }
        let settings = Settings { url, credentials, options };
        settings.check().map_err(|error| error.to_string())?;
        Ok(ArchiveConfig { settings, after_days })
    }
}

/// The archive that two tenants would have files in.
pub fn shared(tenants: &[Tenant]) -> Option<String> {
    let archives = tenants.iter().filter_map(|tenant| tenant.archive.as_ref());
    let mut places: Vec<(String, &str)> = archives
        .filter_map(|archive| Some((place(&archive.settings.target().ok()?), archive.settings.url.as_str())))
        .collect();
    places.sort_unstable();
    let shared = places.array_windows().find(|[(one, _), (next, _)]| next.starts_with(one.as_str()));
    shared.map(|[(_, url), _]| (*url).to_owned())
}

/// What the paths of all objects begin with, in which no other may be.
fn place(target: &Target) -> String {
    let host = target.url.host_str().unwrap_or_default();
    let (user, prefix) = (target.url.username(), target.prefix.as_ref());
    let slash = if prefix.is_empty() { "" } else { "/" };
    format!("{:?}/{user}@{host}/{prefix}{slash}", target.kind)
}
