//! Values that need more than a type: each is checked where it is read, so
//! that the error carries its line.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Deserializer, de::Error};

/// Longest path of a unix socket, without its terminator (`sun_path`).
pub(super) const SOCKET_PATH_MAX: usize = 107;
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// Permission bits of the socket, written in octal as in `"0660"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SocketMode(u32);

impl SocketMode {
    /// The bits, as `chmod` takes them.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl Default for SocketMode {
    fn default() -> Self {
        Self(0o660)
    }
}

impl TryFrom<String> for SocketMode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits =
            (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        let bits = u32::from_str_radix(&text, 8).ok().filter(|bits| digits && *bits <= 0o777);
        match bits {
            None => Err(format!("must be permission bits in octal, such as \"0660\", not {text:?}")),
            Some(bits) if bits & 0o007 != 0 => Err(format!(
                "gives every user of the machine access with {text:?}; end it in 0 and use `stream.group`"
            )),
            Some(bits) => Ok(Self(bits)),
        }
    }
}

pub(super) fn absolute_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    if !path.is_absolute() {
        return Err(D::Error::custom(format!("must be a path that begins with /, not {path:?}")));
    }
    Ok(path)
}

/// Least share of a processor with which anything can be done, percent.
const PERCENT_MIN: u32 = 1;
/// More processors than this are no limit.
const PERCENT_MAX: u32 = 6400;

pub(super) fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let percent = u32::deserialize(deserializer)?;
    if !(PERCENT_MIN..=PERCENT_MAX).contains(&percent) {
        return Err(D::Error::custom(format!(
            "must be percent of one processor, {PERCENT_MIN} to {PERCENT_MAX}, not {percent}"
        )));
    }
    Ok(Some(percent))
}

pub(super) fn socket_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = absolute_path(deserializer)?;
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        return Err(D::Error::custom(format!("must be at most {SOCKET_PATH_MAX} bytes long")));
    }
    Ok(path)
}

pub(super) fn host_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let host = String::deserialize(deserializer)?;
    let length = (1..=253).contains(&host.len());
    if !length || host.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(D::Error::custom(
            "must be a name of 1 to 253 bytes without spaces or control characters",
        ));
    }
    Ok(Some(host))
}

pub(super) fn group_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let group = String::deserialize(deserializer)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte);
    if group.is_empty() || group.starts_with('-') || !group.bytes().all(allowed) {
        return Err(D::Error::custom(format!("must be the name or number of a group, not {group:?}")));
    }
    Ok(group)
}

pub(super) fn some_absolute_path<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PathBuf>, D::Error> {
    absolute_path(deserializer).map(Some)
}

pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let address = text.parse().map_err(|_| {
        D::Error::custom(format!("must be an address with a port, such as \"127.0.0.1:50051\", not {text:?}"))
    })?;
    Ok(Some(address))
}

/// Ten seconds to a week.
pub(super) fn connection_age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    in_range(deserializer, 10, 7 * 24 * 3600)
}

pub(super) fn ring_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let bytes = in_range(deserializer, 64 * KIB, GIB)?;
    if !bytes.is_power_of_two() {
        return Err(D::Error::custom(format!("must be a power of two, which {bytes} is not")));
    }
    Ok(bytes)
}

pub(super) fn queue_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    in_range(deserializer, 64 * KIB, GIB)
}

pub(super) fn spool_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    in_range(deserializer, 4 * MIB, u64::from(u32::MAX))
}

/// An hour to ten years.
pub(super) fn hours<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    in_range(deserializer, 1, 24 * 3653)
}

pub(super) fn sync_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    in_range(deserializer, 0, 60_000)
}

pub(super) fn heartbeat<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    in_range(deserializer, 1, 60)
}

pub(super) fn subscribers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    in_range(deserializer, 1, 1024)
}

fn in_range<'de, D: Deserializer<'de>>(deserializer: D, least: u64, most: u64) -> Result<u32, D::Error> {
    let number = i64::deserialize(deserializer)?;
    let fitting = u64::try_from(number).ok().filter(|number| (least..=most).contains(number));
    fitting
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| D::Error::custom(format!("must be from {least} to {most}, not {number}")))
}

/// Absolute paths that are compared as they are.
pub(super) fn exact_paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let paths = Vec::<String>::deserialize(deserializer)?;
    match paths.iter().find(|path| !path.starts_with('/')) {
        Some(path) => {
            Err(D::Error::custom(format!("must hold paths that begin with /, which {path:?} does not")))
        }
        None => Ok(paths),
    }
}

/// Names of rules.
pub(super) fn rule_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > 32 || !name.bytes().all(allowed) {
        return Err(D::Error::custom(format!(
            "must be 1 to 32 lower-case letters, digits, _ or -, not {name:?}"
        )));
    }
    Ok(name)
}

/// Path patterns, as `policy/patterns.rs` reads them.
pub(super) fn path_patterns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let patterns = Vec::<String>::deserialize(deserializer)?;
    match fault_of_patterns(&patterns) {
        Some(fault) => Err(D::Error::custom(fault)),
        None => Ok(patterns),
    }
}

/// What is wrong with path patterns: the rest of a sentence that begins with the key.
#[must_use]
pub fn fault_of_patterns(patterns: &[String]) -> Option<String> {
    const MOST: usize = 1000;
    const LONGEST: usize = 4096;
    if patterns.len() > MOST {
        return Some(format!("must hold at most {MOST} patterns"));
    }
    let wrong = |pattern: &&String| !(pattern.starts_with('/') || pattern.starts_with("**/"));
    if let Some(pattern) = patterns.iter().find(wrong) {
        return Some(format!("must hold patterns that begin with / or **/, which {pattern:?} does not"));
    }
    let too_long = patterns.iter().any(|pattern| pattern.len() > LONGEST);
    too_long.then(|| format!("must hold patterns of at most {LONGEST} bytes"))
}
