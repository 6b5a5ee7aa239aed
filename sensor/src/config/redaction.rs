//! `[redaction]`

use serde::{Deserialize, Deserializer, de::Error};

use super::values::rule_name;

/// Bounds what one pattern may compile to.
const PATTERN_SIZE_LIMIT: usize = 256 * 1024;

/// Secrets that are replaced before an event leaves the sensor.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct RedactionConfig {
    /// Replace secrets in arguments by tokens.
    pub enabled: bool,
    /// More secrets than those that are known.
    pub rules: Vec<RedactionRule>,
}

impl Default for RedactionConfig {
    fn default() -> Self {
        Self { enabled: true, rules: Vec::new() }
    }
}

/// `[[redaction.rules]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RedactionRule {
    /// Stands in the token `<redacted:NAME>`.
    #[serde(deserialize_with = "rule_name")]
    pub name: String,
    /// What to replace: its first group, or all of it when it has none.
    pub pattern: Pattern,
}

/// A regular expression over bytes.
#[derive(Clone, Debug)]
pub struct Pattern(regex::bytes::Regex);

impl Pattern {
    /// The compiled expression.
    #[must_use]
    pub fn regex(&self) -> &regex::bytes::Regex {
        &self.0
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let regex = regex::bytes::RegexBuilder::new(&text)
            .unicode(false)
            .size_limit(PATTERN_SIZE_LIMIT)
            .build()
            .map_err(|error| {
                D::Error::custom(format!("is not a usable regular expression: {}", brief(&error)))
            })?;
        if regex.is_match(b"") {
            return Err(D::Error::custom("matches the empty string, so it would match everywhere"));
        }
        Ok(Self(regex))
    }
}

/// The last line of the crate's report says what is wrong; the others draw the place.
fn brief(error: &regex::Error) -> String {
    let report = error.to_string();
    let last = report.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}
