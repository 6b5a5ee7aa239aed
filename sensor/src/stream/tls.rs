//! Mutual TLS: who comes in over TCP, and which calls they may make.

use activity_peers::{Credentials, Door, Expected, FileError, Limits, Right};
use tokio::net::TcpListener;

use crate::config::TlsConfig;

/// What a call needs, by its path. What is not here nobody may call but over the unix
/// socket; a test holds this against the calls there are.
pub(super) fn right_of(path: &str) -> Option<Right> {
    match path {
        "/activity.sensor.v1.SensorService/Subscribe"
        | "/activity.sensor.v1.SensorService/GetStatus"
        | "/activity.sensor.v1.SensorService/ListSessions" => Some(Right::Read),
        "/activity.sensor.v1.SensorService/Consume" => Some(Right::Acknowledge),
        _ if path.starts_with("/grpc.health.v1.Health/") => Some(Right::Read),
        _ if path.starts_with("/grpc.reflection.") => Some(Right::Read),
        _ => None,
    }
}

/// Lets peers of the sensor's own tenant in.
pub(super) fn door(listener: TcpListener, config: &TlsConfig) -> Result<Door, FileError> {
    let credentials = Credentials::open(config.files())?;
    let identity = credentials.current().identity.clone();
    tracing::info!(%identity, "peers over TCP have to show a certificate");
    let expected = Expected { tenant: Some(identity.tenant), ..Expected::default() };
    let limits = Limits { age: config.age(), ..Limits::default() };
    Ok(Door::new(listener, credentials, expected, limits))
}

#[cfg(test)]
mod tests;
