//! Debian's nats-server.

use std::cell::RefCell;

use async_nats::jetstream::{self, consumer::pull, stream};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::runtime::Handle;

use super::*;

/// Reads what a stream keeps, from where it read before.
#[derive(Default)]
struct Reader {
    lines: Vec<String>,
    next: u64,
}

impl Reader {
    async fn read(&mut self, port: u16) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let client = async_nats::connect(format!("nats://127.0.0.1:{port}")).await?;
        let mut stream = jetstream::new(client).get_stream("ACTIVITY").await?;
        let last = stream.info().await?.state.last_sequence;
        if self.next >= last {
            return Ok(());
        }
        let deliver_policy =
            jetstream::consumer::DeliverPolicy::ByStartSequence { start_sequence: self.next + 1 };
        let config = pull::Config {
            deliver_policy,
            ack_policy: jetstream::consumer::AckPolicy::None,
            ..Default::default()
        };
        let consumer = stream.create_consumer(config).await?;
        let wanted = usize::try_from(last - self.next)?;
        let messages = consumer.messages().await?.take(wanted);
        let messages: Vec<_> = messages.try_collect().await?;
        for message in messages {
            self.next = message.info()?.stream_sequence;
            let identity = message
                .headers
                .as_ref()
                .and_then(|headers| headers.get("Nats-Msg-Id"))
                .map(ToString::to_string);
            let line = String::from_utf8(message.payload.to_vec())?;
            assert!(line.contains(&format!("\"{}\"", identity.unwrap())));
            assert!(
                ["activity.exec", "activity.gap", "activity.silence"].contains(&message.subject.as_str())
            );
            self.lines.push(line);
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_server_stores_every_event_through_kills_of_either() {
    let Some(program) = program("nats::through_kills", "nats-server", "nats-server") else { return };
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let start = || {
        let mut command = Command::new(&program);
        command
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
            .arg(directory.path().join("nats"));
        let running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        until("nats-server listens", || listens(port));
        Handle::current().block_on(async {
            let config = stream::Config {
                name: "ACTIVITY".into(),
                subjects: vec!["activity.>".into()],
                ..stream::Config::default()
            };
            let client = async_nats::connect(format!("nats://127.0.0.1:{port}")).await.unwrap();
            let deadline = Instant::now() + PATIENCE;
            while jetstream::new(client.clone()).get_or_create_stream(config.clone()).await.is_err() {
                assert!(Instant::now() < deadline, "JetStream begins");
            }
        });
        running
    };
    let reader = RefCell::new(Reader::default());
    let arrived = || {
        let mut reader = reader.borrow_mut();
        // What cannot be read while the server is away is read later.
        let _ = Handle::current().block_on(async { tokio::time::timeout(PATIENCE, reader.read(port)).await });
        reader.lines.clone()
    };
    let sensor = Sensor::start(directory.path());
    let export = format!("to = 'nats://127.0.0.1:{port}'\nformat = 'ecs'");
    let collector = Collector::new(directory.path(), &sensor, &export);
    tokio::task::block_in_place(|| through_kills(&collector, &sensor, "ecs", start, arrived));
}
