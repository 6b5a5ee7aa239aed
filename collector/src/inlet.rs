//! How batches come to the one who writes: each connection has a queue of its own, so that
//! none waits for another's, and they are taken by turns.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt as _, stream::SelectAll};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::ingest::Batch;

/// Messages of one sensor that wait for the writer. Each is at most 4 MiB and mostly far
/// less; what waits beyond them waits at the sensor.
const QUEUE: usize = 8;
/// Queues that wait to be taken over.
const COMERS: usize = 64;

/// Where queues are opened.
#[derive(Clone, Debug)]
pub struct Inlet(mpsc::Sender<ReceiverStream<Batch>>);

/// All queues there are. It ends when there is none and nobody can open one any more.
#[derive(Debug)]
pub struct Queues {
    comers: mpsc::Receiver<ReceiverStream<Batch>>,
    open: SelectAll<ReceiverStream<Batch>>,
}

/// No queue yet.
pub fn inlet() -> (Inlet, Queues) {
    let (sender, comers) = mpsc::channel(COMERS);
    (Inlet(sender), Queues { comers, open: SelectAll::new() })
}

impl Inlet {
    /// A queue, for as long as the sender is kept; `None` when nobody writes any more.
    pub async fn open(&self) -> Option<mpsc::Sender<Batch>> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        self.0.send(ReceiverStream::new(receiver)).await.ok().map(|()| sender)
    }
}

impl Queues {
    /// No more are opened: it ends when those there are have ended.
    pub fn close(&mut self) {
        self.comers.close();
    }
}

impl Stream for Queues {
    type Item = Batch;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Batch>> {
        let is_final = loop {
            match self.comers.poll_recv(context) {
                Poll::Ready(Some(queue)) => self.open.push(queue),
                Poll::Ready(None) => break true,
                Poll::Pending => break false,
            }
        };
        match self.open.poll_next_unpin(context) {
            // None is open now; a comer wakes.
            Poll::Ready(None) if !is_final => Poll::Pending,
            polled => polled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(connection: u64) -> Batch {
        Batch { connection, sensor_id: None, events: Vec::new(), receipt: None }
    }

    #[tokio::test]
    async fn queues_come_and_go_and_none_waits_for_a_full_one() {
        let (inlet, mut queues) = inlet();
        let first = inlet.open().await.unwrap();
        for _ in 0..QUEUE {
            first.try_send(batch(1)).unwrap();
        }
        let second = inlet.open().await.unwrap();
        second.try_send(batch(2)).unwrap();
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(queues.next().await.unwrap().connection);
        }
        assert!(taken.contains(&2), "{taken:?}");
        drop((first, second));
        assert_eq!(queues.by_ref().take(QUEUE - 2).count().await, QUEUE - 2);
        // All are gone, and another may come.
        let third = async { inlet.open().await.unwrap().send(batch(3)).await.unwrap() };
        let (taken, ()) = tokio::join!(queues.next(), third);
        assert_eq!(taken.unwrap().connection, 3);
        queues.close();
        assert!(queues.next().await.is_none() && inlet.open().await.is_none());
    }
}
