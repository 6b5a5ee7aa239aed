//! What is said to the one who started us, and heard from there.

use std::io::{self, Write as _};

use serde_json::Value;

use crate::Result;

/// Says one object.
pub fn say(object: &Value) -> Result {
    let mut out = io::stdout().lock();
    writeln!(out, "{object}")?;
    out.flush()?;
    Ok(())
}

/// The next line; `None` when there is nobody any more.
pub fn hear() -> Result<Option<String>> {
    let mut line = String::new();
    Ok((io::stdin().read_line(&mut line)? > 0).then(|| line.trim().to_owned()))
}

/// CLOCK_BOOTTIME, the clock of events.
pub fn now() -> u64 {
    use rustix::time::{ClockId, clock_gettime};

    let time = clock_gettime(ClockId::Boottime);
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}
