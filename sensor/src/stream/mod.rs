//! Events out of the sensor, over gRPC.

mod filter;
mod hub;
mod listen;
mod queue;
mod service;

pub use filter::Wanted;
pub use hub::{Hub, Origin, Subscription};
pub use listen::{ListenError, Listeners};
pub use service::serve;
