//! Events out of the sensor, over gRPC.

mod consume;
mod filter;
mod hub;
mod listen;
mod missed;
mod outgoing;
mod push;
mod queue;
mod service;
mod tls;

pub use filter::Wanted;
pub use hub::{Hub, Origin, Subscription, encoded_gap};
pub use listen::{ListenError, Listeners, SocketFile, TcpDoor, clear, group_id};
pub use missed::Missed;
#[cfg(test)]
pub use outgoing::Part;
pub use outgoing::{Encoded, Outgoing};
pub use push::Push;
pub use service::serve;
