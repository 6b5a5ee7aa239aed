//! `[metrics]`

use std::{fmt, net::SocketAddr, path::PathBuf};

use serde::Deserialize;

use super::values::SOCKET_PATH_MAX;

/// `[metrics]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct MetricsConfig {
    /// Where metrics can be asked for.
    pub listen: Option<MetricsAddress>,
}

/// `metrics.listen`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum MetricsAddress {
    /// A loopback address.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl TryFrom<String> for MetricsAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            if !path.starts_with('/') || path.len() > SOCKET_PATH_MAX {
                return Err(format!(
                    "must have a path after unix: that begins with / and has at most {SOCKET_PATH_MAX} bytes, \
                     not {path:?}"
                ));
            }
            return Ok(Self::Unix(path.into()));
        }
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Self::Tcp(address)),
            Ok(address) => Err(format!(
                "must be a loopback address (127.0.0.1 or [::1]), not {}: nobody is asked who they are",
                address.ip()
            )),
            Err(_) => Err(format!(
                "must be an address with a port, such as \"127.0.0.1:9464\", or unix: and a path, not {text:?}"
            )),
        }
    }
}

impl fmt::Display for MetricsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
