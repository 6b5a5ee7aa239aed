//! Where a sensor is reached.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
};

use serde::Deserialize;

/// Where a sensor is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Address {
    /// A unix socket by its path.
    Unix(String),
    /// TCP on this machine, in plain text.
    Tcp(SocketAddr),
}

impl Address {
    /// As a URI that gRPC connects to.
    pub fn uri(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix:{path}"),
            Self::Tcp(address) => format!("http://{address}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", activity_proto::json::escape_bytes(path.as_bytes())),
            Self::Tcp(address) => address.fmt(f),
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
        let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        let local = local.map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        match local.or_else(|| text.parse().ok()) {
            Some(address) if address.ip().is_loopback() => Ok(Self::Tcp(address)),
            None if !text.contains(':') => {
                Err(format!("`{text}` is no address: give unix:PATH or, on this machine, HOST:PORT"))
            }
            _ => Err(format!(
                "`{text}` is not on this machine: TCP to another one waits for mutual TLS, which this version \
                 does not have; forward the sensor's socket, for example with `ssh -L`, and give unix:PATH"
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
    fn sockets_and_loopback_are_addresses() {
        let tcp = |text: &str| Address::Tcp(text.parse().unwrap());
        for (text, address) in [
            ("unix:/run/x.sock", Address::Unix("/run/x.sock".into())),
            ("unix:///run/x.sock", Address::Unix("/run/x.sock".into())),
            ("unix:x.sock", Address::Unix("x.sock".into())),
            ("127.0.0.1:7000", tcp("127.0.0.1:7000")),
            ("localhost:7000", tcp("127.0.0.1:7000")),
            ("[::1]:7000", tcp("[::1]:7000")),
        ] {
            assert_eq!(text.parse(), Ok(address), "{text}");
        }
    }

    #[test]
    fn another_machine_waits_for_mutual_tls() {
        for text in ["192.0.2.1:7000", "sensor.example.org:7000", "0.0.0.0:7000"] {
            let sentence = text.parse::<Address>().unwrap_err();
            assert!(sentence.contains("mutual TLS"), "{text}: {sentence}");
        }
        for text in ["", "sensor", "unix:"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
