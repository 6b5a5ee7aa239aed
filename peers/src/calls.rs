//! Whether a connection is in use: whether a call is open on it, or was a moment ago.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

/// The open calls of a connection.
#[derive(Debug)]
pub(crate) struct Calls(watch::Sender<usize>);

/// A call that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Call(Arc<Calls>);

impl Calls {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(0)))
    }

    pub fn begin(self: &Arc<Self>) -> Call {
        self.0.send_modify(|open| *open += 1);
        Call(Arc::clone(self))
    }

    /// Waits until no call has been open for so long.
    pub async fn idle(&self, allowed: Duration) {
        let mut open = self.0.subscribe();
        loop {
            if open.wait_for(|open| *open == 0).await.is_err() {
                return std::future::pending().await;
            }
            // One that comes and goes begins the time anew.
            if timeout(allowed, open.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const ALLOWED: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_connection_is_idle_when_no_call_was_open_for_a_while() {
        let calls = Calls::new();
        let began = Instant::now();
        calls.idle(ALLOWED).await;
        assert!(began.elapsed() >= ALLOWED);

        let call = calls.begin();
        assert!(timeout(ALLOWED * 3, calls.idle(ALLOWED)).await.is_err(), "a call is open");
        drop(call);
        calls.idle(ALLOWED).await;
    }

    #[tokio::test]
    async fn a_call_that_comes_and_goes_begins_the_time_anew() {
        let calls = Calls::new();
        let idle = calls.idle(ALLOWED);
        tokio::pin!(idle);
        let began = Instant::now();
        assert!(timeout(ALLOWED / 2, &mut idle).await.is_err());
        drop(calls.begin());
        let called = began.elapsed();
        idle.await;
        assert!(began.elapsed() >= called + ALLOWED, "{:?} after {called:?}", began.elapsed());
    }
}
