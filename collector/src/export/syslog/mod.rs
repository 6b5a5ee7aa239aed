//! Syslog (RFC 5424) over TCP (RFC 6587, octet counting) or TLS (RFC 5425).
//!
//! Syslog has no acknowledgements, and what TCP acknowledges has been taken by the other
//! side's kernel only. So each batch has a connection of its own that is closed in good order:
//! we say that no more comes, and wait until the other side, having read all, closes its end.
//! A server that is killed with unread bytes resets the connection instead.
//!
//! What it has read it may still hold in memory. So a batch is delivered only when two
//! seconds have passed and the witness is still there: a second connection on which nothing
//! is sent, and which ends with the process at its other end, however fast that is started
//! again. When it ends, whatever was not delivered by then is sent again.

mod link;
mod message;

use std::time::Duration;

use async_trait::async_trait;

use super::{ExportError, Exporter, Line, target::Secrets};
use link::{Door, Link};

/// For how long a server may have in memory only what it has read.
const SETTLES: Duration = Duration::from_secs(2);

/// A syslog server.
pub struct Syslog {
    door: Door,
    witness: Option<Link>,
}

impl Syslog {
    /// At an address.
    pub fn new(host: &str, port: u16, tls: bool, secrets: &Secrets) -> Result<Self, ExportError> {
        Ok(Self { door: Door::new(host, port, tls, secrets)?, witness: None })
    }

    /// Nobody to witness is no failure: nothing is delivered yet that could be lost.
    async fn exchange(&mut self, lines: &[Line]) -> Result<(), ExportError> {
        if self.witness.is_none() {
            self.witness = Some(self.door.connect().await?);
        }
        let mut bytes = Vec::with_capacity(lines.iter().map(|line| line.text.len() + 128).sum());
        lines.iter().for_each(|line| message::frame(line, &mut bytes));
        let link = self.door.connect().await?;
        link.deliver(&bytes).await
    }
}

#[async_trait]
impl Exporter for Syslog {
    async fn send(&mut self, lines: &[Line]) -> Result<(), ExportError> {
        self.still_has().await?;
        self.exchange(lines).await
    }

    fn settles(&self) -> Duration {
        SETTLES
    }

    async fn still_has(&mut self) -> Result<(), ExportError> {
        let Some(witness) = &mut self.witness else { return Ok(()) };
        let seen = witness.is_there().await;
        if seen.is_err() {
            self.witness = None;
        }
        seen
    }
}
