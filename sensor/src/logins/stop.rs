//! How the readers wait, and how they are told to end.

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::Errno,
};

/// Ends the readers.
#[derive(Clone)]
pub struct Stop(Arc<OwnedFd>);

/// Why a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// Told to stop.
    Stop,
    /// There is something to read, or the other end is closed.
    Input,
    /// The time is over, or a signal came.
    Time,
}

impl Stop {
    /// Not told yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// Tells all who wait, now and later.
    pub fn stop(&self) {
        // Fails only when it was told very often.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    /// Waits until there is something to read, or until the time is over.
    pub fn wait(&self, input: Option<BorrowedFd<'_>>, time: Duration) -> io::Result<Woken> {
        let time = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
        let mut waiting = vec![PollFd::new(&*self.0, PollFlags::IN)];
        waiting.extend(input.as_ref().map(|input| PollFd::new(input, PollFlags::IN)));
        match poll(&mut waiting, Some(&time)) {
            Err(Errno::INTR) => return Ok(Woken::Time),
            other => other?,
        };
        let ready = |at: usize| waiting.get(at).is_some_and(|waited| !waited.revents().is_empty());
        Ok(if ready(0) {
            Woken::Stop
        } else if ready(1) {
            Woken::Input
        } else {
            Woken::Time
        })
    }
}
