//! `[stream.tls]`, and what it and `stream.tcp` must agree on.

use std::{path::PathBuf, time::Duration};

use activity_peers::{Address, Files};
use serde::Deserialize;

use super::{Conflict, StreamConfig, values};

/// `[stream.tls]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TlsConfig {
    /// The sensor's certificate.
    #[serde(deserialize_with = "values::absolute_path")]
    pub certificate: PathBuf,
    /// Its key.
    #[serde(deserialize_with = "values::absolute_path")]
    pub key: PathBuf,
    /// Who signs the certificates of those who may connect.
    #[serde(deserialize_with = "values::absolute_path")]
    pub authority: PathBuf,
    /// The list of revoked certificates.
    #[serde(default, deserialize_with = "values::some_absolute_path")]
    pub revoked: Option<PathBuf>,
    /// Seconds after which a connection is ended.
    #[serde(default = "an_hour", deserialize_with = "values::connection_age")]
    pub max_connection_age: u32,
}

fn an_hour() -> u32 {
    3600
}

impl TlsConfig {
    /// The files.
    pub fn files(&self) -> Files {
        Files {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            authority: self.authority.clone(),
            revoked: self.revoked.clone(),
        }
    }

    /// How old a connection may become.
    pub fn age(&self) -> Duration {
        Duration::from_secs(self.max_connection_age.into())
    }
}

impl StreamConfig {
    /// What the keys about TCP say that cannot hold together.
    pub(super) fn conflicts(&self) -> impl Iterator<Item = Conflict> {
        self.conflict_of_tcp().into_iter().chain(self.push.iter().find_map(|to| self.conflict_of_push(to)))
    }

    fn conflict_of_tcp(&self) -> Option<Conflict> {
        match (self.tcp, &self.tls) {
            (None, Some(_)) if self.push.is_empty() => Some(Conflict::at(
                ["stream", "tls"],
                "serves nobody without `stream.tcp` or `stream.push`; set one of them, or remove it",
            )),
            (Some(address), None) if !address.ip().is_loopback() => Some(Conflict::at(
                ["stream", "tcp"],
                format!(
                    "must be a loopback address (127.0.0.1 or [::1]), not {}, unless `[stream.tls]` says \
                     who may connect",
                    address.ip()
                ),
            )),
            (Some(_), None) if !self.plain_text => Some(Conflict::at(
                ["stream", "tcp"],
                "is not encrypted and does not check who connects; set `stream.plain_text = true` as well \
                 if every user of this machine may read the stream, or remove it",
            )),
            _ => None,
        }
    }

    fn conflict_of_push(&self, to: &Address) -> Option<Conflict> {
        let Address::Tcp(host) = to else { return None };
        let message = match &self.tls {
            Some(_) => return None,
            None if !host.is_loopback() => format!(
                "leads to another machine with {host}, which takes mutual TLS; say in `[stream.tls]` which \
                 certificate to show"
            ),
            None if !self.plain_text => format!(
                "is not encrypted and does not check who listens at {host}; set `stream.plain_text = true` as \
                 well, or say in `[stream.tls]` which certificate to show"
            ),
            None => return None,
        };
        Some(Conflict::at(["stream", "push"], message))
    }
}
