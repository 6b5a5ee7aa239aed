//! The policy is read again, on SIGHUP and when the configuration file changes:
//! whole or not at all.

mod file;
mod watch;

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub use file::ConfigFile;
use watch::Directories;

use crate::{
    config::{Config, ConfigError},
    pipeline,
    policy::Policy,
    status::SensorStatus,
};

/// What the sensor was started with.
pub struct Running {
    /// As the file said.
    pub written: Config,
    /// Whether the kernel programs tell also what belongs to nobody.
    pub everybody: bool,
}

/// Reads the policy again for a running sensor.
pub struct Reloader {
    file: ConfigFile,
    running: Running,
    record_all: bool,
    /// Parts of the file that were said to wait for the next start.
    waiting: Vec<&'static str>,
    status: Arc<SensorStatus>,
}

impl Reloader {
    /// For a sensor that was started with this.
    pub fn new(file: ConfigFile, running: Running, record_all: bool, status: Arc<SensorStatus>) -> Self {
        Self { file, running, record_all, waiting: Vec::new(), status }
    }

    /// Waits for reasons to read, and reads.
    pub async fn run(mut self, mut hangup: Hangup) {
        let mut directories = Directories::watch(&self.file);
        loop {
            let why = tokio::select! {
                () = hangup.wait() => "SIGHUP",
                () = directories.changed(&self.file) => "the file has changed",
            };
            self.file.look();
            // Names are asked for, which may take seconds.
            let Ok(reloader) = tokio::task::spawn_blocking(move || self.reload(why)).await else { return };
            self = reloader;
        }
    }

    fn reload(mut self, why: &str) -> Self {
        match self.read() {
            Ok((config, policy)) => {
                tracing::info!(why, version = policy.version(), "the configuration was read again");
                self.say_what_waits(&config, &policy);
                self.status.policy.replace(policy);
            }
            Err(error) => {
                tracing::error!(
                    why,
                    "the policy stays as it is, because the configuration cannot be used: {error}"
                );
                self.status.policy.refuse(error);
            }
        }
        self
    }

    fn read(&mut self) -> Result<(Config, Policy), String> {
        let config = self.file.load().map_err(|error| on_one_line(&error))?;
        let policy = pipeline::policy(&config, self.record_all).map_err(|error| error.to_string())?;
        Ok((config, policy))
    }

    /// Says, when it is not what was said before, what is taken over at the next
    /// start only.
    fn say_what_waits(&mut self, config: &Config, policy: &Policy) {
        let mut waiting = waiting(&self.running.written, config);
        if policy.wants_everybody() && !self.running.everybody {
            waiting.push("[policy] as far as it keeps acts of services, which the kernel programs leave out");
        }
        if waiting != self.waiting && !waiting.is_empty() {
            let parts = waiting.join(", ");
            tracing::warn!(
                "changed in the file as well, but not before the next start of the sensor: {parts}"
            );
        }
        self.waiting = waiting;
    }
}

/// The parts of a changed configuration that need a start.
fn waiting(running: &Config, now: &Config) -> Vec<&'static str> {
    let parts = [
        ("[sensor]", running.sensor != now.sensor),
        ("[hooks]", running.hooks != now.hooks),
        ("[redaction]", running.redaction != now.redaction),
        ("[sessions]", running.sessions != now.sessions),
        ("[stream]", running.stream != now.stream),
        ("[log]", running.log != now.log),
        ("[metrics]", running.metrics != now.metrics),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect()
}

fn on_one_line(error: &ConfigError) -> String {
    error.to_string().replace('\n', "; ")
}

/// SIGHUP, heard from the moment this is made.
pub struct Hangup(Option<Signal>);

impl Hangup {
    /// Begins to listen.
    pub fn listen() -> Self {
        Self(signal(SignalKind::hangup()).ok())
    }

    async fn wait(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(text, "c.toml".as_ref()).unwrap()
    }

    #[test]
    fn what_needs_a_start_is_told_by_part() {
        let running = Config::default();
        assert_eq!(waiting(&running, &config("policy.missing = true")), [""; 0]);
        let other = "log.level = \"debug\"\nhooks.exec = false";
        assert_eq!(waiting(&running, &config(other)), ["[hooks]", "[log]"]);
    }
}
