//! Acts as the store has them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Asked, Who};

/// One act, or several equal ones. In its JSON form what is absent is not there.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all(serialize = "camelCase"))]
pub struct Act {
    pub time: Timestamp,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(flatten)]
    pub section: Section,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
    #[serde(flatten)]
    pub deed: Deed,
    /// How many equal acts the event stands for.
    #[serde(skip_serializing)]
    pub acts: u64,
}

/// What an act belongs to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all(serialize = "camelCase"))]
pub struct Section {
    #[serde(default)]
    pub host: String,
    /// Absent for what belongs to no session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_port: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_fingerprint: Option<String>,
    /// The first act of it that is shown.
    #[serde(skip_serializing)]
    pub begun: Timestamp,
    /// The last one.
    #[serde(skip_serializing)]
    pub done: Timestamp,
}

impl Section {
    /// Whether both are the same one.
    pub fn is(&self, other: &Self) -> bool {
        self.host == other.host && self.session == other.session
    }
}

/// What was done: acts with the same one are told once.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all(serialize = "camelCase"), default)]
pub struct Deed {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// Of a program that is started.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_path: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_exe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switched_by: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub switch_command: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What says little of what a person did.
const LITTLE: &str = "AND type NOT IN ('session_update', 'loginuid_set', 'heartbeat', 'status')
    AND (type <> 'exit' OR signal IS NOT NULL)
    AND (type <> 'credential_change' OR (new_euid = 0 AND coalesce(old_euid, uid) <> 0))";

/// The statement that brings the acts, sorted by session and time. Filters stand in the
/// innermost place, so that files and columns that do not matter are not read.
pub fn statement(asked: &Asked) -> String {
    let who = match asked.who {
        Who::Name(_) => "human = $who",
        Who::Uid(_) => "human_uid = $who",
    };
    let little = if asked.all { "" } else { LITTLE };
    format!(
        "SELECT time, type, host, session, confidence, chain,
            max(session_kind) OVER section AS session_kind,
            max(remote_address) OVER section AS remote_address,
            max(remote_port) OVER section AS remote_port,
            max(auth_method) OVER section AS auth_method,
            max(key_fingerprint) OVER section AS key_fingerprint,
            min(time) OVER section AS begun, max(time) OVER section AS done,
            effective_user AS as_user, exe, CASE WHEN type = 'exec' THEN argv END AS argv,
            CASE WHEN type = 'exec' THEN cwd END AS cwd, path, new_path, access,
            CASE WHEN type = 'chmod' THEN mode END AS mode, protocol, address, port, operation, object,
            target_exe, from_user, to_user, switched_by, switch_command, exit_code, signal, success, error,
            coalesce(count, 1) * coalesce(sampled, 1) AS acts
        FROM (SELECT * FROM events
            WHERE {who} AND time >= $since AND time < $until AND host LIKE $host {little})
        WINDOW section AS (PARTITION BY host, session)
        ORDER BY begun, host, session, time, boottime_ns, sequence"
    )
}
