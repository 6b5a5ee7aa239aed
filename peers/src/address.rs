//! Where a peer is reached, or listens.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use serde::Deserialize;

use crate::{Name, refusal::printable};

/// Longest name of a host.
const HOST_MAX: usize = 253;

/// Where a peer is reached, or listens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Address {
    /// A unix socket by its path.
    Unix(String),
    /// TCP: with mutual TLS, or on this machine in plain text.
    Tcp(Host),
}

/// A host and a port, and which peer is expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The name in the peer's certificate; any of its role and our tenant when absent.
    pub name: Option<Name>,
    /// A name or an address.
    host: String,
    port: u16,
}

impl Host {
    /// Whether nothing sent there leaves this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// `HOST:PORT`
    #[must_use]
    pub fn place(&self) -> String {
        Self { name: None, ..self.clone() }.to_string()
    }
}

impl Address {
    /// As a URI that gRPC connects to.
    #[must_use]
    pub fn uri(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix:{path}"),
            Self::Tcp(host) => format!("http://{}", host.place()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", printable(path)),
            Self::Tcp(host) => host.fmt(f),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err("`unix:` needs the path of a socket, as in unix:/run/activity-sensor/sensor.sock".into())
            } else {
                Ok(Self::Unix(path.to_owned()))
            };
        }
        text.parse().map(Self::Tcp)
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, place) = match text.split_once('@') {
            Some((name, place)) => (Some(name.parse().map_err(|error| format!("`{name}`: {error}"))?), place),
            None => (None, text),
        };
        if let Ok(address) = place.parse::<SocketAddr>() {
            return Ok(Self { name, host: address.ip().to_string(), port: address.port() });
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let valid = |host: &str| {
            (1..=HOST_MAX).contains(&host.len()) && !host.starts_with('-') && host.bytes().all(allowed)
        };
        match place.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some(("localhost", Ok(port))) => Ok(Self { name, host: Ipv4Addr::LOCALHOST.to_string(), port }),
            Some((host, Ok(port))) if valid(host) => Ok(Self { name, host: host.to_owned(), port }),
            _ => Err(format!(
                "`{}` is no address: give unix:PATH, HOST:PORT or NAME@HOST:PORT",
                printable(text)
            )),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_and_hosts_are_addresses() {
        let tcp = |name: Option<&str>, host: &str| {
            let name = name.map(|name| name.parse().unwrap());
            Address::Tcp(Host { name, host: host.into(), port: 7000 })
        };
        for (text, address, uri) in [
            ("unix:/run/x.sock", Address::Unix("/run/x.sock".into()), "unix:/run/x.sock"),
            ("unix:///run/x.sock", Address::Unix("/run/x.sock".into()), "unix:/run/x.sock"),
            ("unix:x.sock", Address::Unix("x.sock".into()), "unix:x.sock"),
            ("127.0.0.1:7000", tcp(None, "127.0.0.1"), "http://127.0.0.1:7000"),
            ("localhost:7000", tcp(None, "127.0.0.1"), "http://127.0.0.1:7000"),
            ("[::1]:7000", tcp(None, "::1"), "http://[::1]:7000"),
            ("web-1.example.org:7000", tcp(None, "web-1.example.org"), "http://web-1.example.org:7000"),
            ("web-1@192.0.2.1:7000", tcp(Some("web-1"), "192.0.2.1"), "http://192.0.2.1:7000"),
        ] {
            assert_eq!(text.parse(), Ok(address.clone()), "{text}");
            assert_eq!(address.uri(), uri);
            assert_eq!(address.to_string().parse(), Ok(address), "{text}");
        }
    }

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        let is_loopback = |text: &str| text.parse::<Host>().unwrap().is_loopback();
        assert!(["127.0.0.1:1", "127.1.2.3:1", "localhost:1", "[::1]:1"].into_iter().all(is_loopback));
        assert!(
            !["192.0.2.1:1", "0.0.0.0:1", "[::]:1", "localhost.example.org:1"].into_iter().any(is_loopback)
        );
    }

    #[test]
    fn anything_else_is_no_address() {
        for text in
            ["", "sensor", "unix:", ":1", "host:", "host:70000", "a b:1", "a/b:1", "-a:1", "A@h:1", "@h:1"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        let sentence = "\u{1b}[31m:1".parse::<Address>().unwrap_err();
        assert!(!sentence.contains('\u{1b}'), "{sentence:?}");
    }
}
