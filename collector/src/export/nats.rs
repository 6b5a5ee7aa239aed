//! NATS JetStream: every message is acknowledged by the server that stored it.

use std::{path::PathBuf, time::Duration};

use async_nats::{
    ConnectOptions,
    jetstream::{
        self, Context,
        context::{PublishAckFuture, PublishError, PublishErrorKind},
        message::PublishMessage,
    },
};
use async_trait::async_trait;

use super::{
    ExportError, Exporter, Line, Target,
    target::{Secrets, bracketed},
};

/// How long a connection and an acknowledgement may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Publishes each event as a message on SUBJECT.TYPE, with its identity as `Nats-Msg-Id`:
/// the server drops doubles within its window.
pub struct Nats {
    place: String,
    address: String,
    user: Option<(String, String)>,
    subject: String,
    tls: bool,
    secrets: Secrets,
    context: Option<Context>,
    refused: u64,
}

impl Nats {
    /// To a target of this kind.
    pub fn new(target: &Target, secrets: &Secrets) -> Result<Self, ExportError> {
        let Target::Nats { scheme, user, host, port, subject } = target else {
            return Err(ExportError::Settings(format!("{target} is no NATS server")));
        };
        let user = user.as_ref().map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (name.to_owned(), password.to_owned())
        });
        Ok(Self {
            place: target.to_string(),
            address: format!("{scheme}://{}:{port}", bracketed(host)),
            user,
            subject: subject.clone(),
            tls: *scheme == "tls",
            secrets: secrets.clone(),
            context: None,
            refused: 0,
        })
    }

    async fn connect(&self) -> Result<Context, ExportError> {
        // A connection that ends is made anew by whoever sends, who knows what to send again.
        let mut options = ConnectOptions::new()
            .name("activity-collector")
            .connection_timeout(PATIENCE)
            .max_reconnects(1)
            .require_tls(self.tls);
        if let Some((name, password)) = &self.user {
            options = options.user_and_password(name.clone(), password.clone());
        }
        if let Some(authority) = &self.secrets.authority {
            options = options.add_root_certificates(authority.clone());
        }
        if let (Some(certificate), Some(key)) = (&self.secrets.certificate, &self.secrets.key) {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        if let Some(path) = &self.secrets.credentials {
            options = with_credentials(options, path).await?;
        }
        let client = options.connect(&self.address).await.map_err(|error| self.unreachable(error))?;
        let mut context = jetstream::new(client);
        context.set_timeout(PATIENCE);
        Ok(context)
    }

    async fn publish(&mut self, context: &Context, lines: &[Line]) -> Result<(), ExportError> {
        let mut acknowledgements: Vec<PublishAckFuture> = Vec::with_capacity(lines.len());
        for line in lines {
            let message =
                PublishMessage::build().message_id(&line.identity).payload(line.text.clone().into());
            match context.send_publish(format!("{}.{}", self.subject, line.kind), message).await {
                Ok(acknowledgement) => acknowledgements.push(acknowledgement),
                // It never will be smaller, and those behind it wait.
                Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                    self.refused += 1;
                    tracing::error!(
                        "{} bytes of the event {} are more than {} takes: it is left out; raise max_payload there",
                        line.text.len(),
                        line.identity,
                        self.place
                    );
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
        for acknowledgement in acknowledgements {
            acknowledgement.await.map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    fn failed(&self, error: &PublishError) -> ExportError {
        match error.kind() {
            PublishErrorKind::StreamNotFound => ExportError::Refused {
                place: self.place.clone(),
                why: format!(
                    "no stream there keeps the subjects {0}.>: make one, as with `nats stream add ACTIVITY \
                     --subjects '{0}.>'`",
                    self.subject
                ),
            },
            _ => self.unreachable(error),
        }
    }

    fn unreachable(&self, error: impl std::fmt::Display) -> ExportError {
        ExportError::Unreachable { place: self.place.clone(), why: error.to_string() }
    }
}

async fn with_credentials(options: ConnectOptions, path: &PathBuf) -> Result<ConnectOptions, ExportError> {
    let wrong = |error: std::io::Error| {
        ExportError::Settings(format!("the credentials {} are of no use: {error}", path.display()))
    };
    let text = tokio::fs::read_to_string(path).await.map_err(wrong)?;
    options.credentials(&text).map_err(wrong)
}

#[async_trait]
impl Exporter for Nats {
    async fn send(&mut self, lines: &[Line]) -> Result<(), ExportError> {
        let context = match self.context.take() {
            Some(context) => context,
            None => self.connect().await?,
        };
        self.publish(&context, lines).await?;
        self.context = Some(context);
        Ok(())
    }

    fn refused(&self) -> u64 {
        self.refused
    }
}
