//! What a review needs of the store: one statement for each table of it.

use datafusion::common::ScalarValue;
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Asked,
    model::{Denied, Destination, Gap, Login, NewProgram, Privileged, Refused, Sensitive, Silence},
};
use crate::{
    failure::Failure,
    query::{Engine, Values, is_sensitive, moment::nanoseconds},
};

/// How many rows of each table one person has.
macro_rules! shown {
    () => {
        "15"
    };
}

/// Acts of a person on a host in a quarter of an hour.
#[derive(Clone, Debug, Deserialize)]
pub struct Bin {
    #[serde(default)]
    pub human: Option<String>,
    #[serde(default)]
    pub host: String,
    pub at: Timestamp,
    pub acts: u64,
    pub as_root: u64,
    /// Without what runs while nobody is there: jobs, and processes that outlive their session.
    pub attended: u64,
    pub attended_as_root: u64,
}

/// When a sensor was heard first and last, over all that is stored.
#[derive(Clone, Debug, Deserialize)]
pub struct Seen {
    #[serde(default)]
    pub host: String,
    pub sensor_id: String,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
}

/// An hour in which a sensor was heard.
#[derive(Clone, Debug, Deserialize)]
pub struct Heard {
    pub sensor_id: String,
    pub at: Timestamp,
}

/// Everything.
pub struct Collected {
    pub bins: Vec<Bin>,
    pub touched: Vec<Bin>,
    pub logins: Vec<Login>,
    pub refused: Vec<Refused>,
    pub privileged: Vec<Privileged>,
    pub sensitive: Vec<Sensitive>,
    pub new_programs: Vec<NewProgram>,
    pub destinations: Vec<Destination>,
    pub denied: Vec<Denied>,
    pub gaps: Vec<Gap>,
    pub silences: Vec<Silence>,
    pub seen: Vec<Seen>,
    pub heard: Vec<Heard>,
    pub damaged: u64,
}

/// Asks for everything.
pub async fn collect(engine: &Engine, asked: &Asked) -> Result<Collected, Failure> {
    let ask = Ask { engine, asked };
    Ok(Collected {
        bins: ask.rows(BINS).await?,
        touched: ask.rows(TOUCHED).await?,
        logins: ask.rows(LOGINS).await?,
        refused: ask.rows(REFUSED).await?,
        privileged: ask.rows(PRIVILEGED).await?,
        sensitive: ask.rows(SENSITIVE).await?,
        new_programs: ask.rows(NEW_PROGRAMS).await?,
        destinations: ask.rows(DESTINATIONS).await?,
        denied: ask.rows(DENIED).await?,
        gaps: ask.rows(GAPS).await?,
        silences: ask.rows(SILENCES).await?,
        seen: ask.rows(SEEN).await?,
        heard: ask.rows(HEARD).await?,
        damaged: engine.damaged(),
    })
}

struct Ask<'a> {
    engine: &'a Engine,
    asked: &'a Asked,
}

impl Ask<'_> {
    async fn rows<Row: DeserializeOwned>(&self, sql: &str) -> Result<Vec<Row>, Failure> {
        let time = |at| ScalarValue::TimestampNanosecond(Some(nanoseconds(at)), Some("UTC".into()));
        let all: Values = vec![
            ("since".into(), time(self.asked.since)),
            ("until".into(), time(self.asked.until)),
            ("inside".into(), ScalarValue::Utf8(Some(self.asked.inside.clone()))),
        ];
        let used = all.into_iter().filter(|(name, _)| sql.contains(&format!("${name}"))).collect();
        self.engine.rows(sql, used).await
    }
}

const BINS: &str = "
    SELECT human, host, date_bin(INTERVAL '15 minutes', time) AS at, sum(acts) AS acts,
        sum(CASE WHEN euid = 0 THEN acts ELSE 0 END) AS as_root,
        sum(CASE WHEN alone THEN 0 ELSE acts END) AS attended,
        sum(CASE WHEN euid = 0 AND NOT alone THEN acts ELSE 0 END) AS attended_as_root
    FROM (SELECT human, host, time, euid, coalesce(count, 1) * coalesce(sampled, 1) AS acts,
            coalesce(detached, false) OR coalesce(session_kind, '') IN ('cron', 'at', 'systemd', 'service') AS alone
        FROM events
        WHERE human IS NOT NULL AND time >= $since AND time < $until
            AND type NOT IN ('exit', 'session_update', 'loginuid_set', 'heartbeat', 'status'))
    GROUP BY human, host, at ORDER BY at, human, host";

const TOUCHED: &str = "
    SELECT human, host, date_bin(INTERVAL '15 minutes', time) AS at, CAST(count(*) AS BIGINT UNSIGNED) AS acts,
        CAST(count(*) AS BIGINT UNSIGNED) AS as_root, CAST(count(*) AS BIGINT UNSIGNED) AS attended,
        CAST(count(*) AS BIGINT UNSIGNED) AS attended_as_root
    FROM events WHERE type = 'tamper' AND time >= $since AND time < $until
    GROUP BY human, host, at ORDER BY at, human, host";

const LOGINS: &str = "
    SELECT account, host, kind, remote_address, auth_method, key_fingerprint, count(*) AS times,
        min(time) AS first, max(time) AS last
    FROM logins WHERE success AND time >= $since AND time < $until
    GROUP BY account, host, kind, remote_address, auth_method, key_fingerprint
    ORDER BY account, host, times DESC, first";

const REFUSED: &str = "
    SELECT account, host, remote_address, bool_or(coalesce(invalid_user, false)) AS invalid_user,
        count(*) AS times, min(time) AS first, max(time) AS last
    FROM logins WHERE NOT success AND time >= $since AND time < $until
    GROUP BY account, host, remote_address ORDER BY times DESC, account, host, remote_address";

const PRIVILEGED: &str = "
    SELECT human, host, to_user, how, array_to_string(command, ' ') AS command, count(*) AS times,
        min(time) AS first, max(time) AS last
    FROM privilege_changes WHERE human IS NOT NULL AND success AND time >= $since AND time < $until
    GROUP BY human, host, to_user, how, command ORDER BY human, times DESC, last DESC, command";

const SENSITIVE: &str = concat!(
    "SELECT human, host, path, as_user, exe, success, sum(acts) AS times, max(time) AS last
    FROM opens WHERE human IS NOT NULL AND time >= $since AND time < $until AND ",
    is_sensitive!(),
    " GROUP BY human, host, path, as_user, exe, success ORDER BY human, times DESC, last DESC, path"
);

const NEW_PROGRAMS: &str = "
    SELECT host, exe, first_value(human ORDER BY began) AS human, sum(times) AS times, min(began) AS first
    FROM (SELECT host, exe, human, min(time) AS began, sum(acts) AS times FROM execs
        WHERE success AND exe IS NOT NULL AND time < $until GROUP BY host, exe, human)
    GROUP BY host, exe HAVING min(began) >= $since ORDER BY first, host, exe";

const DESTINATIONS: &str = concat!(
    "SELECT * FROM (
        SELECT *, count(*) OVER (PARTITION BY human) AS total,
            row_number() OVER (PARTITION BY human ORDER BY outside DESC, times DESC, address, port) AS place
        FROM (SELECT human, host, exe, address, port, NOT in_network(address, $inside) AS outside,
                sum(acts) AS times, min(time) AS first, max(time) AS last
            FROM connects
            WHERE human IS NOT NULL AND address IS NOT NULL AND time >= $since AND time < $until
                AND NOT in_network(address, '127.0.0.0/8,::1/128,0.0.0.0/32,::/128')
            GROUP BY human, host, exe, address, port, outside))
    WHERE place <= ",
    shown!(),
    " ORDER BY human, place"
);

const DENIED: &str = "
    SELECT human, host, path, sum(acts) AS times, max(time) AS last FROM opens
    WHERE human IS NOT NULL AND error IN ('EACCES', 'EPERM') AND time >= $since AND time < $until
    GROUP BY human, host, path ORDER BY human, times DESC, last DESC, path";

const GAPS: &str = "
    SELECT host, reason, count(*) AS gaps, sum(missing) AS missing,
        count(CASE WHEN missing IS NULL THEN 1 END) AS unknown, min(time) AS first, max(time) AS last
    FROM gaps WHERE time >= $since AND time < $until GROUP BY host, reason ORDER BY host, reason";

const SILENCES: &str = "
    SELECT host, address, reason, since, ended FROM silences
    WHERE since < $until AND coalesce(ended, $until) >= $since ORDER BY since, address";

const SEEN: &str = "
    SELECT host, sensor_id, min(time) AS first_seen, max(time) AS last_seen FROM events
    WHERE sensor_id IS NOT NULL AND type <> 'silence' AND time < $until
    GROUP BY host, sensor_id ORDER BY host, sensor_id";

const HEARD: &str = "
    SELECT sensor_id, date_bin(INTERVAL '1 hour', time) AS at FROM events
    WHERE sensor_id IS NOT NULL AND type <> 'silence' AND time >= $since AND time < $until
    GROUP BY sensor_id, at ORDER BY sensor_id, at";
