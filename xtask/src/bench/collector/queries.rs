//! Questions that people ask of a month.

use std::time::Instant;

use serde::Serialize;

use super::super::helper::Stop;
use crate::exit::Result;

/// How often each is asked.
const TIMES: usize = 3;

/// Each with its name.
const QUERIES: [(&str, &str); 9] = [
    ("count", "SELECT count(*) FROM events"),
    ("types", "SELECT type, count(*) FROM events GROUP BY type ORDER BY 2 DESC"),
    (
        "person's day",
        "SELECT time, host, type, exe, argv, path, address, port FROM events WHERE human = 'alice' \
         AND time >= '2026-01-14T00:00:00Z' AND time < '2026-01-15T00:00:00Z' ORDER BY time",
    ),
    (
        "who read that file",
        "SELECT DISTINCT human, host FROM events WHERE type = 'open' AND path LIKE '/home/alice/%/file_17.md'",
    ),
    (
        "who became root",
        "SELECT host, human, count(*) FROM events WHERE type = 'credential_change' AND new_euid = 0 \
         GROUP BY host, human ORDER BY 3 DESC",
    ),
    (
        "destinations",
        "SELECT address, port, count(*) FROM events WHERE type = 'connect' GROUP BY address, port \
         ORDER BY 3 DESC LIMIT 20",
    ),
    (
        "denied",
        "SELECT human, path, count(*) FROM events WHERE type = 'open' AND error = 'EACCES' \
         GROUP BY human, path ORDER BY 3 DESC LIMIT 20",
    ),
    (
        "sessions",
        "SELECT human, host, remote_address, time FROM events WHERE type = 'session_start' ORDER BY time",
    ),
    (
        "gaps",
        "SELECT host, gap_reason, sum(gap_to - gap_from + 1) FROM events WHERE type = 'gap' GROUP BY 1, 2",
    ),
];

/// How soon a question was answered.
#[derive(Debug, Serialize)]
pub struct Query {
    pub name: &'static str,
    /// The middle one of all.
    pub seconds: f64,
    /// Lines of the answer, without its head.
    pub rows: usize,
}

/// Asks everything.
pub fn ask(asked: impl Fn(&str) -> Result<String>, stop: &Stop) -> Result<Vec<Query>> {
    let one = |(name, statement): (&'static str, &str)| {
        let (mut seconds, mut rows) = (Vec::new(), 0);
        for _ in 0..TIMES {
            stop.check()?;
            let begun = Instant::now();
            rows = asked(statement)?.lines().count().saturating_sub(1);
            seconds.push(begun.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        Ok(Query { name, seconds: seconds.get(TIMES / 2).copied().unwrap_or_default(), rows })
    };
    QUERIES.into_iter().map(one).collect()
}
