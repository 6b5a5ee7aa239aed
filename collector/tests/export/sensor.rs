//! A sensor whose numbers rise whether or not somebody listens.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use activity_proto::{
    EncodedEvents,
    v1::{Event, EventId, Exec, Lane, Process, event::Payload},
};
use futures::{Stream, stream};

use crate::teller;

const BATCH: u64 = 20;
const PACE: Duration = Duration::from_millis(10);

/// Tells program starts until it is stopped; then one last one, once.
#[derive(Clone)]
pub struct Sensor {
    socket: PathBuf,
    next: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
}

impl Sensor {
    /// On a socket in a directory. Needs the runtime of tokio.
    pub fn start(directory: &Path) -> Self {
        let socket = directory.join("sensor.sock");
        let sensor = Self { socket, next: Arc::new(1.into()), stopped: Arc::default() };
        let teller = sensor.clone();
        teller::serve(&sensor.socket, move || teller.clone().tell());
        sensor
    }

    /// Where it is reached.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// How many it has told.
    pub fn told(&self) -> u64 {
        self.next.load(Ordering::Relaxed) - 1
    }

    /// Tells no more.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// The identity of the last one as all formats have it, in quotes or not.
    pub fn last(&self) -> String {
        format!("s/b/1/process/{}", self.told())
    }

    fn tell(self) -> impl Stream<Item = EncodedEvents> {
        // Numbers that nobody was there for.
        self.batch();
        stream::unfold((self, tokio::time::interval(PACE)), async |(sensor, mut interval)| {
            interval.tick().await;
            Some((sensor.batch(), (sensor, interval)))
        })
    }

    fn batch(&self) -> EncodedEvents {
        if self.stopped.load(Ordering::Relaxed) {
            return teller::batch([]);
        }
        let first = self.next.fetch_add(BATCH, Ordering::Relaxed);
        teller::batch((first..first + BATCH).map(event))
    }
}

fn event(sequence: u64) -> Event {
    let lane = Lane::Process.into();
    let id = EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch: 1, lane, sequence };
    let argv = vec!["prog".into(), "with = | \\ signs\n".into(), "x".repeat(300).into()];
    Event {
        id: Some(id),
        host: "web-1".into(),
        time: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 7 }),
        process: Some(Process { pid: 4242, argv, ..Process::default() }),
        payload: Some(Payload::Exec(Exec { filename: "/usr/bin/prog".into(), ..Exec::default() })),
        ..Event::default()
    }
}
