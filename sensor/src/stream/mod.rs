//! Events out of the sensor, over gRPC.

mod filter;
mod hub;
mod listen;
mod outgoing;
mod queue;
mod service;

pub use filter::Wanted;
pub use hub::{Hub, Origin, Subscription};
pub use listen::{ListenError, Listeners};
pub use outgoing::Outgoing;
pub use service::serve;
