//! The way from a command to the daemon.

use std::{io, time::Duration};

use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

use crate::{config::StreamConfig, failure::Failure};

/// How long a daemon may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Why there is no daemon to talk to.
pub struct Unreachable {
    /// Nothing listens there at all.
    pub is_absent: bool,
    /// What to say.
    pub failure: Failure,
}

/// Connects to the daemon's socket.
///
/// # Errors
/// When nobody answers, or the socket is not open to this user.
pub async fn connect(stream: &StreamConfig) -> Result<Channel, Unreachable> {
    let socket = stream.socket.display();
    try_to_connect(stream).await.map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            let (group, is_absent) = (&stream.group, false);
            let failure = Failure::not_permitted(format!(
                "the socket {socket} is not open to you; join the group {group}, or use sudo"
            ));
            return Unreachable { is_absent, failure };
        }
        let failure = Failure::unavailable(format!(
            "no sensor answers at {socket} ({error}); check --socket and whether the service runs"
        ));
        Unreachable { is_absent: true, failure }
    })
}

async fn try_to_connect(stream: &StreamConfig) -> io::Result<Channel> {
    // Tried by hand first: the channel would keep the reason to itself.
    drop(tokio::net::UnixStream::connect(&stream.socket).await?);
    let address = format!("unix:{}", stream.socket.display());
    let endpoint = Endpoint::from_shared(address).map_err(io::Error::other)?.connect_timeout(ANSWER);
    endpoint.connect().await.map_err(io::Error::other)
}

/// What an answer comes to that is none.
pub fn refused(status: &Status) -> Failure {
    Failure::unavailable(format!("the sensor answered: {}", status.message()))
}
