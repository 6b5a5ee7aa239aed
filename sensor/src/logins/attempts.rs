//! One refused login is told once, though sshd has several lines for it.
//!
//! What somebody typed and sshd refused is told at once, each time. What
//! clients try on their own (one key after the other) is not: the next may be
//! accepted. A connection that named a user and came to its end with nothing
//! told of it is told then, with the last key that was offered.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use super::{
    Source,
    sshd::{Peer, Refused, Said, Stage},
};

/// Connections remembered at most.
const MAX: usize = 1024;
/// After this a connection without an end is told: sshd gives two minutes.
const DUE: Duration = Duration::from_secs(600);

/// Connections on which something was refused.
#[derive(Default)]
pub struct Attempts {
    open: HashMap<Peer, Attempt>,
    /// In the order in which they began; those that ended are in it too.
    order: VecDeque<(Instant, Peer)>,
}

struct Attempt {
    since: Instant,
    last: Refused,
    source: Source,
    told: bool,
}

impl Attempts {
    /// What is to be told now that sshd said this.
    pub fn hear(&mut self, said: Said, source: Source, now: Instant) -> Option<Said> {
        let mut refused = match said {
            Said::Accepted(accepted) => {
                self.open.remove(&accepted.peer);
                return Some(Said::Accepted(accepted));
            }
            Said::Refused(refused) => refused,
        };
        let peer = refused.peer;
        let (tell, remember) = match refused.stage {
            Stage::Named => (false, Some(false)),
            Stage::Offered => (false, Some(self.told(&peer))),
            Stage::Tried => (true, Some(true)),
            Stage::Ended => match self.open.remove(&peer) {
                Some(attempt) if attempt.told => (false, None),
                Some(attempt) => {
                    refused.method = attempt.last.method;
                    refused.key = attempt.last.key;
                    (true, None)
                }
                None => (true, None),
            },
        };
        if let Some(told) = remember {
            self.remember(refused.clone(), source, told, now);
        }
        tell.then_some(Said::Refused(refused))
    }

    /// A connection of which nothing was told and which is not remembered any
    /// longer. Ask until there is none.
    pub fn overdue(&mut self, now: Instant) -> Option<(Refused, Source)> {
        while let Some(&(since, peer)) = self.order.front() {
            if self.order.len() <= MAX && now.saturating_duration_since(since) < DUE {
                return None;
            }
            self.order.pop_front();
            if self.open.get(&peer).is_some_and(|attempt| attempt.since == since)
                && let Some(attempt) = self.open.remove(&peer)
                && !attempt.told
            {
                return Some((attempt.last, attempt.source));
            }
        }
        None
    }

    fn told(&self, peer: &Peer) -> bool {
        self.open.get(peer).is_some_and(|attempt| attempt.told)
    }

    fn remember(&mut self, last: Refused, source: Source, told: bool, now: Instant) {
        if let Some(attempt) = self.open.get_mut(&last.peer) {
            attempt.last = last;
            attempt.told = told;
            return;
        }
        self.order.push_back((now, last.peer));
        self.open.insert(last.peer, Attempt { since: now, last, source, told });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logins::sshd::parse;

    fn hear(attempts: &mut Attempts, message: &str) -> Option<(String, String)> {
        match attempts.hear(parse(message.as_bytes()).unwrap(), Source::File, Instant::now())? {
            Said::Accepted(said) => Some(("accepted".to_owned(), said.method)),
            Said::Refused(said) => {
                Some((said.key.map(|key| key.fingerprint).unwrap_or_default(), said.method))
            }
        }
    }

    #[test]
    fn each_password_is_told_and_the_end_is_not() {
        let attempts = &mut Attempts::default();
        let failed = "Failed password for invalid user x from ::1 port 7 ssh2";
        assert_eq!(hear(attempts, "Invalid user x from ::1 port 7"), None);
        assert_eq!(hear(attempts, failed).unwrap().1, "password");
        assert_eq!(hear(attempts, failed).unwrap().1, "password");
        assert_eq!(hear(attempts, "Connection closed by invalid user x ::1 port 7 [preauth]"), None);
        assert_eq!(attempts.open.len(), 0);
    }

    #[test]
    fn keys_are_told_at_the_end_unless_one_was_accepted() {
        let attempts = &mut Attempts::default();
        let failed = "Failed publickey for x from ::1 port 7 ssh2: RSA SHA256:a";
        let closed = "Connection closed by authenticating user x ::1 port 7 [preauth]";
        assert_eq!(hear(attempts, failed), None);
        assert_eq!(hear(attempts, closed).unwrap(), ("SHA256:a".to_owned(), "publickey".to_owned()));
        assert_eq!(hear(attempts, closed).unwrap(), (String::new(), String::new()));
        assert_eq!(hear(attempts, failed), None);
        assert_eq!(hear(attempts, "Accepted publickey for x from ::1 port 7 ssh2").unwrap().0, "accepted");
        assert_eq!(attempts.open.len(), 0);
    }

    #[test]
    fn a_connection_without_an_end_is_told_late() {
        let attempts = &mut Attempts::default();
        assert_eq!(hear(attempts, "Invalid user x from ::1 port 7"), None);
        assert_eq!(attempts.overdue(Instant::now()), None);
        assert_eq!(attempts.overdue(Instant::now() + DUE).unwrap().0.peer.port, 7);
        assert_eq!(attempts.overdue(Instant::now() + DUE), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let attempts = &mut Attempts::default();
        for port in 0..u16::MAX {
            hear(attempts, &format!("Invalid user x from ::1 port {port}"));
            assert_eq!(attempts.overdue(Instant::now()).is_some(), usize::from(port) >= MAX);
        }
        assert_eq!((attempts.open.len(), attempts.order.len()), (MAX, MAX));
    }
}
