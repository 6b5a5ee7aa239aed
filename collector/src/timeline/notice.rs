//! What is not known, and who was refused at the door.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Asked, Who};
use crate::{failure::Failure, query::Engine};

/// Something that is no act of the person.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all(serialize = "camelCase"))]
pub struct Notice {
    pub time: Timestamp,
    /// The time of the last one, where several are told as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// gap, silence or `login_failed`.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    /// How many events; absent where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
    /// Of a silence the sensor's; of a refused login where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When a silence was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    #[serde(default = "one", rename(serialize = "count"))]
    pub times: u64,
}

fn one() -> u64 {
    1
}

impl Notice {
    /// Whether both can be told as one.
    fn is_like(&self, other: &Self) -> bool {
        let facts = |of: &Self| (of.kind.clone(), of.host.clone(), of.reason.clone(), of.lane.clone());
        let is_known = |of: &Self| of.missing.is_some();
        self.kind != "silence"
            && facts(self) == facts(other)
            && self.address == other.address
            && is_known(self) == is_known(other)
    }

    fn add(&mut self, other: &Self) {
        self.last = Some(other.time);
        self.times = self.times.saturating_add(other.times);
        if let (Some(missing), Some(more)) = (&mut self.missing, other.missing) {
            *missing = missing.saturating_add(more);
        }
    }
}

/// Notices of one place in time, like ones as one.
pub fn together<'a>(notices: impl Iterator<Item = &'a Notice>) -> Vec<Notice> {
    let mut all: Vec<Notice> = Vec::new();
    for notice in notices {
        match all.iter_mut().find(|one| one.is_like(notice)) {
            Some(one) => one.add(notice),
            None => all.push(notice.clone()),
        }
    }
    all
}

const UNKNOWN: &str = "
    SELECT time, 'gap' AS type, host, reason, lane, missing, CAST(NULL AS VARCHAR) AS address,
        CAST(NULL AS TIMESTAMP) AS ended
    FROM gaps WHERE time >= $since AND time < $until AND host LIKE $host
    UNION ALL
    SELECT since AS time, 'silence' AS type, host, reason, NULL, NULL, address, ended
    FROM silences WHERE since < $until AND coalesce(ended, $until) >= $since AND coalesce(host, '') LIKE $host";

/// Those of the time and the machines that are asked for, in order.
pub async fn read(engine: &Engine, asked: &Asked) -> Result<Vec<Notice>, Failure> {
    let refused = "
        UNION ALL
        SELECT time, 'login_failed' AS type, host, auth_method, NULL, NULL, remote_address, NULL FROM events
        WHERE type = 'login_failed' AND to_user = $who AND time >= $since AND time < $until AND host LIKE $host";
    let mut values = asked.values();
    let sql = match asked.who {
        Who::Name(_) => format!("{UNKNOWN} {refused}"),
        // A login that is refused has a name only.
        Who::Uid(_) => {
            values.retain(|(name, _)| name != "who");
            UNKNOWN.to_owned()
        }
    };
    engine.rows(&format!("SELECT * FROM ({sql}) ORDER BY time, host"), values).await
}
