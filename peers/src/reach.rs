//! The connection to a peer: a unix socket, plain text on this machine, or mutual TLS.

use std::{error::Error as StdError, io};

use tonic::{
    Status,
    transport::{Channel, Error},
};

use crate::{Address, Connector, Credentials, Expected, Peer, Role, endpoint, explain, refusal::printable};

/// Connects; with mutual TLS to a peer of our tenant and of this role only, and to the
/// one of the name in the address where there is one. Answers with who that is, which is
/// known with mutual TLS only.
///
/// # Errors
/// When nobody is reached, or nobody who is expected; [`reason`] says it in words.
pub async fn connect(
    address: &Address,
    credentials: Option<&Credentials>,
    role: Role,
) -> Result<(Channel, Option<Peer>), Error> {
    let endpoint = endpoint(address.uri())?;
    let (Address::Tcp(host), Some(credentials)) = (address, credentials) else {
        return Ok((endpoint.connect().await?, None));
    };
    let expected = Expected { role: Some(role), name: host.name.clone(), ..Expected::default() };
    let connector = Connector::new(credentials.clone(), expected);
    let channel = endpoint.connect_with_connector(connector.clone()).await?;
    Ok((channel, connector.peer()))
}

/// Why a peer is not reached: the innermost cause, as the outer ones only say that
/// something failed.
#[must_use]
pub fn reason(error: &Error) -> String {
    if let Some(refusal) = explain(error) {
        return refusal;
    }
    let mut cause: &dyn StdError = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::PermissionDenied) => {
            "permission denied (the socket is for root and the socket's group)".into()
        }
        Some(io::ErrorKind::NotFound) => "there is no such socket".into(),
        Some(io::ErrorKind::ConnectionRefused) => "nobody listens there".into(),
        _ => printable(&cause.to_string()),
    }
}

/// Why a call ended. A peer may say anything in its status; none of it reaches a
/// terminal raw.
#[must_use]
pub fn status_reason(status: &Status) -> String {
    explain(status).unwrap_or_else(|| format!("{}: {}", status.code(), printable(status.message())))
}
