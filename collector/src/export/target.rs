//! Where events are passed on to, as it is written on a command line or in a file.

use std::{fmt, path::PathBuf, str::FromStr};

use super::{ExportError, Exporter, files, nats, syslog};

/// Port of syslog over TLS (RFC 5425); over TCP 514 is usual.
const SYSLOG_TLS: u16 = 6514;
const SYSLOG: u16 = 514;
const NATS: u16 = 4222;
/// What subjects begin with where none is said.
const SUBJECT: &str = "activity";

/// Where events are passed on to.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// Lines at the end of a file.
    File(PathBuf),
    /// A syslog server.
    Syslog {
        /// Its name, which its certificate has, or its address.
        host: String,
        port: u16,
        tls: bool,
    },
    /// A NATS server with JetStream.
    Nats {
        /// Scheme, and user and password where there are, of `host`.
        scheme: &'static str,
        user: Option<String>,
        host: String,
        port: u16,
        /// What subjects begin with; the type of the event follows.
        subject: String,
    },
}

/// What is needed beside the address, as files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Who signs the other side's certificate, in PEM form.
    pub authority: Option<PathBuf>,
    /// Our certificate, where the other side asks for one, and its key.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// A credentials file of NATS.
    pub credentials: Option<PathBuf>,
}

/// It is nowhere that events can be passed on to.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is nowhere to export to: give -, file:///PATH, syslog://HOST:514, syslog+tls://HOST:6514, \
     nats://HOST:4222/SUBJECT or nats+tls://HOST:4222/SUBJECT"
)]
pub struct NotATarget(String);

impl Target {
    /// The way there; nothing is connected yet.
    ///
    /// # Errors
    /// When a file that it needs is not right.
    pub fn open(&self, secrets: &Secrets) -> Result<Box<dyn Exporter>, ExportError> {
        Ok(match self {
            Self::Stdout => Box::new(files::Stdout),
            Self::File(path) => Box::new(files::Lines::new(path.clone())),
            Self::Syslog { host, port, tls } => Box::new(syslog::Syslog::new(host, *port, *tls, secrets)?),
            Self::Nats { .. } => Box::new(nats::Nats::new(self, secrets)?),
        })
    }
}

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        parse(text).ok_or_else(|| NotATarget(without_password(text)))
    }
}

fn parse(text: &str) -> Option<Target> {
    if text == "-" {
        return Some(Target::Stdout);
    }
    let (scheme, rest) = text.split_once("://")?;
    match scheme {
        "file" => rest.starts_with('/').then(|| Target::File(rest.into())),
        "syslog" | "syslog+tls" => {
            let tls = scheme == "syslog+tls";
            let (host, port) = host_port(rest, if tls { SYSLOG_TLS } else { SYSLOG })?;
            Some(Target::Syslog { host, port, tls })
        }
        "nats" | "nats+tls" => {
            let (authority, subject) = rest.split_once('/').unwrap_or((rest, SUBJECT));
            let (user, address) = match authority.rsplit_once('@') {
                Some((user, address)) => (Some(user.to_owned()), address),
                None => (None, authority),
            };
            let (host, port) = host_port(address, NATS)?;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            let well_formed = subject.split('.').all(|word| !word.is_empty() && word.bytes().all(plain));
            let scheme = if scheme == "nats" { "nats" } else { "tls" };
            let subject = subject.to_owned();
            well_formed.then_some(Target::Nats { scheme, user, host, port, subject })
        }
        _ => None,
    }
}

/// `HOST`, `HOST:PORT`, `[ADDRESS]` or `[ADDRESS]:PORT`.
fn host_port(text: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':')?)),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'%');
    let port = port.map_or(Some(default), |port| port.parse().ok().filter(|&port| port > 0))?;
    (!host.is_empty() && host.bytes().all(allowed)).then(|| (host.to_owned(), port))
}

/// An address with brackets where it needs some.
pub fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn without_password(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => text.to_owned(),
    }
}

impl fmt::Display for Target {
    /// Without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => write!(f, "file://{}", path.display()),
            Self::Syslog { host, port, tls } => {
                write!(f, "syslog{}://{}:{port}", if *tls { "+tls" } else { "" }, bracketed(host))
            }
            Self::Nats { scheme, host, port, subject, .. } => {
                let tls = if *scheme == "tls" { "+tls" } else { "" };
                write!(f, "nats{tls}://{}:{port}/{subject}", bracketed(host))
            }
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
