//! What is known of a process beside its program: whose it is.

use super::{chain::Chains, multiplexer};
use crate::enrich::{image::Image, processes::ProcessId};

/// Whose a process is. Passed on to its children.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// The process that it was made by.
    pub parent: Option<ProcessId>,
    /// The login session, by the audit session it began with.
    pub session: Option<u32>,
    /// The users on the way from the login.
    pub chain: Chains,
    /// The terminal multiplexer it runs in.
    pub multiplexer: Option<ProcessId>,
    /// The session that asked a daemon for it.
    pub asked_by: Option<u32>,
}

impl Who {
    /// That of a child, whose parent runs `image`.
    pub fn of_child(&self, parent: ProcessId, image: &Image) -> Self {
        let is_multiplexer = multiplexer::is_one(image);
        Self {
            parent: Some(parent),
            multiplexer: if is_multiplexer { Some(parent) } else { self.multiplexer },
            session: self.session,
            chain: self.chain.of_child(),
            asked_by: self.asked_by,
        }
    }
}

/// That of a process that ran before the sensor.
pub fn from_proc(parent: Option<ProcessId>, session: Option<u32>) -> Who {
    Who { parent, session, ..Who::default() }
}
