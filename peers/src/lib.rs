//! Mutual TLS between sensor and collector: who may come in, and what they may do.
//!
//! A peer is who its certificate says: a URI `activity://TENANT/ROLE/NAME` among the
//! subject's alternative names ([`Identity`]). The authority is private to this system
//! and signs nothing else, so a chain to it and that URI are all that is checked: host
//! names and addresses, which change, are not part of an identity. docs/security.md
//! says so at length.
//!
//! A server opens a [`Door`] and gives its connections to
//! `serve_with_incoming_shutdown` of a [`server`], with a [`Gate`] as the outermost layer; a
//! client calls [`connect`] with an [`Address`]. Both hold
//! [`Credentials`], which are read again when their files change. What was accepted
//! is judged again while it lasts: a peer whose certificate expires or is revoked is
//! shown out within seconds, and everybody after the greatest age of a connection.

mod address;
mod authority;
mod backoff;
mod calls;
mod connection;
mod connector;
mod credentials;
mod door;
mod files;
mod gate;
pub mod http2;
mod identity;
mod limits;
mod reach;
mod refusal;
mod refusals;
mod witness;

#[cfg(feature = "issue")]
pub mod issue;

#[cfg(test)]
mod tests;

pub use address::{Address, Host};
pub use authority::Authority;
pub use backoff::Backoff;
pub use connection::{Connection, Ending, Peer};
pub use connector::{ConnectError, Connector, explain};
pub use credentials::{Credentials, Loaded};
pub use door::Door;
pub use files::{FileError, Files};
pub use gate::{Gate, Guarded, RETIRED};
pub use http2::{endpoint, server};
pub use identity::{Expected, Identity, Name, NotAnIdentity, Right, Role};
pub use limits::Limits;
pub use reach::{connect, reason, status_reason};
pub use refusal::{Reason, Refusal};
pub use refusals::Refusals;
