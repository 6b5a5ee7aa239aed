//! HTTP/2 with every limit set: what a library's defaults are is the library's to change.
//!
//! A [`Door`](crate::Door) says how many connections there may be; this is what one of
//! them may cost. Over unix sockets and in plain text the same holds.

use std::time::Duration;

use tonic::transport::{Endpoint, Error, Server};

/// Calls that one connection may have open at once.
pub const STREAMS: u32 = 16;
/// Headers of one call in bytes, names and values as they are when unpacked.
pub const HEADER_BYTES: u32 = 8 << 10;
/// The same of an answer, which may have a sentence in it.
pub const ANSWER_HEADER_BYTES: u32 = 16 << 10;
/// Longest frame in bytes; the protocol allows no less.
pub const FRAME_BYTES: u32 = 16 << 10;
/// What one call may send that nobody has read, in bytes.
pub const STREAM_WINDOW: u32 = 1 << 20;
/// What all calls of one connection may send that nobody has read, in bytes.
pub const CONNECTION_WINDOW: u32 = 1 << 20;
/// Calls that were taken back before they were looked at. One more ends the connection.
pub const PENDING_RESETS: usize = 20;
/// Calls of one connection that broke the protocol. One more ends it. An honest client
/// that does not know yet how many calls it may open is refused up to a hundred.
pub const ERROR_RESETS: usize = 128;
/// Time until an answer begins; the rest of it may take as long as it likes.
pub const ANSWER_TIME: Duration = Duration::from_secs(30);
/// A client that sends nothing for so long is asked whether it is there.
pub const PING_INTERVAL: Duration = Duration::from_secs(20);
/// One that does not answer for so long is gone.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a server may take to be reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The same from the client's side, which wants to be somewhere else soon.
const CLIENT_PING_INTERVAL: Duration = Duration::from_secs(10);
const CLIENT_PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Calls that wait for their turn on one channel.
const WAITING_CALLS: usize = 16;
/// The table that headers are packed with, in bytes.
const HEADER_TABLE_BYTES: u32 = 4 << 10;

/// A server on which no limit is left to chance. Whose requests are small may narrow
/// the windows.
#[must_use]
pub fn server() -> Server {
    Server::builder()
        .accept_http1(false)
        .concurrency_limit_per_connection(STREAMS as usize)
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEADER_BYTES)
        .max_frame_size(FRAME_BYTES)
        .http2_adaptive_window(Some(false))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS))
        .http2_max_local_error_reset_streams(Some(ERROR_RESETS))
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .timeout(ANSWER_TIME)
}

/// Where a client connects to, as `http://HOST:PORT` or `unix:PATH`, on which no limit is
/// left to chance either: a server may be hostile as well.
///
/// # Errors
/// When it is no URI.
pub fn endpoint(uri: String) -> Result<Endpoint, Error> {
    Ok(Endpoint::from_shared(uri)?
        .connect_timeout(CONNECT_TIMEOUT)
        .buffer_size(WAITING_CALLS)
        .http2_keep_alive_interval(CLIENT_PING_INTERVAL)
        .keep_alive_timeout(CLIENT_PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(ANSWER_HEADER_BYTES)
        .http2_header_table_size(HEADER_TABLE_BYTES)
        .max_frame_size(FRAME_BYTES)
        .http2_adaptive_window(false)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_local_error_reset_streams(ERROR_RESETS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_no_uri_is_an_error() {
        assert!(endpoint("http://127.0.0.1:50051".to_owned()).is_ok());
        assert!(endpoint("unix:/run/activity-sensor/sensor.sock".to_owned()).is_ok());
        assert!(endpoint("not an address".to_owned()).is_err());
    }
}
