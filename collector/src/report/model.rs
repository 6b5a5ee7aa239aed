//! What a review says, computed once and rendered in three ways.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::roster::Entry;

/// A review.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    pub since: Timestamp,
    /// Not included.
    pub until: Timestamp,
    /// Whose clock the hours and days are of.
    pub zone: String,
    pub made: Timestamp,
    /// People on the roster; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roster: Option<usize>,
    /// What needs an answer, the gravest first.
    pub findings: Vec<Finding>,
    pub completeness: Completeness,
    pub total: Activity,
    pub people: Vec<Person>,
    pub hosts: Vec<Host>,
    /// Logins that were refused, by account and origin.
    pub refused: Vec<Refused>,
}

/// What kind of answer is needed, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    AfterContract,
    BeforeContract,
    HostNotAllowed,
    SensorTouched,
    NotOnRoster,
    OutsideHours,
}

/// Something that needs an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub kind: Kind,
    pub person: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    pub acts: u64,
    /// Of these, with root's rights.
    pub as_root: u64,
    /// When, and where.
    pub spans: Vec<Span>,
}

/// A stretch of time on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    pub host: String,
    pub from: Timestamp,
    /// To the quarter of an hour.
    pub to: Timestamp,
    pub acts: u64,
    pub as_root: u64,
}

/// How much, and when.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    pub acts: u64,
    pub as_root: u64,
    /// By day of the clock.
    pub days: BTreeMap<Date, u64>,
    /// By weekday, Monday first, and hour.
    pub hours: [[u64; 24]; 7],
}

/// What is known of a person.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    pub person: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roster: Option<Entry>,
    pub activity: Activity,
    /// Acts by host.
    pub hosts: BTreeMap<String, u64>,
    pub logins: Vec<Login>,
    pub refused: Vec<Refused>,
    pub privileged: List<Privileged>,
    pub sensitive: List<Sensitive>,
    pub new_programs: List<NewProgram>,
    pub destinations: List<Destination>,
    pub denied: List<Denied>,
}

/// What is known of a host.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    pub host: String,
    pub activity: Activity,
    /// Acts by person.
    pub people: BTreeMap<String, u64>,
    pub logins: Vec<Login>,
    pub refused: u64,
    pub privileged: u64,
    pub sensitive: u64,
    pub new_programs: List<NewProgram>,
}

/// The first rows, and how many there are.
#[derive(Debug, Serialize)]
pub struct List<Row> {
    pub all: u64,
    pub rows: Vec<Row>,
}

impl<Row> Default for List<Row> {
    fn default() -> Self {
        Self { all: 0, rows: Vec::new() }
    }
}

impl<Row> List<Row> {
    /// How many rows are not shown.
    pub fn more(&self) -> u64 {
        self.all.saturating_sub(self.rows.len() as u64)
    }
}

/// What is missing.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Completeness {
    /// Nothing is known to be missing.
    pub is_complete: bool,
    pub gaps: Vec<Gap>,
    pub silences: Vec<Silence>,
    pub sensors: Vec<Sensor>,
    /// Places in the log that could not be read.
    pub damaged: u64,
}

/// A sensor in the period.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sensor {
    pub host: String,
    pub sensor_id: String,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// Hours of the period since it was first seen.
    pub hours: u64,
    /// Stretches of whole hours, of those, in which nothing came from it.
    pub unheard: Vec<Stretch>,
    /// All of them.
    pub unheard_hours: u64,
}

/// A stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stretch {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// Declares rows as the query engine has them and as the JSON form shows them.
macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),+ $(,)? })+) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Serialize)]
        #[serde(rename_all(serialize = "camelCase"))]
        pub struct $name { $(#[serde(default)] pub $field: $type),+ }
    )+ };
}

rows! {
    /// A way in that was used.
    Login {
        account: Option<String>, host: String, kind: Option<String>, remote_address: Option<String>,
        auth_method: Option<String>, key_fingerprint: Option<String>, times: u64, first: Timestamp,
        last: Timestamp,
    }
    /// A way in that was refused.
    Refused {
        account: Option<String>, host: String, remote_address: Option<String>, invalid_user: bool, times: u64,
        first: Timestamp, last: Timestamp,
    }
    /// A step to another user.
    Privileged {
        human: String, host: String, to_user: Option<String>, how: String, command: Option<String>, times: u64,
        first: Timestamp, last: Timestamp,
    }
    /// A file that holds secrets, or says who may do what.
    Sensitive {
        human: String, host: String, path: String, as_user: Option<String>, exe: Option<String>, success: bool,
        times: u64, last: Timestamp,
    }
    /// A program that never ran on a host before.
    NewProgram { human: Option<String>, host: String, exe: String, times: u64, first: Timestamp }
    /// Where to.
    Destination {
        human: String, host: String, exe: Option<String>, address: String, port: Option<u32>, outside: bool,
        times: u64, first: Timestamp, last: Timestamp, total: u64,
    }
    /// A file that somebody was refused.
    Denied { human: String, host: String, path: Option<String>, times: u64, last: Timestamp }
    /// What was not recorded.
    Gap { host: String, reason: Option<String>, gaps: u64, missing: Option<u64>, unknown: u64, first: Timestamp, last: Timestamp }
    /// When nothing came.
    Silence { host: Option<String>, address: Option<String>, reason: Option<String>, since: Timestamp, ended: Option<Timestamp> }
}
