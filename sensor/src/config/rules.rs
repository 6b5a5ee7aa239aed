//! `[[policy.rules]]`, as it is written. What the words mean is for
//! `policy/compile.rs`, which knows users, addresses and errors.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use super::values::rule_name;

/// A rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RuleConfig {
    /// Unique.
    #[serde(deserialize_with = "rule_name")]
    pub name: String,
    /// What becomes of the events that it decides.
    pub action: ActionName,
    /// Of how many events one is kept, where the action is to sample.
    #[serde(default)]
    pub one_in: Option<u32>,
    /// Why, for people.
    #[serde(default, deserialize_with = "reason")]
    pub reason: String,
    /// Event types.
    #[serde(default, rename = "type")]
    pub types: Option<Words>,
    /// The human, by the login.
    #[serde(default)]
    pub login_uid: Option<Words>,
    /// Real or effective user.
    #[serde(default)]
    pub uid: Option<Words>,
    /// Real or effective group.
    #[serde(default)]
    pub gid: Option<Words>,
    /// Kinds of login sessions.
    #[serde(default)]
    pub session: Option<Words>,
    /// Executables.
    #[serde(default)]
    pub exe: Option<Words>,
    /// Executables, and what they lead to.
    #[serde(default)]
    pub under: Option<Words>,
    /// Names of files and sockets.
    #[serde(default)]
    pub path: Option<Words>,
    /// What an open asked for.
    #[serde(default)]
    pub access: Option<Words>,
    /// Networks of the other end.
    #[serde(default)]
    pub address: Option<Words>,
    /// Ports.
    #[serde(default)]
    pub port: Option<Words>,
    /// Control groups.
    #[serde(default)]
    pub cgroup: Option<Words>,
    /// How it ended.
    #[serde(default)]
    pub outcome: Option<Words>,
}

/// `action` of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionName {
    /// Keep.
    Allow,
    /// Leave out.
    Deny,
    /// Keep; equal ones may be told as one.
    Fold,
    /// Keep one in so many.
    Sample,
}

/// Words of which one must match; a number is a word as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Words(Vec<Word>);

impl Words {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|word| word.0.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    const LONGEST: usize = 200;
    let reason = String::deserialize(deserializer)?;
    if reason.len() > LONGEST || reason.contains(char::is_control) {
        return Err(D::Error::custom(format!(
            "must be a line of at most {LONGEST} bytes without control characters"
        )));
    }
    Ok(reason)
}
