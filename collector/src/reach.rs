//! The connection to a sensor: a unix socket, plain text on this machine, or mutual TLS.

use activity_peers::{Connector, Credentials, Expected, Peer, Role};
use tonic::transport::{Channel, Endpoint, Error};

use crate::address::Address;

/// Connects; with mutual TLS to a sensor of our tenant only, and to the one of the name
/// in the address where there is one. Answers with who that is.
pub async fn connect(
    endpoint: &Endpoint,
    address: &Address,
    credentials: Option<&Credentials>,
) -> Result<(Channel, Option<Peer>), Error> {
    let (Address::Tcp(host), Some(credentials)) = (address, credentials) else {
        return Ok((endpoint.connect().await?, None));
    };
    let expected = Expected { role: Some(Role::Sensor), name: host.name.clone(), ..Expected::default() };
    let connector = Connector::new(credentials.clone(), expected);
    let channel = endpoint.connect_with_connector(connector.clone()).await?;
    Ok((channel, connector.peer()))
}
