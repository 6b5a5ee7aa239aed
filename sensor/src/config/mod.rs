//! The configuration: one typed tree with a default for every key.
//!
//! Reading a file reports everything that is wrong with it at once, each
//! problem with its line and key. A value that needs more than a type is checked
//! while it is read (`values.rs`), so that its line is known; what two keys
//! must agree on is checked afterwards (`Config::check`).

mod error;
mod hooks;
mod metrics;
mod policy;
mod read;
mod redaction;
mod rules;
mod spool;
mod tls;
mod values;

use std::{
    fs::File,
    io::{self, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use activity_peers::Address;
use serde::Deserialize;

use crate::{logins::LoginsConfig, policy::Fault};

pub use error::{ConfigError, Problem};
pub use hooks::HooksConfig;
pub use metrics::{MetricsAddress, MetricsConfig};
pub use policy::{PolicyConfig, Scope};
pub use redaction::RedactionConfig;
pub use rules::{ActionName, RuleConfig, Words};
pub use spool::SpoolConfig;
pub use tls::TlsConfig;
pub use values::{SocketMode, fault_of_patterns};

/// The file that is read when none is named.
pub const DEFAULT_PATH: &str = "/etc/activity-sensor/config.toml";

/// Larger than any configuration; keeps a wrong file name from filling memory.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Every key there is, for suggestions; a test holds it against the default file.
const KEYS: &[&str] = &[
    "sensor.state",
    "sensor.host",
    "sensor.cpu_limit",
    "sensor.heartbeat",
    "hooks.exec",
    "hooks.open",
    "hooks.connect",
    "hooks.listen",
    "hooks.accept",
    "hooks.socket",
    "hooks.rename",
    "hooks.link",
    "hooks.unlink",
    "hooks.chmod",
    "hooks.chown",
    "hooks.mount",
    "hooks.credential_change",
    "hooks.loginuid_set",
    "hooks.ptrace",
    "hooks.bpf_load",
    "hooks.module_load",
    "hooks.file_receive",
    "hooks.exec_mapping",
    "hooks.interpreters",
    "hooks.preload",
    "hooks.fold",
    "hooks.process_ring_bytes",
    "hooks.file_ring_bytes",
    "hooks.pin",
    "policy.scope",
    "policy.noise",
    "policy.missing",
    "policy.directories",
    "policy.ignore_paths",
    "policy.ignore_paths_extra",
    "policy.ignore_devices",
    "policy.ignore_sockets",
    "policy.ignore_exe",
    "policy.always_paths",
    "policy.always_paths_extra",
    "policy.rules.name",
    "policy.rules.action",
    "policy.rules.one_in",
    "policy.rules.reason",
    "policy.rules.type",
    "policy.rules.login_uid",
    "policy.rules.uid",
    "policy.rules.gid",
    "policy.rules.session",
    "policy.rules.exe",
    "policy.rules.under",
    "policy.rules.path",
    "policy.rules.access",
    "policy.rules.address",
    "policy.rules.port",
    "policy.rules.cgroup",
    "policy.rules.outcome",
    "redaction.enabled",
    "redaction.rules.name",
    "redaction.rules.pattern",
    "sessions.auth_logs",
    "sessions.journal",
    "sessions.login_programs",
    "stream.socket",
    "stream.group",
    "stream.mode",
    "stream.tcp",
    "stream.plain_text",
    "stream.push",
    "stream.tls.certificate",
    "stream.tls.key",
    "stream.tls.authority",
    "stream.tls.revoked",
    "stream.tls.max_connection_age",
    "stream.subscriber_queue_bytes",
    "stream.max_subscribers",
    "spool.enabled",
    "spool.process_bytes",
    "spool.file_bytes",
    "spool.max_age_hours",
    "spool.sync_ms",
    "spool.when_full",
    "log.level",
    "metrics.listen",
];

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The sensor itself.
    pub sensor: SensorConfig,
    /// What the kernel hooks record, and the room they have.
    pub hooks: HooksConfig,
    /// Which of it is worth keeping.
    pub policy: PolicyConfig,
    /// Secrets that are replaced before an event leaves the sensor.
    pub redaction: RedactionConfig,
    /// What is learned of login sessions.
    pub sessions: SessionsConfig,
    /// The gRPC service.
    pub stream: StreamConfig,
    /// The stream on disk.
    pub spool: SpoolConfig,
    /// The sensor's own log.
    pub log: LogConfig,
    /// Has no keys yet.
    /// Counts for a monitoring system.
    pub metrics: MetricsConfig,
}

/// `[sensor]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct SensorConfig {
    /// Directory of the sensor id and the epoch.
    #[serde(deserialize_with = "values::absolute_path")]
    pub state: PathBuf,
    /// Name to report instead of the machine's host name.
    #[serde(deserialize_with = "values::host_name")]
    pub host: Option<String>,
    /// Percent of one processor that the daemon takes at most; then file events are
    /// left out, counted.
    #[serde(deserialize_with = "values::percent")]
    pub cpu_limit: Option<u32>,
    /// Seconds between two heartbeats.
    #[serde(deserialize_with = "values::heartbeat")]
    pub heartbeat: u32,
}

/// `[sessions]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct SessionsConfig {
    /// Files that sshd's log may be in.
    pub auth_logs: Vec<PathBuf>,
    /// Whether the journal is read, where there is one.
    pub journal: bool,
    /// More programs that begin sessions, by their paths.
    pub login_programs: Vec<PathBuf>,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            auth_logs: vec!["/var/log/auth.log".into(), "/var/log/secure".into()],
            journal: true,
            login_programs: Vec::new(),
        }
    }
}

impl SessionsConfig {
    /// What is read of logs.
    pub fn logins(&self) -> LoginsConfig {
        LoginsConfig { auth_logs: self.auth_logs.clone(), journal: self.journal }
    }
}

/// `[stream]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct StreamConfig {
    /// Path of the unix socket.
    #[serde(deserialize_with = "values::socket_path")]
    pub socket: PathBuf,
    /// Group that owns the socket.
    #[serde(deserialize_with = "values::group_name")]
    pub group: String,
    /// Permission bits of the socket.
    pub mode: SocketMode,
    /// Address to listen on as well; needs `tls`, or `plain_text` and to be loopback.
    #[serde(deserialize_with = "values::address")]
    pub tcp: Option<SocketAddr>,
    /// Consent to `tcp` and `push` without encryption and without a check of the peer.
    pub plain_text: bool,
    /// Collectors to dial out to: the first one that takes it gets the stream.
    pub push: Vec<Address>,
    /// The sensor's certificate for `tcp` and `push`, and whose it accepts.
    pub tls: Option<TlsConfig>,
    /// Encoded events that may wait for one subscriber.
    #[serde(deserialize_with = "values::queue_bytes")]
    pub subscriber_queue_bytes: u32,
    /// Subscribers that may be connected at once.
    #[serde(deserialize_with = "values::subscribers")]
    pub max_subscribers: u32,
}

/// `[log]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// The least severe messages that are written.
    pub level: LogLevel,
}

/// `log.level`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The name, as a log filter directive takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Default for SensorConfig {
    fn default() -> Self {
        Self { state: "/var/lib/activity-sensor".into(), host: None, cpu_limit: None, heartbeat: 5 }
    }
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            socket: "/run/activity-sensor/sensor.sock".into(),
            group: "activity-sensor".into(),
            mode: SocketMode::default(),
            tcp: None,
            plain_text: false,
            push: Vec::new(),
            tls: None,
            subscriber_queue_bytes: 64 * 1024 * 1024,
            max_subscribers: 32,
        }
    }
}

impl Config {
    /// Reads `path`, which must exist, or without one the default file, which
    /// need not.
    ///
    /// # Errors
    /// When the file cannot be read, and when anything in it is wrong.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let file = path.unwrap_or(Path::new(DEFAULT_PATH));
        match read_file(file) {
            Ok(text) => Self::parse(&text, file),
            Err(error) if path.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Unreadable { file: file.into(), source }),
        }
    }

    /// Reads configuration text; `file` is the name it has in messages.
    ///
    /// # Errors
    /// When anything in it is wrong; all of it is reported.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        read::parse(text, file)
    }

    /// What keys say that cannot hold together, or on this machine.
    #[must_use]
    pub fn check(&self) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        conflicts.extend(self.stream.conflicts());
        if self.metrics.listen == Some(MetricsAddress::Unix(self.stream.socket.clone())) {
            let message = "is `stream.socket` as well; give one of them another path";
            conflicts.push(Conflict::at(["metrics", "listen"], message));
        }
        if !self.stream.push.is_empty() && !self.spool.enabled {
            let message = "delivers what the spool keeps; set `spool.enabled = true`, or remove it";
            conflicts.push(Conflict::at(["stream", "push"], message));
        }
        if !self.hooks.any() {
            let message = "switches every hook off, so nothing would be recorded; leave one on";
            conflicts.push(Conflict::at(["hooks"], message));
        }
        conflicts.extend(self.policy.faults().into_iter().map(Conflict::of_rule));
        conflicts
    }
}

/// What keys say that cannot be.
#[derive(Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The keys, and places in lists, that lead to the one at fault.
    pub path: Vec<String>,
    /// The rest of a sentence that begins with the key.
    pub message: String,
}

impl Conflict {
    fn at<const N: usize>(path: [&str; N], message: impl Into<String>) -> Self {
        Self { path: path.map(str::to_owned).to_vec(), message: message.into() }
    }

    fn of_rule(fault: Fault) -> Self {
        let mut conflict = Self::at(["policy", "rules"], fault.message);
        conflict.path.extend(fault.rule.map(|rule| rule.to_string()));
        conflict.path.extend(Some(fault.key).filter(|key| !key.is_empty()).map(str::to_owned));
        conflict
    }
}

/// The text of a file of sensible size.
fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
