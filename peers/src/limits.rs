//! How much of a server peers may take.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::Reason;

/// How much of a server peers may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A handshake that takes longer is ended.
    pub handshake_time: Duration,
    /// Handshakes under way at once.
    pub handshakes: usize,
    /// Of these, from one address.
    pub handshakes_per_address: usize,
    /// Connections of peers that have proved who they are.
    pub connections: usize,
    /// Of these, from one address.
    pub connections_per_address: usize,
    /// A connection is ended at this age, a tenth earlier or later, so that those
    /// made at one time do not all come back at one time.
    pub age: Duration,
    /// A connection on which no call was open for so long is ended.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_time: Duration::from_secs(10),
            handshakes: 64,
            handshakes_per_address: 16,
            connections: 256,
            connections_per_address: 64,
            age: Duration::from_secs(3600),
            idle: Duration::from_secs(60),
        }
    }
}

impl Limits {
    /// The age at which one connection ends; `random` is from 0 to 1.
    pub(crate) fn age_of_one(&self, random: f64) -> Duration {
        self.age.mul_f64(0.9 + 0.2 * random.clamp(0.0, 1.0))
    }
}

/// Counts what is in use, in all and by address.
#[derive(Debug)]
pub(crate) struct Slots {
    most: usize,
    most_per_address: usize,
    used: Mutex<HashMap<IpAddr, usize>>,
}

/// A place that somebody has, until this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    address: IpAddr,
}

impl Slots {
    pub fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        Arc::new(Self { most, most_per_address, used: Mutex::default() })
    }

    /// A place for somebody at `address`, if there is one.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Result<Slot, Reason> {
        let address = block(address);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.values().sum::<usize>() >= self.most {
            return Err(Reason::Busy);
        }
        let here = used.entry(address).or_default();
        if *here >= self.most_per_address {
            return Err(Reason::BusyAddress);
        }
        *here += 1;
        Ok(Slot { slots: Arc::clone(self), address })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut used = self.slots.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = used.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                used.remove(&self.address);
            }
        }
    }
}

/// Whoever has one IPv6 address has all of its /64.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_limited_by_address_and_in_all_and_given_back() {
        let slots = Slots::new(3, 2);
        let [a, b, c] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(address);
        let first = slots.take(a).unwrap();
        let _second = slots.take(a).unwrap();
        assert_eq!(slots.take(a).unwrap_err(), Reason::BusyAddress);
        let third = slots.take(b).unwrap();
        assert_eq!(slots.take(c).unwrap_err(), Reason::Busy);
        drop(first);
        let _fourth = slots.take(c).unwrap();
        drop(third);
        let _fifth = slots.take(a).unwrap();
        assert_eq!(slots.used.lock().unwrap().len(), 2, "an address without connections takes no room");
    }

    #[test]
    fn an_address_that_is_refused_takes_no_room() {
        let slots = Slots::new(3, 0);
        assert_eq!(slots.take(address("192.0.2.1")).unwrap_err(), Reason::BusyAddress);
        assert_eq!(slots.used.lock().unwrap().values().sum::<usize>(), 0);
    }

    #[test]
    fn all_of_a_network_that_one_host_gets_is_one_address() {
        assert_eq!(block(address("2001:db8::1")), block(address("2001:db8::ffff:0:0:1")));
        assert_ne!(block(address("2001:db8::1")), block(address("2001:db8:0:1::1")));
        assert_eq!(block(address("::ffff:192.0.2.1")), address("192.0.2.1"));
        assert_ne!(block(address("192.0.2.1")), block(address("192.0.2.2")));
    }

    #[test]
    fn ages_differ_by_a_tenth_at_most() {
        let limits = Limits { age: Duration::from_secs(1000), ..Limits::default() };
        assert_eq!(limits.age_of_one(0.0).as_secs(), 900);
        assert_eq!(limits.age_of_one(1.0).as_secs(), 1100);
    }
}
