//! Which session a connection on this machine came from: somebody who uses ssh
//! to localhost is still the same person.

use std::{collections::HashMap, net::IpAddr};

use activity_proto::v1::{Connect, Family};

/// Connections remembered at most.
const MAX: usize = 8192;

/// The newest connections of people, by their local end.
#[derive(Debug, Default)]
pub struct Origins {
    /// Two generations: the older goes when the newer is full.
    new: HashMap<(IpAddr, u16), u32>,
    old: HashMap<(IpAddr, u16), u32>,
}

impl Origins {
    /// A process of this session connected.
    pub fn connected(&mut self, connect: &Connect, session: Option<u32>) {
        let is_inet = matches!(connect.family(), Family::Inet | Family::Inet6);
        let (Some(session), true) = (session, is_inet) else { return };
        let port = connect.local_port.and_then(|port| u16::try_from(port).ok());
        let (Some(port), Ok(address)) = (port, connect.local_address.parse::<IpAddr>()) else { return };
        if self.new.len() >= MAX {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert((address.to_canonical(), port), session);
    }

    /// The session that a peer belongs to.
    pub fn of(&self, (address, port): (IpAddr, u16)) -> Option<u32> {
        let key = (address.to_canonical(), port);
        self.new.get(&key).or_else(|| self.old.get(&key)).copied()
    }
}
